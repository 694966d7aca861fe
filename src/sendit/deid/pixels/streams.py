"""Compressed pixels: what a stream says besides the picture is taken out, nothing is decoded.

JPEG and JPEG-LS streams carry application segments (EXIF, XMP, what a device thought up) and
comments; JPEG 2000 streams carry comments.  Their content is set to zero where it stands, so
that no length and no offset changes and every decoder goes on as before.  Segments that a
decoder needs (JFIF, Adobe's and HP's colour marks) stay when they hold nothing else.  What
stands behind the end of a picture is set to zero, too.

ITU-T T.81 B.1.1 (JPEG markers), T.87 C.1 (JPEG-LS), T.800 A.9.2 (JPEG 2000 comments).
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

JPEG_START: Final = b"\xff\xd8"
J2K_START: Final = b"\xff\x4f\xff\x51"
MARKER: Final = re.compile(rb"\xff([\x80-\xcf\xd8-\xfe])")
END, SCAN, COMMENT = 0xD9, 0xDA, 0xFE
WITHOUT_LENGTH: Final = frozenset((0x01, *range(0xD0, 0xD9)))
J2K_COMMENT, J2K_TILE, J2K_END = b"\xff\x64", b"\xff\x90", b"\xff\xd9"

JPEG_FAMILY: Final = frozenset(
    f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, *range(52, 67), 70, 80, 81)
)
J2K_FAMILY: Final = frozenset(
    f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 92, 93, 201, 202, 203)
)


def stream_cleaner(transfer_syntax_uid: str) -> Callable[[bytes], bytes] | None:
    """Return what cleans one fragment of a transfer syntax, None if there is nothing to clean."""
    if transfer_syntax_uid in JPEG_FAMILY:
        return clean_jpeg
    return clean_j2k if transfer_syntax_uid in J2K_FAMILY else None


def clean_jpeg(fragment: bytes) -> bytes:
    """Zero application segments, comments and what follows the end of a JPEG(-LS) stream."""
    if not fragment.startswith(JPEG_START):
        return fragment
    return _zeroed(fragment, list(_jpeg_stretches(fragment)))


def _jpeg_stretches(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and stop of each stretch that is no picture."""
    pos = 2
    while found := MARKER.search(data, pos):
        code, start = found[1][0], found.end()
        if code == END:
            yield start, len(data)
            return
        if code in WITHOUT_LENGTH:
            pos = start
            continue
        length = int.from_bytes(data[start : start + 2], "big")
        stop = start + length
        if length < 2 or stop > len(data):
            return
        is_application = 0xE0 <= code <= 0xEF
        if code == COMMENT or (is_application and not _needed(code, data[start + 2 : stop])):
            yield start + 2, stop
        pos = stop


def _needed(code: int, content: bytes) -> bool:
    """Return whether an application segment is one that decoders read, and nothing more."""
    if code == 0xE0:  # JFIF without a thumbnail
        return content.startswith(b"JFIF\0") and len(content) <= 14
    if code == 0xEE:  # some encoders count its length short
        return content.startswith(b"Adobe") and len(content) <= 12
    # HP's colour transform in JPEG-LS streams.
    return code == 0xE8 and content.startswith(b"mrfx") and len(content) <= 6


def clean_j2k(fragment: bytes) -> bytes:
    """Zero the comments in the main header of a JPEG 2000 stream, and what follows its end."""
    if not fragment.startswith(J2K_START):
        return fragment
    stretches = []
    pos = 2
    while len(fragment) >= pos + 4 and fragment[pos : pos + 2] != J2K_TILE:
        length = int.from_bytes(fragment[pos + 2 : pos + 4], "big")
        if fragment[pos] != 0xFF or length < 2:
            break
        if fragment[pos : pos + 2] == J2K_COMMENT:
            # Two bytes behind the length say whether it is text; they stay.
            stretches.append((pos + 6, pos + 2 + length))
        pos += 2 + length
    end = fragment.rfind(J2K_END)
    if end > 0:
        stretches.append((end + 2, len(fragment)))
    return _zeroed(fragment, stretches)


def _zeroed(data: bytes, stretches: list[tuple[int, int]]) -> bytes:
    dirty = [(start, stop) for start, stop in stretches if data[start:stop].strip(b"\0")]
    if not dirty:
        return data
    new = bytearray(data)
    for start, stop in dirty:
        new[start:stop] = bytes(min(stop, len(data)) - start)
    return bytes(new)
