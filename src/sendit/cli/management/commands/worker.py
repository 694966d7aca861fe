"""``sendit worker``: the workers of one zone, in the foreground."""

import argparse

from django.core.management.base import CommandParser

from sendit.cli.arguments import positive
from sendit.cli.command import SenditCommand
from sendit.cli.main import INTERRUPTED
from sendit.cli.stopping import until_stopped
from sendit.config import Configuration
from sendit.terms import Zone
from sendit.workers.zone import work_in_zone


class Command(SenditCommand):
    """Works in a zone."""

    help = """Work in one zone of a site, in mode celery, until interrupted.
phi: import, identify, de-identify, clean up. out: send and verify."""
    example = "sendit worker --zone out --concurrency 2"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--zone",
            required=True,
            choices=[zone.value for zone in Zone],
            metavar="phi|out",
            help="Where this machine stands: with the originals, or with the way out.",
        )
        parser.add_argument(
            "--concurrency",
            type=positive,
            metavar="N",
            help="Worker processes (default: workers.processes).",
        )

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Work."""
        with until_stopped() as request:
            work_in_zone(
                configuration,
                zone=Zone(options.zone),
                concurrency=options.concurrency,
                stop=request.stop,
            )
        return INTERRUPTED if request.interrupted else 0
