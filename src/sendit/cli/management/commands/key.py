"""``sendit key``: keep the two secret keys safe."""

import argparse
from pathlib import Path

from django.core.management.base import CommandParser

from sendit.cli.command import SenditCommand
from sendit.config import Configuration
from sendit.config.keys import backup


class Command(SenditCommand):
    """Copies or verifies the keys."""

    help = """Copy the secret keys to a safe place, or verify them.
Without the site key every patient would get a second identity."""
    example = "sendit key backup /mnt/safe"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what may be done."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="backup|verify")
        copying = actions.add_parser("backup", help="Copy both keys into a folder.")
        copying.add_argument("folder", type=Path, metavar="DIR", help="Made if it is missing.")
        actions.add_parser("verify", help="See that both keys are the ones used so far.")

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Copy or verify; a key that is missing or another one refuses."""
        self.prepare(configuration)  # reads both keys and compares their fingerprints
        if options.action == "backup":
            for copy in backup(configuration.settings, options.folder):
                self.say(f"Copied to {copy}")
        else:
            self.say("Both keys are there, private, and the ones used so far.")
        return 0
