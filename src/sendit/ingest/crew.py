"""Who does the work while the loop looks, by mode: this process, local workers, or any."""

import time
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event
from typing import Protocol

from sendit.config import Configuration
from sendit.pipeline.hanging import Doubts
from sendit.workers.bell import Bell
from sendit.workers.inline import work_until_idle
from sendit.workers.nudge import Nudger, nudger
from sendit.workers.pool import Pool

TENDING_SECONDS = 0.5


class Crew(Protocol):
    """The workers, as the loop sees them."""

    def start(self) -> None:
        """Begin."""

    def tend(self) -> None:
        """See that the work goes on; called every turn."""

    def rested(self) -> bool:
        """Say, once each time, that there is nothing left to do for anybody here."""

    def stop(self) -> None:
        """End; what was claimed is let go."""


class LocalPool:
    """Worker processes that find their work in the database."""

    def __init__(self, configuration: Configuration, *, processes: int) -> None:
        self._pool = Pool(
            processes=processes,
            copied=True,
            silence=configuration.settings.workers.lease.total_seconds(),
            hangs=Doubts(configuration),
        )
        self._next_tending = 0.0

    def start(self) -> None:
        """Start the processes."""
        self._pool.start()

    def tend(self) -> None:
        """Replace the dead, end the stuck; not so often that workers which cannot start hurt."""
        if time.monotonic() >= self._next_tending:
            self._pool.tend()
            self._next_tending = time.monotonic() + TENDING_SECONDS

    def rested(self) -> bool:
        """Say, once each time, that the last process found nothing to do."""
        return self._pool.rested()

    def stop(self) -> None:
        """End the processes."""
        self._pool.stop()


class Remote:
    """Workers that messages reach, here or on other machines; the loop rings for what waits."""

    def __init__(self, nudger: Nudger) -> None:
        self._bell = Bell(nudger)
        self._next_ring = 0.0

    def start(self) -> None:
        """Do nothing: they are started by others."""

    def tend(self) -> None:
        """Ring for what nobody has taken up."""
        if time.monotonic() >= self._next_ring:
            self._bell.ring(now=datetime.now(UTC))
            self._next_ring = time.monotonic() + TENDING_SECONDS

    def rested(self) -> bool:
        """Nobody knows what the others do."""
        return False

    def stop(self) -> None:
        """Do nothing: they go on."""


class Inline:
    """Our own process: works until idle, or told to stop, at every turn."""

    def __init__(self, configuration: Configuration, *, site_key: bytes, stop: Event) -> None:
        self._configuration = configuration
        self._site_key = site_key
        self._stop = stop

    def start(self) -> None:
        """Do nothing: there is nobody else."""

    def tend(self) -> None:
        """Work."""
        work_until_stopped(self._configuration, site_key=self._site_key, stop=self._stop)

    def rested(self) -> bool:
        """Whoever asks is who works."""
        return False

    def stop(self) -> None:
        """Do nothing: it holds no claim between two steps."""


def work_until_stopped(
    configuration: Configuration,
    *,
    site_key: bytes,
    only: Collection[int] | None = None,
    stop: Event,
) -> None:
    """Work in this process until idle, or after the step in which somebody says stop."""

    def look_up() -> None:
        if stop.is_set():
            raise _Stopped

    with suppress(_Stopped):
        work_until_idle(configuration, site_key=site_key, only=only, after_step=look_up)


class _Stopped(Exception):
    """Somebody said stop, between two steps."""


def crew_for(
    configuration: Configuration, *, site_key: bytes, workers: int | None, stop: Event
) -> Crew:
    """Return the crew of the configured mode."""
    settings = configuration.settings
    if settings.mode == "inline":
        return Inline(configuration, site_key=site_key, stop=stop)
    if settings.mode == "celery":
        return Remote(nudger(configuration))
    return LocalPool(configuration, processes=workers or settings.workers.processes)
