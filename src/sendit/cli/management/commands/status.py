"""``sendit status``: what became of the batches."""

import argparse
import json
import shutil
from datetime import UTC, datetime

from django.core.management.base import CommandParser

from sendit.cli import batch_argument
from sendit.cli.command import SenditCommand
from sendit.cli.status_text import all_lines, batch_lines
from sendit.config import Configuration
from sendit.metrics.status import describe
from sendit.records.models import Batch


class Command(SenditCommand):
    """Shows states and errors."""

    help = """Show every batch with its state, or one in full, and the folders set aside (.err).
On a terminal long names are shortened in the list; in a pipe and for one batch they are whole."""
    example = "sendit status 42"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument(
            "batch", nargs="?", metavar="BATCH", help=f"{batch_argument.HELP} Default: all."
        )
        parser.add_argument("--json", action="store_true", help="One JSON list, newest last.")

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Show them."""
        self.prepare_to_read(configuration)
        now = datetime.now(UTC)
        one = options.batch is not None
        batches = (
            [batch_argument.find_batch(options.batch)]
            if one
            else list(Batch.objects.order_by("pk"))
        )
        described = describe(batches)
        if options.json:
            self.say(json.dumps(described, indent=2))
        elif one:
            self.say(*batch_lines(batches[0], described[0], now=now))
        else:
            # A script that reads this gets whole names; a person reads them with the number.
            width = shutil.get_terminal_size().columns if self.stdout.isatty() else None
            self.say(*all_lines(batches, described, configuration, now=now, width=width))
        return 0
