"""Make files and names survive a power cut before the database says that they are there.

A chunk of files is synced at once with ``syncfs``, since a sync for each file costs more
than writing it.  Where the C library has no ``syncfs`` everything is synced.
"""

import ctypes
import errno
import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

_BLOCK = 1 << 20


def sync_volume(path: Path) -> None:
    """Wait until everything written to the file system of ``path`` is on the medium.

    Raises
    ------
    OSError
        When the medium says that something was not written.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if not hasattr(library, "syncfs"):
            os.sync()
        elif library.syncfs(descriptor):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
    finally:
        os.close(descriptor)


def sync_folders(folders: Iterable[Path]) -> None:
    """Wait until the names in these folders are on the medium."""
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def copy_proven(source: Path, destination: Path) -> None:
    """Copy a file to another file system, sync it, and read it back to compare.

    Raises
    ------
    OSError
        When the copy does not hold what the source holds; ``ELOOP`` when the source is not a
        file but a link, a folder or a pipe.  The source is untouched.
    """
    part = destination.with_name(f"{destination.name}.part")
    digest = hashlib.sha256()
    with open(source, "rb", opener=_only_a_file) as reading, part.open("wb") as writing:
        while block := reading.read(_BLOCK):
            digest.update(block)
            writing.write(block)
        writing.flush()
        os.fsync(writing.fileno())
    with part.open("rb") as written:
        if hashlib.file_digest(written, "sha256").digest() != digest.digest():
            raise OSError(5, "the copy differs from its source")
    part.rename(destination)


def _only_a_file(path: str, flags: int) -> int:
    """Open a file that may have become a link, a folder or a pipe since it was looked at."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return descriptor


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as reading:
        return hashlib.file_digest(reading, "sha256").hexdigest()
