"""``sendit resume``: go on after a pause."""

import argparse
from datetime import UTC, datetime

from django.core.management.base import CommandParser
from django.db import transaction

from sendit.cli.command import SenditCommand
from sendit.cli.management.pause_options import add_what, name_of, subject_of
from sendit.cli.writing_down import write_down
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
        with transaction.atomic():
            was = resume(
                configuration,
                project=options.project,
                target=options.target,
                now=datetime.now(UTC),
            )
            if was:
                write_down(configuration, "resume", subject_of(options))
        self.say(f"{what} goes on." if was else f"{what} was not paused.")
        return 0
