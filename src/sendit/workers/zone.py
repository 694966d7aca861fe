"""The workers of one zone on this machine, when messages say what is to be done.

The parent starts a process for each, replaces one that died, and ends one that is stuck;
it takes no message itself.
"""

import logging
from threading import Event

from django.db import DatabaseError, connection

from sendit.config import Configuration
from sendit.errors import UsageError
from sendit.pipeline.preparation import prepare_worker
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
        zone needs is not there.
    """
    settings = configuration.settings
    if settings.mode not in BACKENDS:
        raise UsageError(
            f'mode = "{settings.mode}" needs no worker of its own: "sendit run" starts them. '
            'Set mode = "celery" and broker.url to let workers of zones do the work.'
        )
    prepare_worker(configuration, zone=zone)
    nudger(configuration).require()
    pool = Pool(
        processes=concurrency or settings.workers.processes,
        what=BACKENDS[settings.mode],
        arguments=(zone.value,),
    )
    pool.start()
    logger.info("working in zone %s", zone)
    try:
        while not stop.wait(TENDING_SECONDS):
            _tend(pool)
    finally:
        _stop(pool)


def _tend(pool: Pool) -> None:
    try:
        pool.tend()
    except DatabaseError as error:
        logger.warning("the database did not answer (%s)", type(error).__name__)
        connection.close()


def _stop(pool: Pool) -> None:
    try:
        pool.stop()
    except DatabaseError as error:
        # Their claims lapse by themselves.
        logger.warning("the database did not answer (%s)", type(error).__name__)
