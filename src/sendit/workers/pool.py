"""A few local processes that ask the database what may be done.

The parent starts them, restarts one that died, ends one that is stuck past its deadline or in
a file system that does not answer, and frees at once what a dead one held.  One that sleeps in
the kernel does not end when it is killed; it is left behind, and nobody waits for it.  A worker
ends by itself when its parent is gone.  No broker and no message: the rows say what is to be done.
"""

import contextlib
import ctypes
import logging
import multiprocessing
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from types import FrameType

from django.conf import settings as django_settings
from django.db import DatabaseError, connection, connections

from sendit.config.helper import forget
from sendit.errors import StageError
from sendit.pipeline import machine
from sendit.pipeline.liveness import name_of, own_name
from sendit.pipeline.runner import Runner, Step, utc_now
from sendit.records.installation import load_keys
from sendit.records.refusals import cause_of
from sendit.workers.entry import Signs, begin

logger = logging.getLogger(__name__)

SHORTEST_WAIT = 0.02
LONGEST_WAIT = 0.5
"""Seconds between two looks at the database when there is nothing to do."""
GRACE = 15.0
"""Seconds that a step may take past its deadline before its process is ended."""
KILLED_WITHIN = 0.5
"""Seconds that the kernel may take to end a process that was killed."""
NOT_BEGUN = -1.0
"""In place of a deadline: the worker is still starting."""
STILLBORN_AT_MOST = 5
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    signs: Signs
    name: str


