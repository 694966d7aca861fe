"""Check that the pixels of a result are those of its original, and no more.

Their length must be what rows, columns, samples, bits and frames make it, and they must be the
same bytes, but for the bits above Bits Stored, which hold no picture.  They are compared block
by block, never loaded as a whole.  Compressed pixels keep their fragments.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sendit.deid.release_content import BIG_ENDIAN, Content, tag_name
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
        if (ours.fragments is None) != (theirs.fragments is None):
            return
        if ours.fragments is not None and theirs.fragments is not None:
            if len(ours.fragments) != len(theirs.fragments):
                raise Rejected(Reason.VALUE_LOST, f"{name} fragments")
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
