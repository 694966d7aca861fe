"""``sendit backup``: database and keys into a folder."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from django.core.management.base import CommandParser

from sendit.cli.command import SenditCommand
from sendit.config import Configuration
from sendit.pipeline.backup import back_up


class Command(SenditCommand):
    """Backs up."""

    help = """Copy the database and all keys into a new folder, as they are at one moment.
Nobody has to stop. Keep the folder where keys may be kept."""
    example = "sendit backup /mnt/safe/2026-05-04"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the folder."""
        parser.add_argument("folder", type=Path, metavar="DIR", help="Made; must not hold a thing.")

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Copy."""
        self.prepare(configuration)
        folder = options.folder.absolute()
        manifest = back_up(configuration, folder, now=datetime.now(UTC))
        self.say(f"Copied the database ({manifest.vendor}) and all keys to {folder}.")
        return 0
