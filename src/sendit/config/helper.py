"""A process that does what may never come back, so that this one need not wait for it.

``Helper`` calls one function after another in a child.  One that does not come back while its
file system does not answer either is a ``TimeoutError``; the child is killed and left behind,
since a process that sleeps in the kernel does not end before it is answered.  Until it has
ended no other takes its place.
"""

import errno
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar

from sendit.config.answering import PATIENCE_SECONDS
from sendit.config.mounts import answers

P = ParamSpec("P")
Result = TypeVar("Result")

LONGEST_SECONDS = 600.0
"""No call takes longer, whatever its file system answers."""
_TICK_SECONDS = 0.05


class Caller(Protocol):
    """Calls a function, here or in a process that may be left behind."""

    def __call__(
        self, function: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs
    ) -> Result:
        """Call it."""


def call_here(function: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs) -> Result:
    """Call a function in this process."""
    return function(*args, **kwargs)


def forget(process: BaseProcess) -> None:
    """Leave a child behind: Python would wait for it, without limit, when we end ourselves."""
    # There is no public way; concurrent.futures has its own exit for the same reason.
    children = multiprocessing.process._children  # type: ignore[attr-defined]
    children.discard(process)


class Helper:
    """Calls functions in a child.

    Parameters
    ----------
    path
        What the functions look at; its file system is asked when one takes long.
    stop
        Ends a wait at once.
    """

    def __init__(self, path: Path, *, stop: threading.Event) -> None:
        self._path = path
        self._stop = stop
        self._child: BaseProcess | None = None
        self._pipe: Connection | None = None

    def __call__(
        self, function: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs
    ) -> Result:
        """Call a function there and return what it returns, or raise what it raises.

        Raises
        ------
        TimeoutError
            When it did not come back, or an earlier one has not.
        """
        pipe = self._ready()
        pipe.send((function, args, kwargs))
        answer = self._receive(pipe)
        if isinstance(answer, OSError):
            raise answer
        result: Result = answer
        return result

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.join(_TICK_SECONDS)
            forget(self._child)
        self._drop_pipe()

    def _ready(self) -> Connection:
        if self._child is not None and self._child.is_alive():
            if self._pipe is not None:
                return self._pipe
            raise _timed_out()
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._child = context.Process(
            target=_help, args=(theirs, os.getpid()), name="sendit-helper", daemon=True
        )
        self._child.start()
        theirs.close()
        self._receive(self._pipe)
        return self._pipe

    def _receive(self, pipe: Connection) -> Any:  # whatever was called returns
        until = time.monotonic() + LONGEST_SECONDS
        in_doubt = time.monotonic() + PATIENCE_SECONDS
        try:
            while not pipe.poll(_TICK_SECONDS):
                if self._stop.is_set() or time.monotonic() > until:
                    raise _timed_out()
                if time.monotonic() > in_doubt:
                    if not answers(self._path):
                        raise _timed_out()
                    in_doubt = time.monotonic() + PATIENCE_SECONDS
            return pipe.recv()
        except (OSError, EOFError):
            self._give_up()
            raise _timed_out() from None

    def _give_up(self) -> None:
        if self._child is not None:
            self._child.kill()
            forget(self._child)
        self._drop_pipe()

    def _drop_pipe(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
        self._pipe = None


def _timed_out() -> TimeoutError:
    return TimeoutError(errno.ETIMEDOUT, "its file system does not answer")


def _help(pipe: Connection, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe.send(None)
    while os.getppid() == parent:
        try:
            function, args, kwargs = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(function(*args, **kwargs))
        except OSError as error:
            pipe.send(error)
