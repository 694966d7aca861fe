"""``sendit batch_logs``: the errors, batch by batch."""

import argparse

from django.core.management.base import CommandParser

from sendit.cli import batch_argument
from sendit.cli.command import SenditCommand
from sendit.cli.status_text import entry_lines
from sendit.cli.table import one_line
from sendit.config import Configuration
from sendit.metrics.status import describe
from sendit.records.models import Batch


class Command(SenditCommand):
    """Prints errors."""

    help = "Print the errors of the batches that have any, one line each."
    example = "sendit batch_logs 42"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument(
            "batches", nargs="*", metavar="BATCH", help=f"{batch_argument.HELP} Default: all."
        )

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Print them."""
        self.prepare_to_read(configuration)
        named = batch_argument.find_batches(options.batches)
        batches = named if options.batches else Batch.objects.filter(has_error=True).order_by("pk")
        flagged = [batch for batch in describe(batches) if batch["has_error"]]
        for batch in flagged:
            self.say(f"{one_line(batch['uid'])} (batch {batch['batch']})")
            for entry in batch["errors"]:
                self.say(*(f"  {line}" for line in entry_lines([entry])))
        if not flagged:
            which = "None of these batches" if options.batches else "No batch"
            self.say(f"{which} has an error.")
        return 0
