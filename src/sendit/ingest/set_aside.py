"""The ``.err`` folders of an inbox: which there are, and the removal of those past their time.

They hold what could not be read, and PHI.  Needs neither Django nor a database, as ``eyes.py``.
"""

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sendit.config.mounts import answers

ERR_FOLDER = re.compile(r".+\.err[0-9]*\Z", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Removed:
    """What became of the folders past their time."""

    count: int = 0
    refusals: Sequence[str] = ()
    """Why others could not be removed, in the operating system's words."""


def err_folders(inbox: Path) -> list[Path]:
    """Return the ``.err`` folders of an inbox; none when it cannot be looked into now."""
    if not answers(inbox) or not inbox.is_dir():
        return []
    return sorted(
        entry
        for entry in inbox.iterdir()
        if ERR_FOLDER.match(entry.name) and entry.is_dir() and not entry.is_symlink()
    )


def remove_old(inbox: Path, *, older_than: float) -> Removed:
    """Remove the folders that were set aside before a moment, in seconds since 1970."""
    count = 0
    refusals = []
    for folder in err_folders(inbox):
        try:
            if _set_aside(folder) < older_than:
                shutil.rmtree(folder)
                count += 1
        except OSError as error:
            refusals.append(os.strerror(error.errno or 0))
    return Removed(count, refusals)


def _set_aside(folder: Path) -> float:
    """Return when a folder was set aside, in seconds since 1970, or somebody touched it since.

    Renaming changes the ctime alone; a copy may have brought an mtime from years ago along.
    """
    found = folder.lstat()
    return max(found.st_mtime, found.st_ctime)
