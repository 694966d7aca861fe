"""``sendit start_queue``: let batches of a backlog in."""

import argparse
from pathlib import Path

from django.core.management.base import CommandParser

from sendit.cli.arguments import positive
from sendit.cli.command import SenditCommand
from sendit.cli.main import INTERRUPTED
from sendit.cli.stopping import until_stopped
from sendit.config import Configuration
from sendit.ingest.backlog import start_queue


class Command(SenditCommand):
    """Admits queued batches."""

    help = """Let waiting batches in, up to a number; when none waits, look for folders first.
When no worker is alive, they are worked on here until they rest."""
    example = "sendit start_queue --number 25 --subfolder /data/inbox"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--number", type=positive, default=1, metavar="N", help="How many batches (default 1)."
        )
        parser.add_argument(
            "--subfolder",
            type=Path,
            metavar="DIR",
            help="Look here, in or at an inbox, instead of all inboxes.",
        )

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Let them in and say how many."""
        keys = self.prepare_to_work(configuration)
        with until_stopped() as request:
            started = start_queue(
                configuration,
                site_key=keys.site,
                number=options.number,
                folder=options.subfolder,
                stop=request.stop,
                tell=self.say,
            )
        if request.interrupted:
            return INTERRUPTED
        if started.obstacle is not None:
            self.stderr.write(started.obstacle)
        return int(started.obstacle is not None)
