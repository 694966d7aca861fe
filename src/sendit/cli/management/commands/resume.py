"""``sendit resume``: go on after a pause."""

import argparse
from datetime import UTC, datetime

from django.core.management.base import CommandParser

from sendit.cli.command import SenditCommand
from sendit.cli.management.pause_options import add_what, name_of
from sendit.config import Configuration
from sendit.pipeline.pausing import resume


class Command(SenditCommand):
    """Ends a pause."""

    help = """Go on after a pause, with the whole node, one project, or one target."""
    example = "sendit resume --project irb-41449"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        add_what(parser)

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Resume."""
        self.prepare(configuration)
        what = name_of(options)
        was = resume(
            configuration,
            project=options.project,
            target=options.target,
            now=datetime.now(UTC),
        )
        self.say(f"{what} goes on." if was else f"{what} was not paused.")
        return 0
