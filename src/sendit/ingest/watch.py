"""The loop: look into the inboxes, take in, let in, sweep, and keep the workers at it.

One loop for each working folder (``loop_lock.py``).  It holds no state that matters: what
a folder looked like a moment ago, and nothing else.  Killed and started again, it finds
everything else in the database and in the inboxes.
"""

import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event

from django.db import InternalError, OperationalError, connection
from django.db.models import Q

from sendit.config import Configuration
from sendit.ingest.crew import Crew, crew_for
from sendit.ingest.events import Waiter
from sendit.ingest.loop_lock import give_sign, only_loop
from sendit.ingest.rounds import Rounds
from sendit.pipeline.admission import admit, anything_waits, obstacle
from sendit.pipeline.sweep import orphans, sweep
from sendit.pipeline.workspace import Workspace
from sendit.records.beats import EVERY_SECONDS, WATCHER, beat, forget_old_beats
from sendit.records.counting import COUNTS
from sendit.records.hours import HOURS
from sendit.records.models import Batch
from sendit.records.own_keys import require_own_keys
from sendit.records.provider import require_all_same
from sendit.records.refusals import cause_of
from sendit.records.schema import require_same_schema
from sendit.terms import Status

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.3
"""Between two looks at the database while there is something to do."""
LAST_TICK_SECONDS = 0.05
"""The same when nothing was due, and only one more look is to say so."""
REST_SECONDS = 1.0
"""The same while there is nothing; a change in an inbox ends it."""
SWEEP_SECONDS = 2.0
AWAY = (OperationalError, InternalError)
"""The database is away, or takes no changes for a while (a standby that is not promoted yet)."""
DATABASE_PATIENCE_SECONDS = 300.0
"""A database that stays away longer ends the loop; whoever started it starts it again."""


def run(
    configuration: Configuration,
    *,
    site_key: bytes,
    once: bool,
    workers: int | None = None,
    strict: bool = False,
    stop: Event,
) -> int:
    """Run the loop and the workers until told to stop, or, with ``once``, until idle.

    Parameters
    ----------
    configuration
        The installation and its projects, prepared (``pipeline.preparation``).
    site_key
        As ``prepare`` returned it.
    once
        Stop when nothing is due now: folders that settle are waited for, so are batches in
        somebody's hands; a try that is put off is not.
    workers
        How many processes, in mode ``pool``; None: as configured.
    strict
        A batch of this run that ends with an error makes the run a failure.
    stop
        Set by a signal handler or another thread.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    sendit.errors.UsageError
        When another loop is alive in this working folder.
    sendit.errors.ConfigurationInvalid
        When a project names another identity service than the one that named its patients.
    sendit.errors.SchemaMismatch
        When a newer version has changed the tables meanwhile.
    """
    began = _utc_now()
    projects = configuration.projects.values()
    require_all_same(projects)
    require_own_keys(configuration.settings, projects)
    with only_loop(configuration.settings.work_dir):
        crew = crew_for(configuration, site_key=site_key, workers=workers, stop=stop)
        COUNTS.sum_anew()
        HOURS.sum_anew()
        crew.start()
        logger.info(
            "watching the inboxes (%d), mode %s",
            len(configuration.settings.inboxes),
            configuration.settings.mode,
        )
        if not configuration.settings.inboxes:
            logger.warning("no inbox is named, so no folder is taken in; see sendit check")
        try:
            _Loop(configuration, crew, stop).go(once=once)
        finally:
            crew.stop()
    return int(strict and failed_since(began) > 0)


def failed_since(moment: datetime) -> int:
    """Return how many batches that were touched since then have an open error."""
    touched = Batch.objects.filter(modified__gte=moment)
    return touched.filter(Q(has_error=True) | Q(status=Status.ERROR)).count()


