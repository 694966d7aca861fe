"""``sendit summary_metrics``: gigabytes a day."""

import argparse
import json
from datetime import UTC, datetime

from django.core.management.base import CommandParser

from sendit.cli.arguments import positive
from sendit.cli.command import SenditCommand
from sendit.config import Configuration
from sendit.errors import UsageError
from sendit.metrics.numbers import MOST_DAYS, gb_per_day
from sendit.metrics.status import iso


class Command(SenditCommand):
    """Prints a rate."""

    help = "Print the gigabytes a day of the last days, as JSON."
    example = "sendit summary_metrics --days 7"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--days", type=positive, default=7, metavar="N", help="How many days (default 7)."
        )

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Print it."""
        if options.days > MOST_DAYS:
            raise UsageError(f"--days is from 1 to {MOST_DAYS}.")
        self.prepare_to_read(configuration)
        now = datetime.now(UTC)
        rate = gb_per_day(days=options.days, now=now)
        self.say(json.dumps({"timestamp": iso(now), "gb_per_day": rate, "days": options.days}))
        return 0
