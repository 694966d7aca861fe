"""``sendit stop_watcher``: end the daemon."""

import argparse

from sendit.cli.command import SenditCommand
from sendit.config import Configuration
from sendit.ingest import daemon


class Command(SenditCommand):
    """Stops the daemon."""

    help = "Stop the watcher daemon; what it was working on is let go and goes on later."
    example = "sendit stop_watcher"

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Stop it and say so."""
        pid = daemon.stop(configuration)
        self.say(f"Watching stopped (process {pid}).")
        return 0
