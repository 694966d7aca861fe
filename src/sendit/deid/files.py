"""Where bytes come from: sources, the pieces that results are made of, and folders of files."""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self, TypeAlias

from sendit.errors import Unreadable
from sendit.terms import Reason

BLOCK: Final = 1 << 18
HEAD: Final = 17 << 12
"""Bytes at a file's begin that are read at once and kept: most headers are no longer."""
IGNORED_NAMES: Final = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


def absolute(path: Path, *, base: Path) -> Path:
    """Return a path as the operating system takes it; a relative one counts from ``base``.

    Raises
    ------
    ValueError
        When there can be no such path.
    """
    if "\0" in str(path):
        raise ValueError("holds a NUL character; allowed: the path of a file or a folder")
    try:
        return Path(os.path.normpath(base / path.expanduser()))
    except RuntimeError:
        raise ValueError("begins with ~ and no user of this machine; write it out") from None


class Source(Protocol):
    """Bytes that can be read at any offset."""

    size: int

    def read(self, offset: int, length: int, /) -> bytes:
        """Return ``length`` bytes from ``offset``, fewer only at the end."""

    def read_into(self, buffer: memoryview, offset: int, /) -> int:
        """Fill the buffer with what stands from ``offset`` on; return how much that was."""


class MemorySource:
    """Bytes that are in memory already (an inflated or repaired data set)."""

    def __init__(self, data: bytes | bytearray) -> None:
        self._data = memoryview(data)
        self.size = len(data)

    def read(self, offset: int, length: int, /) -> bytes:
        """Return ``length`` bytes from ``offset``, fewer only at the end."""
        return bytes(self._data[offset : offset + length])

    def read_into(self, buffer: memoryview, offset: int, /) -> int:
        """Fill the buffer with what stands from ``offset`` on; return how much that was."""
        found = self._data[offset : offset + len(buffer)]
        buffer[: len(found)] = found
        return len(found)


class FileSource:
    """An open file; a context manager that closes it."""

    def __init__(self, path: Path) -> None:
        try:
            # A named pipe must not stop us: open it without waiting, then look what it is.
            self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except PermissionError:
            raise Unreadable(Reason.NO_PERMISSION, "may not be opened") from None
        except OSError:
            raise Unreadable(Reason.NOT_DICOM, "cannot be opened as a file") from None
        self._head: bytes | None = None
        status = os.fstat(self.descriptor)
        self.size = status.st_size
        if not stat.S_ISREG(status.st_mode):
            os.close(self.descriptor)
            raise Unreadable(Reason.NOT_DICOM, "is not a regular file")

    def read(self, offset: int, length: int, /) -> bytes:
        """Return ``length`` bytes from ``offset``, fewer only at the end."""
        with _all_of_it():
            if offset + length > HEAD:
                return self._read(offset, length)
            if self._head is None:
                self._head = self._read(0, HEAD)
            return self._head[offset : offset + length]

    def read_into(self, buffer: memoryview, offset: int, /) -> int:
        """Fill the buffer with what stands from ``offset`` on; return how much that was."""
        done = 0
        with _all_of_it():
            while done < len(buffer):
                count = os.preadv(self.descriptor, [buffer[done:]], offset + done)
                if not count:
                    break
                done += count
        return done

    def _read(self, offset: int, length: int) -> bytes:
        data = os.pread(self.descriptor, length, offset)
        if len(data) == length or not data:
            return data
        parts = [data]
        missing = length - len(data)
        while missing and (data := os.pread(self.descriptor, missing, offset + length - missing)):
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def _all_of_it() -> Iterator[None]:
    try:
        yield
    except OSError:
        raise Unreadable(Reason.TRUNCATED, "the disk does not give all of it") from None


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of the source that goes into the result."""

    offset: int
    length: int
    change: Callable[[memoryview], bytes | memoryview] | None = None
    """What is done to each block on the way; returns the block itself if it may stay."""
    change_whole: Callable[[bytes], bytes] | None = None
    """What is done to all of it at once.  Both keep its length."""


Piece: TypeAlias = bytes | Range


def shorter() -> Unreadable:
    """Return the error of a source that ends before its time."""
    return Unreadable(Reason.TRUNCATED, "the file became shorter while it was read")


def content_of(body: Piece, source: Source) -> bytes:
    """Return in memory what a piece stands for."""
    if not isinstance(body, Range):
        return body
    content = source.read(body.offset, body.length)
    if body.change_whole is not None:
        return body.change_whole(content)
    return content if body.change is None else bytes(body.change(memoryview(content)))


@contextmanager
def memory_file(parts: Sequence[bytes]) -> Iterator[Path]:
    """Yield the path of a file that exists in memory only and goes when the block ends."""
    descriptor = os.memfd_create("sendit", os.MFD_CLOEXEC)
    try:
        for part in parts:
            view = memoryview(part)
            while view:
                view = view[os.write(descriptor, view) :]
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def part_path(destination: Path) -> Path:
    """Return the name under which a result is written before it is complete."""
    return destination.with_name(f"{destination.name}.part")


def files_under(root: Path) -> Iterator[Path]:
    """Yield every file below a folder in path order, links included, never following one.

    Files that a desktop leaves behind (``.DS_Store`` and the like) are passed over.
    """
    for entry in sorted(os.scandir(root), key=lambda entry: entry.name):
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from files_under(path)
        elif entry.name not in IGNORED_NAMES:
            yield path


def same_bytes(first: Path, second: Path) -> bool:
    """Return whether two files hold the same bytes."""
    with FileSource(first) as one, FileSource(second) as other:
        if one.size != other.size:
            return False
        for offset in range(0, one.size, BLOCK):
            if one.read(offset, BLOCK) != other.read(offset, BLOCK):
                return False
    return True
