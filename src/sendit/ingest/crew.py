"""Who does the work while the loop looks, by mode: this process, local workers, or others."""

from typing import Protocol

from sendit.config import Configuration
from sendit.workers.inline import work_until_idle
from sendit.workers.pool import Pool


class Crew(Protocol):
    """The workers, as the loop sees them."""

    def start(self) -> None:
        """Begin."""

    def tend(self) -> None:
        """See that the work goes on; called every turn."""

    def stop(self) -> None:
        """End; what was claimed is let go."""


class LocalPool:
    """Worker processes that find their work in the database."""

    def __init__(self, *, processes: int) -> None:
        self._pool = Pool(processes=processes)

    def start(self) -> None:
        """Start the processes."""
        self._pool.start()

    def tend(self) -> None:
        """Replace the dead, end the stuck."""
        self._pool.tend()

    def stop(self) -> None:
        """End the processes."""
        self._pool.stop()


class Inline:
    """Our own process: works until idle at every turn."""

    def __init__(self, configuration: Configuration, *, site_key: bytes) -> None:
        self._configuration = configuration
        self._site_key = site_key

    def start(self) -> None:
        """Do nothing: there is nobody else."""

    def tend(self) -> None:
        """Work."""
        work_until_idle(self._configuration, site_key=self._site_key)

    def stop(self) -> None:
        """Do nothing: it holds no claim between two turns."""


class Elsewhere:
    """Workers on other machines, started there; they find their work in the database."""

    def start(self) -> None:
        """Do nothing."""

    def tend(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing: they go on."""


def crew_for(configuration: Configuration, *, site_key: bytes, workers: int | None) -> Crew:
    """Return the crew of the configured mode."""
    settings = configuration.settings
    if settings.mode == "inline":
        return Inline(configuration, site_key=site_key)
    if settings.mode == "celery":
        return Elsewhere()
    return LocalPool(processes=workers or settings.workers.processes)
