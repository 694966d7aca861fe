"""``sendit audit``: see that the audit log is whole."""

import argparse

from django.core.management.base import CommandParser

from sendit.cli.command import SenditCommand
from sendit.config import Configuration
from sendit.records.audit import HEAD_FILE, verify


class Command(SenditCommand):
    """Checks the chain."""

    help = """See that no entry of the audit log was changed or is missing.
Names the first one that was."""
    example = "sendit audit verify"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what may be done."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="verify")
        actions.add_parser("verify", help="Follow the chain from its first entry to its last.")

    def act(self, configuration: Configuration, _options: argparse.Namespace) -> int:
        """Verify; a broken chain refuses."""
        self.prepare_to_read(configuration)
        folder = configuration.settings.audit.folder
        count = verify(head_folder=folder)
        self.say(f"The audit log is whole: {count} {'entry' if count == 1 else 'entries'}.")
        if count and not (folder / HEAD_FILE).exists():
            self.say(
                f"{folder / HEAD_FILE} is missing: that the database was put back to an earlier "
                "day would not be noticed now. The next entry writes it anew."
            )
        return 0
