"""Read a file for the release check: every element, none of the pixels.

This is the gate's own reader.  It shares no line with the engine's, so a file that one of
them misunderstands is not misunderstood by both.  What cannot be read does not raise: it is
told in the content, since an original may be broken and a result may not.

DICOM: PS3.10 7.1 (File Meta Information).
"""

import os
import struct
import zlib
from pathlib import Path

from sendit.deid.release_content import Content, Level
from sendit.deid.release_stretches import Header, Memory
from sendit.deid.release_walk import Malformed, NeedMore, Walk

_FIRST_READ = 1 << 16
_MOST_SERIES = 64
_MOST_LEARNED = 1 << 16
"""Bytes of a header that is remembered; a larger one comes alone."""
_SERIES = 0x0020000E


class Reader:
    """Reads files one after another, remembering what it has seen (``release_stretches``)."""

    def __init__(self) -> None:
        self._memories = {kind: Memory() for kind in "ieb"}
        self._series: dict[bytes, tuple[int, Level]] = {}
        """By UID: how many files were read element by element, and the last one of these."""

    def read(self, path: Path) -> Content:
        """Return the content of one file, as far as it could be read."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            size = os.fstat(descriptor).st_size
            wanted = min(size, _FIRST_READ)
            while True:
                data = _read_exactly(descriptor, wanted)
                try:
                    return self._content(data, size, descriptor)
                except NeedMore as need:
                    if wanted >= size:
                        raise AssertionError("asked for more than the file holds") from None
                    wanted = min(size, max(need.size + _FIRST_READ, 4 * wanted))
        finally:
            os.close(descriptor)

    def _content(self, data: bytes, size: int, descriptor: int) -> Content:
        content = Content(size=size)
        start = 0
        if data[128:132] == b"DICM":
            content.preamble, content.has_prefix, start = data[:128], True, 132
        elif data[:4] == b"DICM":
            content.has_prefix, start = True, 4
        walk = Walk(data, start, size, self._memories, descriptor)
        try:
            walk.meta(content)
            header = walk.main(content)
        except (Malformed, struct.error, zlib.error, RecursionError) as error:
            content.problem = str(error) or "not a data set"
            content.rest = walk.data[walk.position :]
        else:
            self._remember(walk, header, content.level)
        return content

    def _remember(self, walk: Walk, header: Header, level: Level) -> None:
        taken = sum(span.last - span.first for span in walk.spans)
        if _is_most(taken, level):
            self._memories[header.kind].share(level, walk.spans)
        elif header.end - header.begin <= _MOST_LEARNED:
            self._learn(walk, header, level)

    def _learn(self, walk: Walk, header: Header, level: Level) -> None:
        if len(self._series) >= _MOST_SERIES:
            self._series.clear()
        series = level.value(_SERIES)
        count, before = self._series.get(series, (0, Level()))
        self._series[series] = count + 1, Level(header.leaves)
        # With the second, the third, the fifth…: a series without a pattern must not cost more.
        is_turn = count and not count & (count - 1)
        if is_turn and _is_most(len(before.elements() & level.elements()), level):
            walk.learn(header, before)


def _is_most(count: int, level: Level) -> bool:
    return 4 * count > 3 * len(level.leaves)


def _read_exactly(descriptor: int, size: int) -> bytes:
    data = os.pread(descriptor, size, 0)
    while len(data) < size:
        more = os.pread(descriptor, size - len(data), len(data))
        if not more:
            break
        data += more
    return data
