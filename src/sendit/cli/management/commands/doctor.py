"""``sendit doctor``: what is wrong with a site that runs."""

import argparse
import json

from django.core.management.base import CommandParser

from sendit.cli.command import SenditCommand
from sendit.cli.doctor import examine, utc_now
from sendit.config import Configuration


class Command(SenditCommand):
    """Examines the installation."""

    help = """Say what is wrong with an installation that runs; changes nothing.
Looks at clocks, keys, rights, room and swap, and whether anybody is at work."""
    example = "sendit doctor"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--json", action="store_true", help="One JSON object.")

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Look, and tell."""
        findings = list(examine(configuration, now=utc_now()))
        wrong = [finding for finding in findings if finding.problem]
        if options.json:
            checks = [
                {"what": found.what, "ok": found.problem is None, "problem": found.problem}
                for found in findings
            ]
            self.say(json.dumps({"ok": not wrong, "checks": checks}, indent=2))
        else:
            for found in findings:
                self.say(f"{'ok    ' if found.problem is None else 'WRONG '}  {found.what}")
                self.say(*([f"        {found.problem}"] if found.problem else []))
        return int(bool(wrong))
