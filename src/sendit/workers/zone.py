"""The workers of one zone on this machine, when messages say what is to be done.

The parent starts a process for each, replaces one that died, and ends one that is stuck;
it takes no message itself.
"""

import logging
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from django.db import DatabaseError, connection

from sendit.config import Configuration
from sendit.errors import UsageError
from sendit.pipeline.hanging import Doubts
from sendit.pipeline.liveness import own_name
from sendit.pipeline.preparation import make_new_targets_ready, prepare_worker
from sendit.records.beats import EVERY_SECONDS, beat, worker_name
from sendit.records.refusals import cause_of
from sendit.records.schema import require_same_schema
from sendit.terms import Zone
from sendit.workers.nudge import BACKENDS, nudger
from sendit.workers.pool import Pool

logger = logging.getLogger(__name__)

TENDING_SECONDS = 0.5


def work_in_zone(
    configuration: Configuration, *, zone: Zone, concurrency: int | None, stop: Event
) -> None:
    """Work in a zone until told to stop.

    Parameters
    ----------
    concurrency
        How many processes; None: as many as ``workers.processes`` says.

    Raises
    ------
    sendit.errors.SenditError
        When the mode has no messages, or the database, the broker, a volume or a key that the
        zone needs is not there; or a newer version has changed the tables.
    """
    settings = configuration.settings
    if settings.mode not in BACKENDS:
        raise UsageError(
            f'mode = "{settings.mode}" needs no worker of its own: "sendit run" starts them. '
            'Set mode = "celery" and broker.url to let workers of zones do the work.'
        )
    prepare_worker(configuration, zone=zone)
    nudger(configuration).require()
    make_new_targets_ready(configuration, zone=zone)
    pool = Pool(
        processes=concurrency or settings.workers.processes,
        what=BACKENDS[settings.mode],
        arguments=(zone.value,),
        copied=True,
        silence=settings.workers.lease.total_seconds(),
        hangs=Doubts(configuration),
    )
    pool.start()
    logger.info("working in zone %s", zone)
    try:
        life = _Life(zone)
        while not stop.wait(TENDING_SECONDS):
            _tend(pool, life)
    finally:
        _stop(pool)


class _Life:
    """Signs of life: a row for doctor and pages, and a file for the container's health check."""

    def __init__(self, zone: Zone) -> None:
        self._name = worker_name(zone, own_name())
        self._file = Path(tempfile.gettempdir()) / "sendit-worker"
        self._next = 0.0

    def sign(self) -> None:
        """Give one if it is time, unless a newer version has changed the tables meanwhile."""
        if time.monotonic() >= self._next:
            self._file.touch()
            require_same_schema()
            beat(self._name, now=datetime.now(UTC))
            self._next = time.monotonic() + EVERY_SECONDS


def _tend(pool: Pool, life: _Life) -> None:
    try:
        pool.tend()
        life.sign()
    except DatabaseError as error:
        logger.warning("the database did not answer (%s)", cause_of(error))
        connection.close()


def _stop(pool: Pool) -> None:
    try:
        pool.stop()
    except DatabaseError as error:
        # Their claims lapse by themselves.
        logger.warning("the database did not answer (%s)", cause_of(error))
