"""``sendit run``: the watcher loop and the workers, in the foreground."""

import argparse
from collections import Counter

from django.core.management.base import CommandParser

from sendit.cli.arguments import positive
from sendit.cli.command import SenditCommand
from sendit.cli.main import INTERRUPTED
from sendit.cli.stopping import until_stopped
from sendit.config import Configuration
from sendit.ingest import watch
from sendit.records.models import Batch


class Command(SenditCommand):
    """Takes in, processes, delivers."""

    help = "Watch the inboxes and work, in the foreground, until interrupted or idle."
    example = "sendit run --once"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--once",
            action="store_true",
            help="Stop when nothing is left to do now; folders that settle are waited for.",
        )
        parser.add_argument(
            "--workers",
            type=positive,
            metavar="N",
            help="Worker processes in mode pool (default: workers.processes).",
        )
        parser.add_argument(
            "--strict",
            action="store_true",
            help="Exit with 1 when a batch of this run has an error.",
        )

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Run the loop."""
        keys = self.prepare_to_work(configuration)
        with until_stopped() as request:
            code = watch.run(
                configuration,
                site_key=keys.site,
                once=options.once,
                workers=options.workers,
                strict=options.strict,
                stop=request.stop,
            )
        if request.interrupted:
            return INTERRUPTED
        if options.once:
            self.say(summary())
        return code


def summary() -> str:
    """Return how many batches there are, by status."""
    counts = Counter(Batch.objects.values_list("status", flat=True))
    listed = ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
    return f"Idle. Batches: {listed or 'none'}."
