"""One pass over an inbox: which folders are finished, which still settle, what lies beside them.

``InboxView`` remembers what each folder looked like in the last pass; that is all the
state there is, and losing it costs one settle time.  The rules are in ``finished.py``,
what becomes of a finished folder in ``intake.py``.

Only names, sizes and times are looked at; links are never followed, nothing is opened.
"""

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sendit.config.helper import Caller, call_here
from sendit.ingest.eyes import look_into, sort_out
from sendit.ingest.finished import NameSays, Seen, is_finished, remember
from sendit.pipeline.work import folder_key, lasting_key


@dataclass(frozen=True, slots=True)
class Candidate:
    """A finished folder."""

    name: str = field(repr=False)
    """As in the file system (``os.fsdecode``)."""
    folder_key: str
    """Device and inode: stays the same when the folder is renamed."""
    size: int = 0
    """Bytes in its files."""
    count: int = 0
    """Files and folders in it."""


class InboxView:
    """An inbox as it looks from one pass to the next.

    Parameters
    ----------
    path
        The inbox.
    settle
        How long a folder must be quiet.
    same_clock
        The inbox is on a local file system, which keeps our time.
    clock
        Tells the time of each look; never set while we run.
    local_clock
        The machine's own clock, which may be set.
    call
        How the file system is asked.
    """

    def __init__(
        self,
        path: Path,
        *,
        settle: timedelta,
        same_clock: bool,
        clock: Callable[[], datetime],
        local_clock: Callable[[], datetime],
        call: Caller = call_here,
    ) -> None:
        self.path = path
        self.settling = 0
        """Folders that the last pass saw changing, or not yet long enough unchanged."""
        self.beside: tuple[str, ...] = ()
        """Names of the plain files and links that the last pass saw beside the folders."""
        self.unusable = 0
        """Folders that the last pass could not look at."""
        self._settle = settle
        self._same_clock = same_clock
        self._clock = clock
        self._local_clock = local_clock
        self._call = call
        self._seen: dict[str, Seen] = {}

    def candidates(self, known: Collection[tuple[str, str]]) -> Iterator[Candidate]:
        """Look at every folder and yield the finished ones, by name.

        Parameters
        ----------
        known
            (lasting part of the folder key, name) of folders that already are batches; they are
            passed over.

        Raises
        ------
        OSError
            When the inbox itself cannot be read.
        """
        folders, self.beside = self._call(sort_out, self.path)
        before, self._seen = self._seen, {}
        self.settling = self.unusable = 0
        for name, says in folders:
            candidate = self._look_at(name, says, known, before)
            if candidate is not None:
                yield candidate

    def _look_at(
        self,
        name: str,
        says: NameSays,
        known: Collection[tuple[str, str]],
        before: dict[str, Seen],
    ) -> Candidate | None:
        try:
            key = folder_key(self._call(os.lstat, self.path / name))
            if (lasting_key(key), name) in known:
                return None
            look = self._call(look_into, self.path / name)
        except FileNotFoundError:  # renamed or removed since the listing
            return None
        except TimeoutError:  # the file system hangs: the other folders would, too
            raise
        except OSError:  # one damaged folder does not keep the others out
            self.unusable += 1
            return None
        now = self._clock()
        seen = remember(before.get(key), look, arriving=says == NameSays.ARRIVING, now=now)
        self._seen[key] = seen
        local_time = self._local_clock() if self._same_clock else None
        if is_finished(seen, settle=self._settle, now=now, local_time=local_time):
            return Candidate(name, key, look.size, look.count)
        self.settling += not seen.arriving
        return None
