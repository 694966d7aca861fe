"""``sendit audit``: see that the audit log is whole."""

import argparse

from django.core.management.base import CommandParser

from sendit.cli.command import SenditCommand
from sendit.config import Configuration
from sendit.records.audit import verify


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
        count = verify(head_folder=configuration.settings.keys.site_file.parent)
        self.say(f"The audit log is whole: {count} {'entry' if count == 1 else 'entries'}.")
        return 0
