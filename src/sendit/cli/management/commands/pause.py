"""``sendit pause``: let nothing start for a while."""

import argparse

from django.core.management.base import CommandParser
from django.db import transaction

from sendit.cli.command import SenditCommand
from sendit.cli.management.pause_options import add_what, name_of, subject_of
from sendit.cli.writing_down import write_down
from sendit.config import Configuration
from sendit.pipeline.pausing import pause


class Command(SenditCommand):
    """Pauses the node, a project or a target."""

    help = """Let nothing start for a while: of the whole node, of one project, or for one target.
What runs comes to its end; folders are still registered."""
    example = "sendit pause --project irb-41449"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        add_what(parser)

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Pause."""
        self.prepare(configuration)
        what = name_of(options)
        with transaction.atomic():
            new = pause(configuration, project=options.project, target=options.target)
            if new:
                write_down(configuration, "pause", subject_of(options))
        self.say(f"{what} is paused." if new else f"{what} was paused already.")
        return 0
