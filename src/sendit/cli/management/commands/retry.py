"""``sendit retry``: give a stopped or waiting batch its stage again."""

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
    """Tries again."""

    help = "Try the stage of a stopped or waiting batch again, with all its tries."
    example = "sendit retry 42"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument("batch", metavar="BATCH", help=batch_argument.HELP)
        parser.add_argument(
            "--target", metavar="NAME", help="Only the failed delivery to this target."
        )

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Retry it and say where it goes on."""
        self.prepare(configuration)
        batch = batch_argument.find_batch(options.batch)
        only = {} if options.target is None else {"target": options.target}
        with transaction.atomic():
            machine.retry(batch.pk, target=options.target, now=datetime.now(UTC))
            write_down(configuration, f"batch {Action.RETRY}", f"batch {batch.pk}", **only)
        batch.refresh_from_db()
        self.say(f"Batch {batch.pk} is tried again at {batch.stage}.")
        project = configuration.projects.get(batch.project)
        if project is not None and project.digest != batch.profile_id:
            self.say(
                "It keeps the project file as it was when its folder came; what was changed there "
                "since holds for folders that come in. If it needs that: "
                f'"sendit resolve {batch.pk} --reject", then drop the .err extension.'
            )
        self.say(*who_goes_on(configuration))
        return 0
