"""Check that the pixels of a result are those of its original, and no more.

The pixels are never loaded as a whole: their length must be what rows, columns, samples, bits
and frames make it, and pages at their beginning, middle and end must be the same bytes, but for the
bits above Bits Stored, which hold no picture.  Compressed pixels keep their fragments.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from sendit.deid.release_content import BIG_ENDIAN, Content, PixelData, tag_name
from sendit.errors import Rejected
from sendit.terms import Reason

_PAGE = 1024
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


def check_pixels(
    result: Content, result_path: Path, original: Content, original_path: Path
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
    _compare_pages(result, result_path, original, original_path, expected, shape)


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


def _compare_pages(
    result: Content,
    result_path: Path,
    original: Content,
    original_path: Path,
    length: int,
    shape: _Shape | None,
) -> None:
    ours, theirs = result.pixels, original.pixels
    if ours is None or theirs is None or not length:
        return
    last = max(length - _PAGE, 0) & ~7
    places = sorted({0, last // 2 & ~7, last})
    one = _pages(result, result_path, ours, places, length)
    other = _pages(original, original_path, theirs, places, length)
    if one == other:
        return
    bits = shape.allocated if shape is not None else 8
    if _swapped(result, original) and bits > 8:
        other = [_reversed(page, bits // 8) for page in other]
    mask = shape.mask if shape is not None else 0xFF
    for page, twin in zip(one, other, strict=True):
        if not _same_picture(page, twin, bits, mask):
            raise Rejected(Reason.VALUE_LOST, f"{tag_name(ours.key >> 16)} changed")


def _pages(
    content: Content, path: Path, pixels: PixelData, places: list[int], length: int
) -> list[bytes]:
    if content.inflated:
        data = content.inflated[pixels.offset : pixels.offset + length]
        return [data[place : place + _PAGE] for place in places]
    pages = []
    if len(pixels.head) == min(_PAGE, length):
        pages, places = [pixels.head], places[1:]
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return pages + [
            os.pread(descriptor, min(_PAGE, length - place), pixels.offset + place)
            for place in places
        ]
    finally:
        os.close(descriptor)


def _swapped(result: Content, original: Content) -> bool:
    return (result.transfer_syntax_uid == BIG_ENDIAN) != (
        original.transfer_syntax_uid == BIG_ENDIAN
    )


def _reversed(page: bytes, size: int) -> bytes:
    out = bytearray(page)
    for index in range(size):
        out[index::size] = page[size - 1 - index :: size][: len(out[index::size])]
    return bytes(out)


def _same_picture(page: bytes, twin: bytes, bits: int, mask: int) -> bool:
    """Compare two runs of pixels in the bits that are stored."""
    if page == twin:
        return True
    size = bits // 8
    if bits % 8 or not size or len(page) != len(twin):
        return False
    cells = len(page) // size
    whole = int.from_bytes(mask.to_bytes(size, "little") * cells, "little")
    one = int.from_bytes(page[: cells * size], "little")
    other = int.from_bytes(twin[: cells * size], "little")
    return one & whole == other & whole
