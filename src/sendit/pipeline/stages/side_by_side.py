"""Serve several targets at once, so that one that is slow or silent does not hold back the others.

What is done with one target is a generator, a ``Talk``.  It runs in the worker's own thread, where
rows are read and written and the claim is renewed; whatever waits for the target it yields, and
gets the answer back, or the error.  That alone runs in a thread.

The worker's own thread keeps the claim while a target is silent: how long it may be is for the
target's ``timeout_seconds`` to say, not for the lease.
"""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar  # what a call answers is known to the talk that yields it

from sendit.errors import Interrupted
from sendit.storage import Progress

Result = TypeVar("Result")
Call = Callable[[Progress], object]
"""Asks a target for something, and nothing of the database; calls ``progress`` as it gets on."""
Talk = Generator[Call, Any, Result]

_TICK_SECONDS = 0.3
_GRACE_SECONDS = 2.0


def side_by_side(
    talks: Sequence[Talk[None]], *, progress: Progress, waiting: Callable[[], None]
) -> None:
    """Carry out every talk; the first that fails with an error of its own ends them all.

    Parameters
    ----------
    talks
        Begun in this order.
    progress
        Called in this thread, while any of them gets on.
    waiting
        Called in this thread, while none does.
    """
    if not talks:
        return
    pulse = _Pulse()
    asked: dict[Future[object], Talk[None]] = {}
    threads = ThreadPoolExecutor(len(talks), thread_name_prefix="sendit-delivery")
    leaves = False
    try:
        for talk in talks:
            if (call := next(talk, None)) is not None:
                asked[threads.submit(call, pulse)] = talk
        while asked:
            before = pulse.beats
            done, _ = wait(asked, _TICK_SECONDS, return_when=FIRST_COMPLETED)
            if pulse.beats != before:
                progress()
            elif not done:
                waiting()
            for future in done:
                talk = asked.pop(future)
                if (call := _next(talk, future)) is not None:
                    asked[threads.submit(call, pulse)] = talk
    except Interrupted:
        leaves = True
        raise
    finally:
        pulse.stopped = True
        if leaves:  # the process is to end, whether the targets answer or not
            wait(asked, _GRACE_SECONDS)
        threads.shutdown(wait=not leaves, cancel_futures=True)


def one_after_another(talks: Sequence[Talk[None]]) -> Talk[None]:
    """Return one talk that is each of these in turn."""
    for talk in talks:
        yield from talk


class _Pulse:
    """What the threads call as they get on; it ends them when they are to stop."""

    def __init__(self) -> None:
        self.beats = 0
        self.stopped = False

    def __call__(self) -> None:
        self.beats += 1
        if self.stopped:
            raise Interrupted("Another target's talk has failed, or the worker was told to stop.")


def _next(talk: Talk[None], done: Future[object]) -> Call | None:
    """Tell a talk what became of its call, and return what it asks for next."""
    error = done.exception()
    try:
        return talk.send(done.result()) if error is None else talk.throw(error)
    except StopIteration:
        return None
