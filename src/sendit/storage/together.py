"""Do the same for many items over a few connections at once.

The threads end with the call, and only the caller's thread ever calls ``progress``: what it
renews is a claim that belongs to that thread.
"""

import contextlib
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Lock
from typing import TypeVar

from sendit.storage.base import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")

_TICK_SECONDS = 1.0


class Stopped(Exception):
    """Another item failed, or the caller was told to stop."""


class Traffic:
    """What moves over the connections: how many bytes so far, and whether to go on."""

    def __init__(self) -> None:
        self.moved = 0
        self._stopped = False
        self._sockets: set[socket.socket] = set()
        self._lock = Lock()

    def tell(self, n_bytes: int) -> None:
        """Count bytes that went out or came in.

        Raises
        ------
        Stopped
            When nothing more shall be moved.
        """
        self.moved += n_bytes
        if self._stopped:
            raise Stopped

    @contextlib.contextmanager
    def using(self, connected: socket.socket) -> Iterator[None]:
        """While this lasts, ``stop`` wakes whoever waits for that socket."""
        with self._lock:
            self._sockets.add(connected)
        try:
            self.tell(0)
            yield
        finally:
            with self._lock:
                self._sockets.discard(connected)

    def stop(self) -> None:
        """Let every thread end, now."""
        with self._lock:
            self._stopped = True
            for connected in self._sockets:
                # Another thread may have closed it just now, which is what is wanted.
                with contextlib.suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)


def together(
    items: Iterable[Item],
    work: Callable[[Item, Traffic], Result],
    *,
    at_once: int,
    progress: Progress,
    ahead: int = 0,
    weight: Callable[[Item], int] = lambda _: 1,
) -> Sequence[Result]:
    """Do the work for every item and return the results in the order of the items.

    The first failure ends all others and is raised.

    Parameters
    ----------
    items
        Taken one by one, a few ahead of the work.
    work
        Called in a thread, with the item and what it tells of the bytes that it moves.
    at_once
        How many threads there are.
    progress
        Called here, after each item, and every second in which bytes moved.
    ahead
        How many items wait for a thread, at most; as many as there are threads when it is 0.
    weight
        How many times it is called for one item.
    """
    traffic, most = Traffic(), at_once + (ahead or at_once)
    results: dict[int, Result] = {}
    waiting: dict[Future[Result], tuple[int, int]] = {}
    source = iter(enumerate(items))
    with ThreadPoolExecutor(at_once, thread_name_prefix="sendit-target") as threads:
        try:
            while True:
                while len(waiting) < most and (following := next(source, None)):
                    number, item = following
                    waiting[threads.submit(work, item, traffic)] = number, weight(item)
                    del item, following  # it may be large
                if not waiting:
                    return [results[number] for number in sorted(results)]
                before = traffic.moved
                done, _ = wait(waiting, _TICK_SECONDS, return_when=FIRST_COMPLETED)
                if not done and traffic.moved != before:
                    progress()
                for future in done:
                    number, times = waiting.pop(future)
                    results[number] = future.result()
                    for _ in range(times):
                        progress()
        finally:
            traffic.stop()
            for future in waiting:
                future.cancel()
