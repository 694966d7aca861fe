"""What lies in a batch's folder: every file at any depth, in the order of their paths.

Links are never followed.  What a file is, is the import's matter.
"""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sendit.terms import Reason

IGNORED = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""Files that file managers leave behind: no images, and no reason to keep a folder."""
LONGEST_NAME = 255
"""Bytes that the name of a file may have, on every file system in use."""


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """One file of a folder."""

    path: str = field(repr=False)
    """Relative to the folder, as ``os.fsdecode`` gives it."""
    problem: Reason | None = field(default=None, compare=False)
    """Why it cannot be looked at, if so."""
    is_link: bool = field(default=False, compare=False)
    """A link to another file of the same folder."""
    is_folder: bool = field(default=False, compare=False)
    """A folder that cannot be looked into."""


def inventory(folder: Path) -> list[Found]:
    """Return every file below a folder, sorted by the bytes of its path."""
    return sorted(_walk(folder, ""), key=lambda found: os.fsencode(found.path))


def _walk(root: Path, start: str) -> Iterator[Found]:
    pending = [start]
    while pending:
        relative = pending.pop()
        try:
            entries = list(os.scandir(root / relative))
        except FileNotFoundError:
            raise
        except OSError:  # not permitted, or deeper than a path can say
            yield Found(relative, Reason.NO_PERMISSION, is_folder=True)
            continue
        for entry in entries:
            path = f"{relative}/{entry.name}" if relative else entry.name
            if entry.is_symlink():
                yield _link(root, path)
            elif entry.is_dir(follow_symlinks=False):
                pending.append(path)
            elif not entry.is_file(follow_symlinks=False):
                yield Found(path, Reason.NOT_DICOM)
            elif entry.name not in IGNORED:
                yield Found(path)


def _link(root: Path, path: str) -> Found:
    try:
        target = (root / path).resolve(strict=True)
        inside = target.is_relative_to(root.resolve()) and stat.S_ISREG(target.stat().st_mode)
    except (OSError, RuntimeError):
        inside = False
    return Found(path, None if inside else Reason.LINK_OUTSIDE, is_link=inside)


def remove_ignored(folder: Path) -> None:
    """Remove the files that no one misses, so that the folder itself can go."""
    for parent, _, names in os.walk(folder):
        for name in IGNORED.intersection(names):
            (Path(parent) / name).unlink(missing_ok=True)


def free_err_name(inbox: Path, name: str) -> str:
    """Return ``name.err``, or ``name.err2`` and so on when that is taken.

    The end of a name that would become too long for a file system is left out.
    """
    number = 1
    while os.path.lexists(inbox / (err_name := _err_name(name, number))):
        number += 1
    return err_name


def is_err_name_of(err_name: str, name: str) -> bool:
    """Say whether ``free_err_name`` may have given this name to the folder of that name."""
    stem, extension, number = err_name.rpartition(".err")
    return bool(extension) and name.startswith(stem) and (not number or number.isdecimal())


def _err_name(name: str, number: int) -> str:
    extension = f".err{number if number > 1 else ''}"
    while len(os.fsencode(name + extension)) > LONGEST_NAME:
        name = name[:-1]
    return name + extension


def is_read_only(error: OSError) -> bool:
    """Say whether an error means that a folder may not be changed."""
    return error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
