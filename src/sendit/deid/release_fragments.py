"""Say whether a fragment of compressed pixels is the original's, but for what is no picture.

Application segments and comments of JPEG and JPEG-LS streams, comments of JPEG 2000 streams and
what stands behind the end of a picture may have become zeros, in their places, as they were or
not at all.  Segments that decoders need (JFIF, Adobe's and HP's colour marks) have to stay, and
so has every other byte.  Nothing is decoded.

ITU-T T.81 B.1.1 (JPEG markers), T.87 C.1 (JPEG-LS), T.800 A.4 and A.9.2 (JPEG 2000).
"""

from collections.abc import Iterator

_JPEG, _JPEG_2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"
_JPEG_END, _FILL, _LEAST_MARKER = 0xD9, 0xFF, 0x80
_ALONE = range(0xD0, 0xD9)
"""Markers without a segment: restarts and the beginning."""
_JPEG_COMMENT, _APPLICATION = 0xFE, range(0xE0, 0xF0)
_J2K_COMMENT, _J2K_TILE, _J2K_END = b"\xff\x64", b"\xff\x90", b"\xff\xd9"
_NEEDED = {
    0xE0: (b"JFIF\0", 14),
    0xE8: (b"mrfx", 6),
    0xEE: (b"Adobe", 12),
}
"""By marker: how the segment begins that decoders need, and its length without a thumbnail."""


def is_same_picture(fragment: bytes, original: bytes) -> bool:
    """Return whether nothing but what is no picture differs, and that only by being zero."""
    if len(fragment) != len(original):
        return False
    expected = bytearray(original)
    for start, stop in _beside_the_picture(original):
        if not fragment[start:stop].strip(b"\0"):
            expected[start:stop] = bytes(stop - start)
    return expected == fragment


def _beside_the_picture(stream: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and stop of each stretch that no decoder needs."""
    if stream.startswith(_JPEG_2000):
        yield from _of_jpeg_2000(stream)
    elif stream.startswith(_JPEG):
        yield from _of_jpeg(stream)


def _of_jpeg(stream: bytes) -> Iterator[tuple[int, int]]:
    at = 2
    while 0 <= (at := stream.find(b"\xff", at)) < len(stream) - 1:
        code = stream[at + 1]
        if code == _FILL:
            at += 1
        elif code < _LEAST_MARKER or code in _ALONE:
            at += 2
        elif code == _JPEG_END:
            yield at + 2, len(stream)
            return
        else:
            stop = at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
            if stop < at + 4 or stop > len(stream):
                return
            needed = _is_needed(code, stream[at + 4 : stop])
            if code == _JPEG_COMMENT or (code in _APPLICATION and not needed):
                yield at + 4, stop
            at = stop


def _is_needed(code: int, content: bytes) -> bool:
    begin, length = _NEEDED.get(code, (b"", 0))
    return len(content) <= length and content.startswith(begin)


def _of_jpeg_2000(stream: bytes) -> Iterator[tuple[int, int]]:
    at = 2
    while at + 4 <= len(stream) and stream[at : at + 2] != _J2K_TILE:
        stop = at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        if stop < at + 4 or stream[at] != _FILL:
            break
        if stream[at : at + 2] == _J2K_COMMENT:
            yield at + 6, min(stop, len(stream))  # behind what says whether it is text
        at = stop
    end = stream.rfind(_J2K_END)
    if end > 0:
        yield end + 2, len(stream)
