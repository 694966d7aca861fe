"""Look into all inboxes by turns and take in what is finished.

What an operator should know of an inbox (it is not there, files lie beside the folders)
is logged when it begins and not again; the log says how many and never which.
"""

import logging
import math
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

from sendit.config import Configuration, Project
from sendit.config.helper import Caller, Helper, call_here
from sendit.config.mounts import mount_of
from sendit.config.settings import Inbox
from sendit.ingest.eyes import require_access
from sendit.ingest.inbox import InboxView
from sendit.ingest.intake import KnownFolders, take_in
from sendit.ingest.set_aside import remove_old

logger = logging.getLogger(__name__)

BREATH_SECONDS = 0.5
"""A round over many folders stops this often to let batches in."""


class Rounds:
    """The inboxes of an installation, and when each is to be looked into again.

    Parameters
    ----------
    configuration
        The installation and its projects.
    stop
        Ends a round early.
    between
        Called now and then during a long round.
    only
        Look into this one inbox; None: all.
    only_name
        Take in this one folder; None: all.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        stop: Event,
        between: Callable[[], None] = lambda: None,
        only: Path | None = None,
        only_name: str | None = None,
    ) -> None:
        self._stop = stop
        self._between = between
        self._only_name = only_name
        self._rooms = [
            _Room(inbox, configuration, stop=stop)
            for inbox in configuration.settings.inboxes
            if only is None or inbox.path == only
        ]
        self.took_in = False
        """A folder was taken in since somebody last set this to False."""

    @property
    def settling(self) -> int:
        """How many folders are not yet quiet for long enough."""
        return sum(room.view.settling for room in self._rooms)

    def longest_settle(self) -> timedelta:
        """Return how long a folder must be quiet, in the inbox where that is longest."""
        return max((room.settle for room in self._rooms), default=timedelta(0))

    def folders_with_events(self) -> list[Path]:
        """Return the inboxes whose file system tells of changes."""
        return [room.inbox.path for room in self._rooms if not room.polling]

    def look_soon(self) -> None:
        """Look into every inbox at the next occasion."""
        for room in self._rooms:
            room.next_look = min(room.next_look, room.earliest_look)

    def look_is_due(self) -> bool:
        """Return whether an inbox is to be looked into now."""
        return any(time.monotonic() >= room.next_look for room in self._rooms)

    def seconds_to_look(self) -> float:
        """Return after how long an inbox is to be looked into again; 0: now."""
        next_look = min((room.next_look for room in self._rooms), default=math.inf)
        return max(0.0, next_look - time.monotonic())

    def look_if_due(self) -> None:
        """Look into the inboxes whose time has come."""
        for room in self._rooms:
            if time.monotonic() >= room.next_look and not self._stop.is_set():
                self._look(room)

    def remove_old_err_folders(self, *, now: datetime) -> None:
        """Remove the ``.err`` folders that are older than ``err_retention``."""
        for room in self._rooms:
            if isinstance(room.err_retention, timedelta):
                older_than = (now - room.err_retention).timestamp()
                try:
                    removed = room.call(remove_old, room.inbox.path, older_than=older_than)
                except OSError:
                    continue  # the next look at the inbox tells
                if removed.count:
                    logger.info(
                        "%d .err folders were past err_retention and were removed", removed.count
                    )
                for why in removed.refusals:
                    logger.warning("a .err folder past err_retention could not be removed: %s", why)

    def close(self) -> None:
        """End what was started to look."""
        for room in self._rooms:
            room.close()

    def _look(self, room: "_Room") -> None:
        began = time.monotonic()
        try:
            self._take_in_all(room, began)
        except OSError as error:
            if self._stop.is_set():
                return  # a look that was cut short tells nothing
            room.tell(
                f"inbox {room.inbox.path} cannot be used ({_reason(error)}); "
                "make it readable and writable, or mount its volume; the others go on"
            )
            room.view.settling = 0
        else:
            room.tell_beside()
            room.tell_unusable()
        room.looked(began)

    def _take_in_all(self, room: "_Room", breath: float) -> None:
        room.call(require_access, room.inbox.path)
        for candidate in room.view.candidates(room.known.now()):
            if self._only_name not in (None, candidate.name):
                continue
            batch_id = take_in(
                candidate,
                inbox=str(room.inbox.path),
                project=room.project,
                now=datetime.now(UTC),
            )
            if batch_id is not None:
                self.took_in = True
                logger.info("batch %d is registered, project %s", batch_id, room.project.name)
            if self._stop.is_set():
                return
            if time.monotonic() - breath > BREATH_SECONDS:
                self._between()
                breath = time.monotonic()
        room.tell("")


def steady_clock() -> Callable[[], datetime]:
    """Return a clock that shows the time of now, and then goes on however the machine's is set."""
    offset = datetime.now(UTC) - timedelta(seconds=time.monotonic())
    return lambda: offset + timedelta(seconds=time.monotonic())


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "its file system does not answer"
    return os.strerror(error.errno or 0)


class _Room:
    """One inbox."""

    def __init__(self, inbox: Inbox, configuration: Configuration, *, stop: Event) -> None:
        rules = configuration.settings.ingest_of(inbox)
        network = mount_of(inbox.path).may_hang
        self._helper = Helper(inbox.path, stop=stop) if network else None
        self.call: Caller = self._helper or call_here
        self.inbox = inbox
        self.project: Project = configuration.projects[inbox.project]
        self.polling = rules.polling == "always" or (rules.polling == "auto" and network)
        self.view = InboxView(
            inbox.path,
            settle=rules.settle,
            same_clock=not network,
            clock=steady_clock(),
            local_clock=lambda: datetime.now(UTC),
            call=self.call,
        )
        self.settle = rules.settle
        self.err_retention = rules.err_retention
        self.known = KnownFolders(str(inbox.path))
        self.next_look = 0.0
        self.earliest_look = 0.0
        self._scan: timedelta = rules.scan
        self._told = ""
        self._beside: frozenset[str] = frozenset()
        self._unusable = 0

    def close(self) -> None:
        """End the process that looks into this inbox, if there is one."""
        if self._helper is not None:
            self._helper.close()

    def looked(self, began: float) -> None:
        """Set the time of the next look; a round that takes long leaves time for other things."""
        now = time.monotonic()
        self.earliest_look = now + 2 * (now - began)
        self.next_look = max(now + self._scan.total_seconds(), self.earliest_look)

    def tell(self, problem: str) -> None:
        """Log a problem when it begins, and its end."""
        if problem and problem != self._told:
            logger.warning("%s", problem)
        if self._told and not problem:
            logger.info("inbox %s can be used again", self.inbox.path)
        self._told = problem

    def tell_beside(self) -> None:
        """Log, once for each, that plain files and links beside the folders are not taken in."""
        found = frozenset(self.view.beside)
        if new := found - self._beside:
            logger.warning(
                "inbox %s: files or links beside the folders are not taken in (%d); "
                "put them into a folder",
                self.inbox.path,
                len(new),
            )
        self._beside = found

    def tell_unusable(self) -> None:
        """Log, when there are more than before, that folders cannot be looked at."""
        if self.view.unusable > self._unusable:
            logger.warning(
                "inbox %s: folders that cannot be looked at, and are not taken in: %d; "
                "check its file system",
                self.inbox.path,
                self.view.unusable,
            )
        self._unusable = self.view.unusable
