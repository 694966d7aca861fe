"""What an operator does next."""

from sendit.config import Configuration
from sendit.ingest.loop_lock import loop_is_alive


def who_goes_on(configuration: Configuration) -> list[str]:
    """Return a line that says how work goes on, when nobody is at it."""
    if loop_is_alive(configuration.settings.work_dir):
        return []
    return ['Nobody is at work now: run "sendit run --once" or "sendit start_watcher".']