class Pool:
    """Worker processes of this machine.

    Parameters
    ----------
    processes
        How many.
    what
        Name of the module whose ``work(parent, signs, *arguments)`` each of them runs.
    arguments
        Further arguments of that function.
    copied
        The first workers are copies of this process, which has imported already what they need.
        Those that follow a dead one are not: by then this process may have threads, and a copy
        would have them only in part.
    silence
        Seconds in which a step gets on as a rule; after them it is asked whether it ``hangs``.
    hangs
        Says of a batch whether something that its steps need does not answer; does not wait.
    """

    def __init__(
        self,
        *,
        processes: int,
        what: str = __name__,
        arguments: tuple[str, ...] = (),
        copied: bool = False,
        silence: float = 60.0,
        hangs: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self._size = processes
        self._what = what
        self._arguments = arguments
        self._copied = copied
        self._silence = silence
        self._hangs = hangs
        self._workers: list[_Worker] = []
        self._left_behind: list[BaseProcess] = []
        """Were killed and have not ended; at most as many as there are workers."""
        self._stillborn = 0
        """Workers in a row that ended, by themselves, before they could begin."""
        self._rests = 0
        """How often the workers had come to rest when somebody was last told."""
        self._dead: dict[str, bool] = {}
        """Whose claims are still to be freed, and whether they were stuck."""

    def start(self) -> None:
        """Start the workers."""
        size = min(self._size, 2 * self._size - len(self._left_behind))
        if self._copied and threading.active_count() == 1:
            connections.close_all()  # an open one would be theirs and ours
            while len(self._workers) < size:
                self._workers.append(self._begin(multiprocessing.get_context("fork")))
        self._copied = False
        while len(self._workers) < size:
            self._workers.append(self._begin(multiprocessing.get_context("spawn")))

    def tend(self) -> None:
        """End what is stuck, free what the dead held, and start anew in their place.

        Raises
        ------
        sendit.errors.StageError
            When the workers end again and again before they can begin.
        """
        self._left_behind = [one for one in self._left_behind if one.exitcode is None]
        for worker in list(self._workers):
            if (why := self._stuck(worker)) is not None:
                logger.warning(
                    "a worker is stuck with batch %d %s and is ended", worker.signs.batch, why
                )
                worker.process.kill()
                self._leave(worker, until=time.monotonic() + KILLED_WITHIN)
                self._bury(worker, stuck=True)
            elif worker.process.exitcode is not None:
                self._count_stillborn(worker, exit_code=worker.process.exitcode)
                self._bury(worker)
        self.start()
        self._free()

    def rested(self) -> bool:
        """Say, once each time, that the last of the workers has come to rest."""
        rests = sum(worker.signs.rests for worker in self._workers)
        if rests == self._rests or any(worker.signs.deadline for worker in self._workers):
            return False
        self._rests = rests
        return True

    def stop(self, *, seconds: float = 8.0) -> None:
        """Let the workers finish or let go of their step, then end what still runs."""
        for worker in self._workers:
            worker.process.terminate()
        until = time.monotonic() + seconds
        for worker in list(self._workers):
            worker.process.join(max(0.0, until - time.monotonic()))
            if worker.process.exitcode is None:
                worker.process.kill()
        until = time.monotonic() + KILLED_WITHIN
        for worker in list(self._workers):
            self._leave(worker, until=until)
            self._bury(worker)
        self._free()

    def _stuck(self, worker: _Worker) -> str | None:
        """Say how a worker is stuck; None when it is not."""
        signs = worker.signs
        deadline = signs.deadline  # read once: the worker may write another at any time
        if deadline <= 0 or worker.process.exitcode is not None:
            return None
        if time.monotonic() > deadline + GRACE:
            return "past its deadline"
        if time.monotonic() > signs.heard + self._silence and self._hangs(signs.batch):
            return "in a file system that does not answer"
        return None

    def _leave(self, worker: _Worker, *, until: float) -> None:
        """Wait for one that was killed, but not for long."""
        worker.process.join(max(0.0, until - time.monotonic()))
        if worker.process.exitcode is None:
            forget(worker.process)
            self._left_behind.append(worker.process)
            logger.error(
                "process %d was killed and sleeps on in the kernel: a file system does not answer; "
                "it is left behind (%d now)",
                worker.process.pid,
                len(self._left_behind),
            )

    def _count_stillborn(self, worker: _Worker, *, exit_code: int) -> None:
        began = worker.signs.deadline != NOT_BEGUN
        self._stillborn = self._stillborn + 1 if exit_code > 0 and not began else 0
        if self._stillborn >= STILLBORN_AT_MOST:
            raise StageError(
                f"The workers ended {self._stillborn} times before they could begin; the lines "
                "above say why. Mend that, then start again."
            )

    def _begin(self, context: ForkContext | SpawnContext) -> _Worker:
        # Without a lock: a worker that dies holding one would stop us when we read.
        signs = context.RawValue(Signs, NOT_BEGUN)
        process = context.Process(
            target=begin,
            args=(self._what, os.getpid(), signs, *self._arguments),
            name="sendit-worker",
            daemon=True,
        )
        process.start()
        return _Worker(process, signs, name_of(process.pid or 0))

    def _bury(self, worker: _Worker, *, stuck: bool = False) -> None:
        self._workers.remove(worker)
        self._dead[worker.name] = stuck

    def _free(self) -> None:
        """Free what the dead held; a database that is away now is asked again the next time."""
        for name, stuck in list(self._dead.items()):
            machine.release_claims(name, now=utc_now(), stuck=stuck)
            del self._dead[name]


def work(parent: int, signs: Signs) -> None:
    """Be one worker: take the next step of whatever is most advanced, until told to stop."""
    life = Life(parent, signs)
    configuration = django_settings.SENDIT
    runner = Runner(
        configuration,
        site_key=load_keys(configuration).site,
        worker=own_name(),
        watch=life.watch,
        stopping=lambda: life.stopping,
    )
    life.began()
    wait = SHORTEST_WAIT
    while not life.ended():
        try:
            worked = _work_on_next(runner)
        except DatabaseError as error:
            logger.error("the database did not answer (%s); trying again", cause_of(error))
            connection.close()
            worked = False
        wait = SHORTEST_WAIT if worked else min(wait * 1.5, LONGEST_WAIT)
        if not worked:
            life.rest(wait)


def _work_on_next(runner: Runner) -> bool:
    batch_id = runner.next_batch()
    if batch_id is None:
        return False
    return runner.advance(batch_id) is not Step.IDLE


class Life:
    """A worker process as its parent sees it: told to stop by SIGTERM, gone when the parent is.

    Parameters
    ----------
    parent
        The parent's process number.
    signs
        Shared with the parent.
    """

    def __init__(self, parent: int, signs: Signs) -> None:
        self._parent = parent
        self._signs = signs
        self._woken, self._wake = os.pipe()
        self._has_stepped = True
        """Since it last came to rest."""
        self.stopping = False
        self.on_stop: Callable[[], None] = lambda: None
        """Called when told to stop."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _die_with_parent(parent)

    def began(self) -> None:
        """Tell the parent that this process is ready to work."""
        self._signs.deadline = 0.0

    def watch(self, until: datetime | None, batch_id: int) -> None:
        """Tell the parent by when the step of a batch must have got on; None: it has ended."""
        self._signs.batch = batch_id
        self._signs.heard = time.monotonic()
        # By a clock that nobody sets: one that is set ahead would end everybody's step.
        left = (until - utc_now()).total_seconds() if until else 0.0
        self._signs.deadline = time.monotonic() + left if until else 0.0
        self._has_stepped = True

    def rest(self, seconds: float) -> None:
        """Do nothing for a while, by a clock that nobody sets, or until told to stop."""
        self._signs.rests += self._has_stepped
        self._has_stepped = False
        select.select([self._woken], [], [], seconds)

    def ended(self) -> bool:
        """Say whether no further step is to be taken."""
        return self.stopping or os.getppid() != self._parent

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.stopping = True
        os.write(self._wake, b"!")
        self.on_stop()


def _die_with_parent(parent: int) -> None:
    """Ask Linux to end this process when its parent dies; elsewhere the loop notices."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # A parent that died before we could ask sends nothing any more.
    if os.getppid() != parent:
        sys.exit()
