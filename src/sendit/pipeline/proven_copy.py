"""Take a file from one file system to another, and prove the copy before the source may go."""

import errno
import hashlib
import os
import stat
from pathlib import Path

_BLOCK = 1 << 20


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
