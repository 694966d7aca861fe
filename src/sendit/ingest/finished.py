"""Tell when a folder of an inbox is finished.

Pure rules: names, and what a folder looked like at two moments.  Whoever fills a folder
either gives it an extension that begins with ``tmp`` or ``part`` and renames it when it
is complete (then it is finished at once), or simply stops writing (then it is finished
when nothing has changed for the settle time).  An extension ``err`` says that sendit has
set the folder aside.

Looking at a file system is left to ``inbox.py``.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

IGNORED_FILES = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
"""Left behind by file browsers; nobody's data, nobody's error (compared case-blind)."""


class NameSays(StrEnum):
    """What the name of a folder alone tells."""

    TAKE = "take"
    """A study, finished or settling."""
    ARRIVING = "arriving"
    """Somebody is filling it and will rename it."""
    SET_ASIDE = "set aside"
    """sendit could not read all of it and left it to a person."""
    HIDDEN = "hidden"
    """Not meant for us."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a folder looked like at one moment."""

    count: int
    """Files and folders in it, at any depth."""
    size: int
    """Bytes in its files."""
    newest_mtime_ns: int
    """The latest change of content, as the file system tells it; a copy may set it back."""
    newest_ctime_ns: int
    """The latest change of anything, by the file system's own clock; nobody can set it."""

    def same(self, other: "Look") -> bool:
        """Return whether nothing that counts has changed between two looks."""
        return (self.count, self.size, self.newest_mtime_ns) == (
            other.count,
            other.size,
            other.newest_mtime_ns,
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What is remembered of a folder from one look to the next."""

    look: Look
    since: datetime
    """Since when it has looked like this."""
    arriving: bool
    """Its name said that it was being filled."""
    complete: bool = False
    """It was renamed from an arriving name: no need to settle."""


def name_says(name: str) -> NameSays:
    """Return what a folder's name tells; only the text after the last dot counts, case-blind."""
    if name.startswith("."):
        return NameSays.HIDDEN
    _, dot, extension = name.rpartition(".")
    extension = extension.casefold() if dot else ""
    if extension.startswith(("tmp", "part")):
        return NameSays.ARRIVING
    if extension.startswith("err") and (extension == "err" or _is_number(extension[3:])):
        return NameSays.SET_ASIDE
    return NameSays.TAKE


def remember(before: Seen | None, look: Look, *, arriving: bool, now: datetime) -> Seen:
    """Return what to remember after a look at a folder.

    ``before`` is what was remembered of the same folder (same device and inode).  An inode
    may be given to a new folder once the old one is gone, so "it was renamed" is believed
    only of one that held something and has lost nothing.
    """
    if before is None:
        return Seen(look, now, arriving)
    if arriving:
        return Seen(look, before.since if look.same(before.look) else now, arriving=True)
    kept = look.count >= before.look.count > 0 and look.size >= before.look.size
    complete = kept and (before.arriving or before.complete)
    return Seen(
        look, before.since if look.same(before.look) else now, arriving=False, complete=complete
    )


def is_finished(
    seen: Seen, *, settle: timedelta, now: datetime, local_time: datetime | None
) -> bool:
    """Return whether a folder may be taken.

    Parameters
    ----------
    seen
        What is remembered of it.
    settle
        How long it must be quiet.
    now
        By a clock that is never set.
    local_time
        The time by which the folder's file system stamps its files, if that is ours (it is
        local): then one look is enough for a folder that nothing has touched for the settle
        time, which is how a backlog is taken at start without waiting.
    """
    if seen.arriving:
        return False
    if seen.complete or now - seen.since >= settle:
        return True
    if local_time is None:
        return False
    # The machine's clock may have been set since: then neither it nor ours is believed alone.
    at = min(now, local_time).timestamp()
    return at - seen.look.newest_ctime_ns / 1e9 >= settle.total_seconds()


def is_ignored_file(name: str) -> bool:
    """Return whether a plain file is one that a file browser leaves behind."""
    return name.startswith(".") or name.casefold() in IGNORED_FILES


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
