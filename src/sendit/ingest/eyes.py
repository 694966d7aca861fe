"""Look at an inbox and at a folder in it: names, sizes and times, nothing is opened.

These functions need neither Django nor a database, so that a process which may be left behind
by a file system that hangs can call them (``config.helper``).
"""

import errno
import os
from pathlib import Path

from sendit.config.mounts import answers
from sendit.ingest.finished import Look, NameSays, is_ignored_file, name_says


def require_access(inbox: Path) -> None:
    """Return if folders can be taken out of an inbox.

    Raises
    ------
    OSError
        When not.
    """
    inbox.stat()
    if not os.access(inbox, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "not writable")


def sort_out(inbox: Path) -> tuple[list[tuple[str, NameSays]], tuple[str, ...]]:
    """Return the folders of an inbox that may be a study, by name, and what lies beside them."""
    folders: list[tuple[str, NameSays]] = []
    beside: list[str] = []
    with os.scandir(inbox) as entries:
        found = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    for entry in found:
        says = name_says(entry.name)
        if not entry.is_dir(follow_symlinks=False):
            if not is_ignored_file(entry.name):
                beside.append(entry.name)
        elif says in (NameSays.TAKE, NameSays.ARRIVING):
            folders.append((entry.name, says))
    return folders, tuple(beside)


def look_into(folder: Path) -> Look:
    """Return what a folder looks like now, at any depth; a subfolder we cannot read counts as one.

    Raises
    ------
    FileNotFoundError
        When the folder is not there (any more).
    """
    own = folder.stat(follow_symlinks=False)
    count = size = 0
    newest_mtime_ns, newest_ctime_ns = own.st_mtime_ns, own.st_ctime_ns
    open_folders = [os.fspath(folder)]
    while open_folders:
        try:
            with os.scandir(open_folders.pop()) as entries:
                for entry in entries:
                    found = entry.stat(follow_symlinks=False)
                    count += 1
                    newest_mtime_ns = max(newest_mtime_ns, found.st_mtime_ns)
                    newest_ctime_ns = max(newest_ctime_ns, found.st_ctime_ns)
                    if entry.is_dir(follow_symlinks=False):
                        open_folders.append(entry.path)
                    else:
                        size += found.st_size
        except FileNotFoundError:
            raise
        except OSError:
            continue  # not permitted, or deeper than a path can say: the import tells which
    return Look(count, size, newest_mtime_ns, newest_ctime_ns)


def beside_folders(inbox: Path) -> tuple[str, ...]:
    """Return the names of the plain files and links in an inbox; none when it cannot be read."""
    if not answers(inbox):
        return ()
    try:
        return sort_out(inbox)[1]
    except OSError:
        return ()
