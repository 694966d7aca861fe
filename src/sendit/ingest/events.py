"""Wait until something happens in an inbox, or until the time is up.

Events only shorten the wait: what is true is found by looking.  So a file system without
events (a network mount), a limit on watches and an event that is lost all cost no more
than one interval.
"""

import logging
import time
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from threading import Event

from watchfiles import watch
from watchfiles._rust_notify import WatchfilesRustInternalError
from watchfiles.main import FileChange

logger = logging.getLogger(__name__)

PIECE_SECONDS = 0.05
"""A wait is made of pieces this long, so that a request to stop is heard in time."""


class Waiter:
    """Waits, and is woken by a change directly in one of the folders.

    Parameters
    ----------
    folders
        Those that have events; only their own entries count, not what is deeper.
    stop
        Ends every wait.
    woken
        Asked after each piece of a wait; ends it, too.
    """

    def __init__(
        self, folders: Iterable[Path], *, stop: Event, woken: Callable[[], bool] = lambda: False
    ) -> None:
        self._folders = [folder for folder in folders if folder.is_dir()]
        self._stop = stop
        self._woken = woken
        self._changes = self._listen() if self._folders else None

    def wait(self, seconds: float) -> bool:
        """Wait until the time is up, or woken; True when something changed before."""
        until = time.monotonic() + seconds
        while not self._stop.is_set() and (left := until - time.monotonic()) > 0:
            if self._woken():
                return False
            if self._changes is None or left < PIECE_SECONDS:
                self._stop.wait(min(left, PIECE_SECONDS))
            elif self._changed(self._changes):
                return True
        return False

    def close(self) -> None:
        """Stop listening."""
        if self._changes is not None:
            self._changes.close()

    def _changed(self, changes: Generator[set[FileChange], None, None]) -> bool:
        try:
            return bool(next(changes, None))
        except WatchfilesRustInternalError:
            # It ends at a name that is not UTF-8; something changed, and listening begins anew.
            self._changes = self._listen()
            return True
        except OSError as error:
            logger.warning(
                "no events for the inboxes (%s); they are looked at regularly", type(error).__name__
            )
            self._changes = None
            return False

    def _listen(self) -> Generator[set[FileChange], None, None]:
        return watch(
            *self._folders,
            watch_filter=None,
            recursive=False,
            debounce=50,
            step=20,
            rust_timeout=int(PIECE_SECONDS * 1000),
            yield_on_timeout=True,
            stop_event=self._stop,
            force_polling=False,
            ignore_permission_denied=True,
        )
