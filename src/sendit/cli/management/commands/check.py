"""``sendit check``: find what is wrong before a study is there."""

import argparse
import json

from django.core.management.base import CommandParser

from sendit.cli.command import SenditCommand
from sendit.cli.trial import try_everything
from sendit.config import Configuration


class Command(SenditCommand):
    """Checks the installation."""

    help = (
        "Check the configuration, the keys, a site's broker, and every target and identity service."
    )
    example = "sendit check --config /etc/sendit/sendit.toml"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--json", action="store_true", help="One JSON object.")

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Try everything and show what does not work."""
        trials = []
        for trial in try_everything(configuration):
            trials.append(trial)
            if not options.json:
                self.say(f"{'ok    ' if trial.problem is None else 'FAILED'}  {trial.what}")
                said = [trial.problem or "", f"warning: {trial.warning}" if trial.warning else ""]
                self.say(*(f"        {text}" for text in said if text))
        problems = [f"{trial.what}: {trial.problem}" for trial in trials if trial.problem]
        if options.json:
            self.say(
                json.dumps(
                    {
                        "ok": not problems,
                        "problems": problems,
                        "warnings": [
                            f"{trial.what}: {trial.warning}" for trial in trials if trial.warning
                        ],
                        "checks": [
                            {"what": trial.what, "ok": trial.problem is None} for trial in trials
                        ],
                    },
                    indent=2,
                )
            )
        return int(bool(problems))
