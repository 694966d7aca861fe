"""Where bytes come from and go to: sources, results with their digest, and folders of files.

A result is written beside its place under a name that ends in ``.part`` and renamed when it
is complete and checked, so nobody ever sees half a file.  Pixels travel from descriptor to
descriptor in blocks: memory stays flat whatever the file's size.  Making files durable
(fsync) is the caller's matter.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self, TypeAlias

from sendit.errors import Unreadable
from sendit.terms import Reason

BLOCK: Final = 1 << 18
SHORT: Final = 1 << 14
"""Bytes up to which a second thread does not pay."""
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
        status = os.fstat(self.descriptor)
        self.size = status.st_size
        if not stat.S_ISREG(status.st_mode):
            os.close(self.descriptor)
            raise Unreadable(Reason.NOT_DICOM, "is not a regular file")

    def read(self, offset: int, length: int, /) -> bytes:
        """Return ``length`` bytes from ``offset``, fewer only at the end."""
        with _all_of_it():
            return self._read(offset, length)

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.descriptor)


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
    change: Callable[[bytes], bytes] | None = None
    """What is done to each block on the way; keeps its length."""
    whole: bool = False
    """Whether ``change`` must see all of it at once."""


Piece: TypeAlias = bytes | Range


class ResultWriter:
    """Writes results one after the other, through the same two buffers.

    A new buffer for each image would cost more than the copy: the kernel has to find and clear
    its pages every time.  A second thread digests a block while the next one is read and
    written, and the last while the result is checked.
    """

    def __init__(self) -> None:
        self._buffers = memoryview(bytearray(BLOCK)), memoryview(bytearray(BLOCK))
        self._beside = ThreadPoolExecutor(1)
        self._digesting: Future[None] | None = None

    def write(
        self,
        path: Path,
        header: Sequence[bytes | memoryview],
        bodies: Sequence[Piece],
        source: Source,
    ) -> tuple[Callable[[], str], int]:
        """Write header and bodies to a new file.

        Returns
        -------
        tuple
            What waits for the SHA-256 (hex), to be called before the next result is written,
            and the length in bytes.

        Raises
        ------
        OSError
            Whatever the file system says; what was written is removed.
        """
        digest = hashlib.sha256()
        head = b"".join(header)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            total = self._put(descriptor, head, digest)
            for body in bodies:
                blocks = self._blocks(source, body) if isinstance(body, Range) else (body,)
                total += sum(self._put(descriptor, block, digest) for block in blocks)
        except BaseException:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        os.close(descriptor)

        def finished() -> str:
            self._wait()
            return digest.hexdigest()

        return finished, total

    def _put(self, descriptor: int, data: bytes | memoryview, digest: "hashlib._Hash") -> int:
        """Write and digest a block; each is read once, for the digest and for the file."""
        self._wait()
        if len(data) > SHORT:
            self._digesting = self._beside.submit(digest.update, data)
        else:
            digest.update(data)
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        return len(data)

    def _wait(self) -> None:
        if self._digesting is not None:
            self._digesting.result()
            self._digesting = None

    def _blocks(self, source: Source, body: Range) -> Iterator[bytes | memoryview]:
        """Yield the blocks of a range; each stays as it is until the next but one."""
        if body.change is not None and body.whole:
            block = source.read(body.offset, body.length)
            if len(block) < body.length:
                raise _shorter()
            yield body.change(block)
            return
        offset, end = body.offset, body.offset + body.length
        this, other = self._buffers
        while offset < end:
            count = source.read_into(this[: end - offset], offset)
            if not count:
                raise _shorter()
            offset += count
            yield this[:count] if body.change is None else body.change(bytes(this[:count]))
            this, other = other, this


def _shorter() -> Unreadable:
    return Unreadable(Reason.TRUNCATED, "the file became shorter while it was read")


def content_of(body: Piece, source: Source) -> bytes:
    """Return in memory what a piece stands for."""
    if not isinstance(body, Range):
        return body
    content = source.read(body.offset, body.length)
    return content if body.change is None else body.change(content)


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
