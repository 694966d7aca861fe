"""Check that the pixels of a result are those of its original, and no more.

Their length must be what rows, columns, samples, bits and frames make it, and they must be the
same bytes, but for the bits above Bits Stored, which hold no picture.  Compressed pixels keep
their fragments, each as long as it was and of the same bytes, but for what is no picture in it
(``release_fragments``).  Both are compared block by block, never loaded as a whole; of compressed
pixels only a fragment that differs is.
"""

import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TypeAlias

from sendit.deid.release_content import BIG_ENDIAN, Content, PixelData, tag_name
from sendit.deid.release_fragments import is_same_picture
from sendit.errors import Rejected
from sendit.terms import Reason

_BLOCK = 1 << 18
_NUMBERS = {
    0x00280002: "samples",
    0x00280010: "rows",
    0x00280011: "columns",
    0x00280100: "allocated",
    0x00280101: "stored",
    0x00280102: "high",
}
_FRAMES, _PHOTOMETRIC = 0x00280008, 0x00280004
_SUBSAMPLED = (b"YBR_FULL_422", b"YBR_PARTIAL_422")


@dataclass(frozen=True, slots=True)
class _Shape:
    length: int
    allocated: int
    mask: int


_Place: TypeAlias = tuple[Content, int, PixelData]
"""A file, its descriptor, and where its pixels lie."""


class PixelCheck:
    """Compares pixels; keeps its two buffers from one image to the next."""

    def __init__(self) -> None:
        self._buffers = bytearray(_BLOCK), bytearray(_BLOCK)

    def check(
        self, result: Content, result_path: Path, original: Content, original_path: Path
    ) -> None:
        """Refuse pixels that are not those of the original.

        Raises
        ------
        sendit.errors.Rejected
            With ``VALUE_LOST`` or ``IDENTIFIER_LEFT`` (more bytes than the picture has).
        """
        ours, theirs = result.pixels, original.pixels
        if theirs is None:
            if ours is not None:
                raise Rejected(Reason.VALUE_LOST, "pixel data appeared")
            return
        name = tag_name(theirs.key >> 16)
        if ours is None:
            raise Rejected(Reason.VALUE_LOST, f"{name} missing")
        if ours.fragments != theirs.fragments:
            raise Rejected(Reason.VALUE_LOST, f"{name} fragments")
        if ours.fragments is not None:
            with _opened(result_path) as one, _opened(original_path) as other:
                if not self._same_fragments((result, one, ours), (original, other, theirs)):
                    raise Rejected(Reason.VALUE_LOST, f"{name} changed")
            return
        shape = _shape(result)
        expected = theirs.length if shape is None else min(theirs.length, shape.length)
        if ours.length > expected + (expected & 1):
            raise Rejected(Reason.IDENTIFIER_LEFT, f"{name} longer than the picture")
        if ours.length < expected:
            raise Rejected(Reason.VALUE_LOST, f"{name} shorter than the picture")
        swapped = _swapped(result, original)
        with _opened(result_path) as one, _opened(original_path) as other:
            for start in range(0, expected, _BLOCK):
                size = min(_BLOCK, expected - start)
                block = self._filled(0, result, one, ours.offset + start, size)
                twin = self._filled(1, original, other, theirs.offset + start, size)
                if block != twin and not _same_picture(block, twin, shape, swapped=swapped):
                    raise Rejected(Reason.VALUE_LOST, f"{name} changed")

    def _same_fragments(self, ours: _Place, theirs: _Place) -> bool:
        """Compare fragments of the same lengths, with the item headers between them."""
        ends = list(accumulate((8 + size for size in ours[2].fragments or ()), initial=0))
        judged = -1  # fragment that was looked at last
        for start in range(0, ends[-1], _BLOCK):
            size = min(_BLOCK, ends[-1] - start)
            block, twin = (
                self._filled(which, content, descriptor, pixels.offset + start, size)
                for which, (content, descriptor, pixels) in enumerate((ours, theirs))
            )
            if block == twin:
                continue
            # Every fragment that reaches into the block, and was not looked at for the last one.
            first = max(bisect_right(ends, start) - 1, judged + 1)
            judged = bisect_left(ends, start + size) - 1
            for number in range(first, judged + 1):
                place, length = ends[number], ends[number + 1] - ends[number]
                fragment, original = (
                    _read(content, descriptor, pixels.offset + place, length)
                    for content, descriptor, pixels in (ours, theirs)
                )
                same = len(fragment) == length and fragment[:8] == original[:8]
                if not same or not is_same_picture(fragment[8:], original[8:]):
                    return False
        return True

    def _filled(
        self, which: int, content: Content, descriptor: int, offset: int, size: int
    ) -> bytes | bytearray:
        if content.inflated:
            return content.inflated[offset : offset + size]
        buffer = self._buffers[which]
        view = memoryview(buffer)[:size]
        done = 0
        while done < size and (count := os.preadv(descriptor, [view[done:]], offset + done)):
            done += count
        return buffer if done == _BLOCK else buffer[:done]


def _read(content: Content, descriptor: int, offset: int, size: int) -> bytes:
    if content.inflated:
        return content.inflated[offset : offset + size]
    return os.pread(descriptor, size, offset)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _shape(content: Content) -> _Shape | None:
    """Return what the header says of the pixels, or None when it does not say enough."""
    leaves = content.level.by_tag()
    numbers = {
        name: int.from_bytes(leaves[tag][1][:2], "little")
        for tag, name in _NUMBERS.items()
        if tag in leaves
    }
    text = content.level.value(_FRAMES)
    frames = int(text) if text.isdigit() else 1
    photometric = content.level.value(_PHOTOMETRIC)
    try:
        per_pixel = numbers["samples"] * numbers["allocated"]
        pixels = numbers["rows"] * numbers["columns"] * max(frames, 1)
    except KeyError:
        return None
    if photometric in _SUBSAMPLED:
        per_pixel = per_pixel * 2 // 3
    stored = numbers.get("stored", 0) or numbers["allocated"]
    low = max(numbers.get("high", stored - 1) + 1 - stored, 0)
    mask = ((1 << stored) - 1) << low
    length = (pixels * per_pixel + 7) // 8
    return _Shape(length, numbers["allocated"], mask) if length else None


def _swapped(result: Content, original: Content) -> bool:
    return (result.transfer_syntax_uid == BIG_ENDIAN) != (
        original.transfer_syntax_uid == BIG_ENDIAN
    )


def _reversed(block: bytes | bytearray, size: int) -> bytes:
    out = bytearray(block)
    for index in range(size):
        out[index::size] = block[size - 1 - index :: size][: len(out[index::size])]
    return bytes(out)


def _same_picture(
    block: bytes | bytearray, twin: bytes | bytearray, shape: _Shape | None, *, swapped: bool
) -> bool:
    """Compare two runs of pixels in the bits that are stored."""
    bits, mask = (shape.allocated, shape.mask) if shape is not None else (8, 0xFF)
    size = bits // 8
    if bits % 8 or not size or len(block) != len(twin):
        return False
    if swapped and size > 1:
        twin = _reversed(twin, size)
    cells = len(block) // size
    whole = int.from_bytes(mask.to_bytes(size, "little") * cells, "little")
    one = int.from_bytes(block[: cells * size], "little")
    other = int.from_bytes(twin[: cells * size], "little")
    return one & whole == other & whole
