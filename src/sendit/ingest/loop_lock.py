"""One watcher loop for each working folder: a lock that ends with the process that holds it.

The lock file also says which process that is, for messages; whether a loop is alive is
told by the lock alone, so nothing has to be cleaned up after a crash.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sendit.errors import UsageError

PATIENCE_SECONDS = 1.0
"""Somebody who only asks whether a loop is alive holds the lock for a moment."""

_held: set[int] = set()
"""The locks of this process."""


def lock_file(work_dir: Path) -> Path:
    """Return the file whose lock says that a loop is alive."""
    return work_dir / "run" / "loop.lock"


@contextmanager
def only_loop(work_dir: Path) -> Iterator[None]:
    """Be the one watcher loop of a working folder until the block ends.

    Raises
    ------
    sendit.errors.UsageError
        When another loop is alive.
    """
    path = lock_file(work_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _lock(descriptor, patience=PATIENCE_SECONDS):
            raise UsageError(
                f"Another sendit ({_who(path)}) is already at work in {work_dir}. "
                "End it first (a daemon: sendit stop_watcher), or use another work_dir."
            )
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        _held.add(descriptor)
        yield
    finally:
        _held.discard(descriptor)
        os.close(descriptor)


def give_sign(work_dir: Path) -> None:
    """Say that the loop gets on; one that hangs holds the lock, too."""
    os.utime(lock_file(work_dir))


def loop_is_alive(work_dir: Path) -> bool:
    """Return whether a watcher loop is at work in a working folder."""
    try:
        descriptor = os.open(lock_file(work_dir), os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _lock(descriptor, patience=0)
    finally:
        os.close(descriptor)


def loop_process(work_dir: Path) -> int | None:
    """Return the process number of the loop that is alive, or None."""
    if not loop_is_alive(work_dir):
        return None
    text = lock_file(work_dir).read_text().strip()
    return int(text) if text.isdigit() else None


def _lock(descriptor: int, *, patience: float) -> bool:
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.02)
        else:
            return True


def _who(path: Path) -> str:
    text = path.read_text().strip()
    return f"process {text}" if text else "a process"


def _let_go() -> None:
    """Close in a copy of a process what would keep the lock when the process itself is gone."""
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_let_go)
