"""``sendit resolve``: a person decides about a batch with errors or held images."""

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


class Command(SenditCommand):
    """Accepts or rejects a batch."""

    help = """Decide about a batch with errors: accept it without its bad files, or reject it.
Accepted: it goes on without the bad and held files, and its open errors are closed.
Rejected: nothing more is sent, results are removed, originals go back as NAME.err."""
    example = 'sendit resolve 42 --accept --reason "the report is not needed"'

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument("batch", metavar="BATCH", help=batch_argument.HELP)
        decision = parser.add_mutually_exclusive_group(required=True)
        decision.add_argument("--accept", action="store_true", help="Go on without the bad files.")
        decision.add_argument("--reject", action="store_true", help="Send nothing (more) of it.")
        parser.add_argument(
            "--reason",
            default="",
            metavar="TEXT",
            help="Kept with the errors; do not name a patient.",
        )

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Decide and say so."""
        self.prepare(configuration)
        batch = batch_argument.find_batch(options.batch)
        decide = machine.accept if options.accept else machine.turn_down
        action = Action.ACCEPT if options.accept else Action.REJECT
        with transaction.atomic():
            decide(batch.pk, reason=options.reason, now=datetime.now(UTC))
            write_down(configuration, f"batch {action}", f"batch {batch.pk}", reason=options.reason)
        word = "accepted" if options.accept else "rejected"
        self.say(f"Batch {batch.pk} is {word}.", *who_goes_on(configuration))
        return 0
