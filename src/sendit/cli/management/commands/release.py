"""``sendit release``: a person lets held images go on."""

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
    """Releases the held images of a batch."""

    help = """Let held images go on, as a line of the recipe that releases their reason would.
They are de-identified and checked like any other; look at them first, since what holds them
is what nothing else has looked at."""
    example = 'sendit release 42 --image 7 --reason "looked at: no text in the picture"'

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument("batch", metavar="BATCH", help=batch_argument.HELP)
        parser.add_argument(
            "--image",
            type=int,
            metavar="N",
            help="Its number in the batch, as status and report say it; else all that are held.",
        )
        parser.add_argument(
            "--reason",
            required=True,
            metavar="TEXT",
            help="Kept with the alerts; do not name a patient.",
        )

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Release and say so."""
        self.prepare(configuration)
        batch = batch_argument.find_batch(options.batch)
        with transaction.atomic():
            count = machine.release(
                batch.pk, nr=options.image, reason=options.reason, now=datetime.now(UTC)
            )
            write_down(
                configuration,
                f"batch {Action.RELEASE}",
                f"batch {batch.pk}",
                reason=options.reason,
                images=count,
            )
        what = "1 held image goes on" if count == 1 else f"{count} held images go on"
        self.say(f"Batch {batch.pk}: {what}.", *who_goes_on(configuration))
        return 0
