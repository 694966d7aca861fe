"""``sendit report``: a page, or a JSON document, about what was done."""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from django.core.management.base import CommandParser

from sendit.cli import batch_argument
from sendit.cli.command import SenditCommand
from sendit.config import Configuration
from sendit.errors import UsageError
from sendit.metrics.report import write_report
from sendit.metrics.report_document import report_document
from sendit.records.models import Batch

NEWEST = 200
"""Batches on a page about all of them."""


class Command(SenditCommand):
    """Reports without identifying anybody."""

    help = """Write one page about a batch, or about all: states, times, what was done, pictures.
It identifies nobody, needs nothing from anywhere, and can be made after clean-up."""
    example = "sendit report 42 --output batch-42.html"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument(
            "batch",
            nargs="?",
            metavar="BATCH",
            help=f"{batch_argument.HELP} Default: the newest {NEWEST}.",
        )
        form = parser.add_mutually_exclusive_group()
        form.add_argument(
            "--output",
            type=Path,
            metavar="FILE.html",
            help="Where to (default: in the folder reports/ of work_dir).",
        )
        form.add_argument(
            "--json",
            action="store_true",
            help="One JSON document for a batch, a list of them for all, instead of a page.",
        )

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Write it and say where it is."""
        self.prepare(configuration)
        if options.batch is not None:
            found = batch_argument.find_batch(options.batch)
            batches, name = [found], f"batch-{found.pk}.html"
        else:
            newest = Batch.objects.select_related("profile").order_by("-pk")[:NEWEST]
            batches, name = sorted(newest, key=lambda batch: batch.pk), "all.html"
        if options.json:
            documents = [report_document(batch) for batch in batches]
            told = documents if options.batch is None else documents[0]
            self.say(json.dumps(told, indent=2))
            return 0
        work_dir = configuration.settings.work_dir
        path = options.output or work_dir / "reports" / name
        if not path.parent.is_dir():
            raise UsageError(f"{path.parent} is not a folder; make it, or name another.")
        write_report(batches, path, work_dir=work_dir, now=datetime.now(UTC))
        self.say(str(path))
        return 0
