"""``sendit restore``: database and keys out of a backup."""

import argparse
from pathlib import Path

from django.core.management.base import CommandParser

from sendit.cli.command import SenditCommand
from sendit.config import Configuration
from sendit.errors import UsageError
from sendit.ingest.loop_lock import loop_is_alive
from sendit.pipeline.restore import restore


class Command(SenditCommand):
    """Restores."""

    help = """Put the database and the keys of a backup in place, where there are none.
Folders that came after the backup are handed in again by whoever keeps them."""
    example = "sendit restore /mnt/safe/2026-05-04"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the folder."""
        parser.add_argument("folder", type=Path, metavar="DIR", help="As backup made it.")

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Put in place."""
        if loop_is_alive(configuration.settings.work_dir):
            raise UsageError("A watcher is at work here; end it first.")
        manifest = restore(configuration, options.folder.absolute())
        self.say(f"Restored what sendit {manifest.version} backed up at {manifest.created}.")
        return 0
