"""``sendit start_watcher``: the watcher loop as a daemon."""

import argparse

from sendit.cli.command import SenditCommand
from sendit.config import Configuration
from sendit.ingest import daemon


class Command(SenditCommand):
    """Starts the daemon."""

    help = "Watch the inboxes as a daemon, in mode pool with its workers."
    example = "sendit start_watcher"

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Start it and say where it is."""
        self.prepare_to_work(configuration)
        pid = daemon.start(configuration)
        work_dir = configuration.settings.work_dir
        self.say(*(f"Watching {inbox.path}" for inbox in configuration.settings.inboxes))
        self.say(f"The watcher is at work: process {pid}, log {daemon.log_file(work_dir)}.")
        return 0
