"""Write results, with their digest, beside the thread that decides what they hold.

A result is written beside its place under a name that ends in ``.part`` and renamed when it
is complete and checked, so nobody ever sees half a file.  Pixels travel from descriptor to
descriptor in blocks: memory stays flat whatever the file's size.  Making files durable
(fsync) is the caller's matter.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sendit.deid.files import Piece, Range, Source, shorter
from sendit.errors import Rejected
from sendit.terms import Reason

BLOCK: Final = 3 << 18
"""Bytes that are written at once; where memory is short of large stretches more is slower."""
CELL: Final = 4
"""Bytes of the largest pixel cell; no cell is read by halves."""


@dataclass(frozen=True, slots=True)
class Digest:
    """What was written."""

    sha256: str
    length: int
    """In bytes."""


class Writing:
    """A file that is being written; to be kept or removed."""

    def __init__(self, path: Path, digest: Future[Digest], writer: "ResultWriter") -> None:
        self.path = path
        self._digest = digest
        self._writer = writer

    def wait(self) -> Digest:
        """Wait until all is written; raise whatever the file system or the source said."""
        return self._digest.result()

    def keep_as(self, destination: Path) -> None:
        """Give the complete file its name."""
        self.path.replace(destination)
        self._writer.unfinished.discard(self.path)

    def remove(self) -> None:
        """Remove the file, complete or not."""
        wait((self._digest,))
        self.path.unlink(missing_ok=True)
        self._writer.unfinished.discard(self.path)


class ResultWriter:
    """Writes results one after the other in a thread of its own.

    A new buffer for each image would cost more than the copy: the kernel has to find and clear
    its pages every time.
    """

    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(BLOCK + CELL))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sendit-write")
        self.unfinished: set[Path] = set()
        """What is neither kept nor removed yet."""

    def start(
        self,
        path: Path,
        header: Sequence[bytes | memoryview],
        bodies: Sequence[Piece],
        source: Source,
    ) -> Writing:
        """Begin to write header and bodies to a new file; the source stays open until then.

        Raises
        ------
        OSError
            When there can be no such file.
        sendit.errors.Rejected
            ``SAME_UID``: one of this name is not finished.
        """
        if path in self.unfinished:
            raise Rejected(Reason.SAME_UID, "(0008,0018)")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        head = b"".join(header)
        self.unfinished.add(path)
        digest = self._thread.submit(self._write, descriptor, head, bodies, source)
        return Writing(path, digest, self)

    def _write(
        self, descriptor: int, head: bytes, bodies: Sequence[Piece], source: Source
    ) -> Digest:
        try:
            digest = hashlib.sha256()
            total = 0
            for block in self._blocks((head, *bodies), source):
                digest.update(block)
                total += len(block)
                view = memoryview(block)
                while view:
                    view = view[os.write(descriptor, view) :]
            return Digest(digest.hexdigest(), total)
        finally:
            os.close(descriptor)

    def _blocks(self, pieces: Iterable[Piece], source: Source) -> Iterator[bytes | memoryview]:
        """Yield all that is written; each block to be used up before the next.

        They are few and long: after each call to the system this thread waits for the one that
        decides.
        """
        buffer, used = self._buffer, 0
        for part in _in_memory(pieces, source):
            if not isinstance(part, Range):
                if used + len(part) > BLOCK:
                    yield buffer[:used]
                    used = 0
                if len(part) > BLOCK:
                    yield part
                else:
                    buffer[used : used + len(part)] = part
                    used += len(part)
                continue
            offset, end = part.offset, part.offset + part.length
            while offset < end:
                room = BLOCK - used + CELL - 1 & -CELL
                block = buffer[used : used + min(room, end - offset)]
                _fill(block, offset, part, source)
                offset += len(block)
                used += len(block)
                if used >= BLOCK:
                    yield buffer[:BLOCK]
                    used -= BLOCK
                    buffer[:used] = buffer[BLOCK : BLOCK + used]
        yield buffer[:used]


def _in_memory(pieces: Iterable[Piece], source: Source) -> Iterator[Piece]:
    """Yield the pieces, read and changed if all of one has to be seen at once."""
    for piece in pieces:
        if not isinstance(piece, Range) or piece.change_whole is None:
            yield piece
            continue
        content = source.read(piece.offset, piece.length)
        if len(content) < piece.length:
            raise shorter()
        yield piece.change_whole(content)


def _fill(block: memoryview, offset: int, part: Range, source: Source) -> None:
    if source.read_into(block, offset) < len(block):
        raise shorter()
    if part.change is not None:
        changed = part.change(block)
        if changed is not block:
            block[:] = changed