class _Loop:
    def __init__(self, configuration: Configuration, crew: Crew, stop: Event) -> None:
        self._configuration = configuration
        self._crew = crew
        self._stop = stop
        self._rounds = Rounds(configuration, stop=stop, between=self._let_in_if_possible)
        folders = self._rounds.folders_with_events()
        self._waiter = Waiter(folders, stop=stop, woken=crew.rested)
        self._next_sweep = 0.0
        self._next_beat = 0.0
        self._next_sign = 0.0
        self._told = ""
        self._obstacle: str | None = None
        self._refused: dict[str, str] = {}
        """What the operating system refused last, by part of a turn; said once."""
        self._busy = True
        """Something happened since the last look, so one more look is due before we are idle."""

    def go(self, *, once: bool) -> None:
        """Take turns until told to stop, or until idle."""
        self._report_orphans()
        try:
            while not self._stop.is_set():
                if self._turn() and once:
                    break
                if self._waiter.wait(self._pause(once=once)):
                    self._rounds.look_soon()
        finally:
            self._waiter.close()
            self._rounds.close()

    def _pause(self, *, once: bool) -> float:
        settling = self._rounds.settling > 0
        if self._busy or (once and settling):
            pause = TICK_SECONDS
        else:
            pause = LAST_TICK_SECONDS if once else REST_SECONDS
        if settling:
            pause = min(pause, max(self._rounds.seconds_to_look(), LAST_TICK_SECONDS))
        return pause

    def _turn(self) -> bool:
        """Take one turn; True when there is nothing to do now.

        A database that does not answer is waited for.
        """
        until = time.monotonic() + DATABASE_PATIENCE_SECONDS
        while True:
            try:
                self._sign_if_due()
                self._rounds.look_if_due()
                self._let_in_if_possible()
                self._try("the sweep", self._sweep_if_due)
                self._crew.tend()
                return self._idle()
            except AWAY as error:
                connection.close()
                if self._stop.is_set() or time.monotonic() > until:
                    raise
                logger.warning("the database did not answer (%s)", cause_of(error))
                self._stop.wait(REST_SECONDS)

    def _try(self, what: str, do: Callable[[], None]) -> None:
        """Do one part of a turn; what the operating system refuses does not end the others."""
        try:
            do()
        except OSError as error:
            refusal = os.strerror(error.errno or 0)
            if self._refused.get(what) != refusal:
                logger.warning("%s: the operating system refused something (%s)", what, refusal)
            self._refused[what] = refusal
        else:
            self._refused.pop(what, None)

    def _idle(self) -> bool:
        due = Batch.objects.anything_due(_utc_now())
        if due or self._rounds.took_in:
            self._busy = True
            self._rounds.took_in = False
            return False
        if self._busy:
            self._busy = False
            self._rounds.look_soon()
            return False
        return not self._rounds.settling and not self._rounds.look_is_due()

    def _let_in_if_possible(self) -> None:
        self._sign_if_due()
        self._try("admission", self._let_in)

    def _sign_if_due(self) -> None:
        """Give a sign of life on this machine, whether or not the database answers."""
        if time.monotonic() >= self._next_sign:
            self._try("the sign of life", lambda: give_sign(self._configuration.settings.work_dir))
            self._next_sign = time.monotonic() + EVERY_SECONDS

    def _let_in(self) -> None:
        admitted = admit(self._configuration, now=_utc_now())
        for batch_id in admitted:
            logger.info("batch %d is let in", batch_id)
        self._busy |= bool(admitted)
        self._tell_obstacle()

    def _tell_obstacle(self) -> None:
        found = obstacle(self._configuration) if anything_waits() else None
        if found is not None and found != self._obstacle:
            logger.warning("%s", found)
        self._obstacle = found

    def _sweep_if_due(self) -> None:
        if time.monotonic() < self._next_sweep:
            return
        self._next_sweep = time.monotonic() + SWEEP_SECONDS
        sweep(self._configuration, now=_utc_now())
        self._rounds.remove_old_err_folders(now=_utc_now())
        self._beat_if_due()

    def _beat_if_due(self) -> None:
        """Give a sign of life where workers and pages run on other machines."""
        told = self._obstacle or ""
        due = time.monotonic() >= self._next_beat or told != self._told
        if self._configuration.settings.mode == "celery" and due:
            require_same_schema()  # a newer version on another host may have changed it
            beat(WATCHER, now=_utc_now(), words=told)
            forget_old_beats(now=_utc_now())
            self._told = told
            self._next_beat = time.monotonic() + EVERY_SECONDS

    def _report_orphans(self) -> None:
        left = orphans(Workspace(self._configuration.settings.work_dir))
        if left:
            logger.warning(
                "%d working folders belong to no batch of this database: %s. Look what they are, "
                "then remove them.",
                len(left),
                ", ".join(str(folder) for folder in left[:5]),
            )


def _utc_now() -> datetime:
    return datetime.now(UTC)
