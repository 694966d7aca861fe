"""``sendit show_times``: how long batches took."""

import argparse

from sendit.cli.command import SenditCommand
from sendit.cli.table import one_line
from sendit.config import Configuration
from sendit.metrics.numbers import batches_on_their_way, process_times
from sendit.metrics.wording import count_text
from sendit.terms import Status


class Command(SenditCommand):
    """Prints times."""

    help = "Print uid, size in MB and minutes of every batch that is DONE."
    example = "sendit show_times"

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Print them."""
        self.prepare_to_read(configuration)
        for time in process_times(with_uid=True):
            if time.status == Status.DONE and time.took is not None:
                minutes = time.took.total_seconds() / 60
                self.say(f"{one_line(time.uid)} {time.size_mb or 0:.1f} MB {minutes:.2f} minutes")
        left = batches_on_their_way()
        are = "is" if left == 1 else "are"
        self.say(f"{count_text(left, 'batch', 'batches')} {are} not yet DONE, EMPTY or ERROR.")
        return 0
