"""``sendit export_metrics``: the table of process times as a file."""

import argparse
from pathlib import Path

from django.core.management.base import CommandParser

from sendit.cli.command import SenditCommand
from sendit.config import Configuration
from sendit.errors import UsageError
from sendit.metrics.export import local_today, write_process_times
from sendit.metrics.numbers import process_times


class Command(SenditCommand):
    """Writes the table."""

    help = "Write status, size and times of all batches to a file of tab-separated values."
    example = "sendit export_metrics --output /tmp"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--output",
            type=Path,
            default=Path(),
            metavar="DIR",
            help="Folder to write to (default: the working folder).",
        )

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Write it and print its path."""
        self.prepare_to_read(configuration)
        if not options.output.is_dir():
            raise UsageError(f"{options.output} is not a folder; make it, or name another.")
        times = process_times(with_uid=False)
        self.say(str(write_process_times(times, folder=options.output, today=local_today())))
        return 0
