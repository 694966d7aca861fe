"""``sendit upload_finished``: let batches that wait for it go on to their targets."""

import argparse
from datetime import UTC, datetime

from django.core.management.base import CommandParser
from django.db import transaction

from sendit.cli import batch_argument
from sendit.cli.command import SenditCommand
from sendit.cli.hints import who_goes_on
from sendit.cli.writing_down import write_down
from sendit.config import Configuration
from sendit.pipeline import machine
from sendit.pipeline.decide import Action
from sendit.pipeline.machine.table import HELD_MANUAL
from sendit.records.models import Batch


class Command(SenditCommand):
    """Lets manual projects send."""

    help = 'Let processed batches of projects with send = "manual" go on to their targets.'
    example = "sendit upload_finished"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument(
            "batches", nargs="*", metavar="BATCH", help=f"{batch_argument.HELP} Default: all."
        )

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Let them go on."""
        self.prepare(configuration)
        named = batch_argument.find_batches(options.batches)
        waiting = Batch.objects.filter(held=HELD_MANUAL).order_by("pk")
        now = datetime.now(UTC)
        sent: list[int] = []
        refused: list[int] = []
        for batch in named if options.batches else waiting:
            with transaction.atomic():
                moved = machine.upload_finished(batch.pk, now=now)
                if moved:
                    write_down(configuration, f"batch {Action.SEND}", f"batch {batch.pk}")
            (sent if moved else refused).append(batch.pk)
        for batch_id in sent:
            self.say(f"Batch {batch_id} goes on to its targets.")
        for batch_id in refused:
            self.stderr.write(f"Batch {batch_id} is not waiting for upload_finished.")
        if not sent and not refused:
            self.say("No batch is waiting for upload_finished.")
        if sent:
            self.say(*who_goes_on(configuration))
        return int(bool(refused))
