"""Search compressed pixels for what is no picture: comments, application segments, tails.

JPEG and JPEG-LS streams may carry EXIF, XMP and comments, JPEG 2000 streams comments, and
every fragment may go on behind the end of its picture.  RLE streams have offsets that nobody
uses, and an end that nothing marks.  Nothing is decoded; of each fragment only its beginning and
its end are read.

ITU-T T.81 B.1.1 (JPEG markers), T.800 A.9.2 (JPEG 2000 comments).
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from sendit.deid.release_content import Content, tag_name
from sendit.errors import Rejected
from sendit.terms import Reason

_HEAD = 8192
_TAIL = 1024
_MOST = 2000
_JPEG, _JPEG_2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"
_END = b"\xff\xd9"
_SCAN, _COMMENT, _FIRST_APPLICATION, _LAST_APPLICATION = 0xDA, 0xFE, 0xE0, 0xEF
_J2K_TILE, _J2K_COMMENT = 0x90, 0x64


def check_streams(
    content: Content,
    path: Path,
    find: Callable[[bytes], object],
    find_in_picture: Callable[[bytes], object],
) -> None:
    """Refuse compressed pixels beside which something of the original stands.

    Parameters
    ----------
    find
        Searches what is no picture.
    find_in_picture
        Searches what may be one, in which a few letters stand by chance.

    Raises
    ------
    sendit.errors.Rejected
        With ``IDENTIFIER_LEFT``.
    """
    pixels = content.pixels
    if pixels is None or pixels.fragments is None:
        return
    name = tag_name(pixels.key >> 16)
    for stretch, marked in _stretches(path, pixels.offset, pixels.fragments[: _MOST + 1]):
        if find(stretch) if marked else find_in_picture(stretch):
            raise Rejected(Reason.IDENTIFIER_LEFT, f"{name} beside the picture")


def _stretches(path: Path, offset: int, fragments: tuple[int, ...]) -> Iterator[tuple[bytes, bool]]:
    """Yield what may be no picture, and whether marks of the stream say that it is none."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        for number, size in enumerate(fragments):
            start = offset + 8
            offset = start + size
            head = os.pread(descriptor, min(size, _HEAD), start)
            count = min(size, _TAIL)
            tail = os.pread(descriptor, count, offset - count)
            if number and head.startswith((_JPEG, _JPEG_2000)):
                yield from ((segment, True) for segment in _segments(head))
                yield (tail[tail.rfind(_END) + 2 :] if _END in tail else b""), True
            else:
                # The Basic Offset Table, RLE, what goes on from the fragment before, or no
                # picture: no mark tells where a picture ends.
                yield from ((head, False), (tail, False))
    finally:
        os.close(descriptor)


def _segments(head: bytes) -> Iterator[bytes]:
    """Yield the content of each segment that is not for the decoder."""
    is_jpeg = head.startswith(_JPEG)
    at = 2
    while at + 4 <= len(head) and head[at] == 0xFF:
        code = head[at + 1]
        if code == (_SCAN if is_jpeg else _J2K_TILE):
            return
        length = int.from_bytes(head[at + 2 : at + 4], "big")
        stretch = head[at + 4 : at + 2 + length]
        if is_jpeg:
            wanted = code == _COMMENT or _FIRST_APPLICATION <= code <= _LAST_APPLICATION
        else:
            wanted = code == _J2K_COMMENT
        if wanted:
            yield stretch
        at += 2 + length
