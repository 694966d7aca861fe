"""Walk over the bytes of a file for the release check, in any plain transfer syntax.

Explicit and implicit VR, both byte orders and deflated data sets, sequences of defined and
undefined length, sequences hidden in UN values.  The pixels are noted and stepped over.

DICOM: PS3.5 7 (data elements, sequences), A.4 (encapsulated pixel data).
"""

import os
import struct
import zlib

from sendit.deid.release_content import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    Content,
    Key,
    Level,
    PixelData,
    tag_name,
)
from sendit.deid.release_stretches import LONG_VRS, Header, Memory, Span
from sendit.dictionary import listed_vr

SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
SQ = int.from_bytes(b"SQ", "big")
UN = int.from_bytes(b"UN", "big")
MAX_DEPTH = 100
MAX_HIDDEN = 4
"""From this depth on a UN value is no longer tried as a sequence: each level doubles the tries."""
MAX_TAIL = 1 << 28
MAX_INFLATED = 4_000_000_000

_SWAP = {b"US": 2, b"SS": 2, b"OW": 2, b"AT": 2, b"UL": 4, b"SL": 4, b"FL": 4, b"OF": 4} | {
    b"OL": 4,
    b"FD": 8,
    b"OD": 8,
    b"SV": 8,
    b"UV": 8,
    b"OV": 8,
}
_PLAIN = {IMPLICIT: "i", EXPLICIT: "e", BIG_ENDIAN: "b"}
"""How a data set is encoded of which the file may say something else."""
_UNDEFINED = 0xFFFFFFFF
_NOTHING = Level()
"""Every item that holds nothing; nobody adds to a level that was read."""


class Malformed(Exception):
    """The bytes are no data set; the message says what is wrong with them, never a value."""


class NeedMore(Exception):
    """The walk has come to the end of the bytes that were read so far."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size


class Walk:
    """One pass over the bytes of one file."""

    def __init__(
        self,
        data: bytes,
        start: int,
        size: int,
        memories: dict[str, Memory],
        descriptor: int,
    ) -> None:
        self.data = data
        self.position = start
        self._size = size
        self._memories = memories
        self._descriptor = descriptor
        self.spans: list[Span] = []
        """What of the data set was read otherwise than element by element."""

    def meta(self, content: Content) -> None:
        """Read group 0002, which is always explicit little endian."""
        syntax = ""
        while self.data[self.position : self.position + 2] == b"\x02\x00":
            key, length, at = self._head(self.position, "e")
            self._require(at + length)
            value = self.data[at : at + length]
            content.meta.append((key, value))
            self.position = at + length
            if key >> 16 == 0x00020010:
                syntax = value.decode("ascii", "replace").strip(" \0")
        content.transfer_syntax_uid = syntax or self._guess()

    def main(self, content: Content) -> Header:
        """Read the data set itself; return what of it stands before the pixels."""
        if content.transfer_syntax_uid == DEFLATED:
            content.rest = self._inflate()
            content.inflated = self.data
        kind = {IMPLICIT: "i", BIG_ENDIAN: "b"}.get(content.transfer_syntax_uid, "e")
        if content.transfer_syntax_uid in _PLAIN:
            seen = _PLAIN[self._guess()]
            content.mislabelled, kind = seen != kind, seen
        level, data, start = content.level, self.data, self.position
        stop = self._elements(level, start, self._size, kind, 0)
        header = Header(kind, data, start, self.position, level.leaves[:], self.spans[:])
        while stop is not None:
            content.pixels = self._pixels(stop, kind)
            stop = self._elements(level, self.position, self._size, kind, 0)
        return header

    def learn(self, header: Header, before: Level) -> None:
        """Remember the stretches of a header that stand in another one too.

        Each is read afresh from its bytes alone.
        """
        for raw in header.common(before.elements()):
            level = Level(mark=object())
            walk = Walk(raw, 0, len(raw), self._memories, -1)
            if walk._elements(level, 0, len(raw), header.kind, 0) is None:
                for _, items in level.sequences:
                    for item in items:
                        if item is not _NOTHING:
                            item.mark = object()
                self._memories[header.kind].remember(raw, level)

    def _has_vr(self) -> bool:
        vr = self.data[self.position + 4 : self.position + 6]
        return vr in LONG_VRS or vr in SHORT_VRS

    def _guess(self) -> str:
        if not self._has_vr():
            return IMPLICIT
        big = self.data[self.position] == 0 != self.data[self.position + 1]
        return BIG_ENDIAN if big else EXPLICIT

    def _inflate(self) -> bytes:
        """Go on in the inflated data set; return what follows the deflated one."""
        if len(self.data) < self._size:
            raise NeedMore(self._size)
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        plain = inflater.decompress(self.data[self.position :], MAX_INFLATED)
        if inflater.unconsumed_tail or not inflater.eof:
            raise Malformed("the deflated data set does not end")
        self.data, self.position = plain, 0
        self._size, self._descriptor = len(plain), -1
        return inflater.unused_data.strip(b"\0")

    def _require(self, end: int) -> None:
        if end > len(self.data):
            if end > self._size:
                raise Malformed("an element ends after the file")
            raise NeedMore(end)

    def _head(self, at: int, kind: str) -> tuple[Key, int, int]:
        """Return the key, the length and the place of the value of the element at ``at``."""
        self._require(at + 8)
        raw = self.data[at : at + 8]
        key, length = self._memories[kind].heads.get(raw) or self._learn(raw, kind)
        if length >= 0:
            return key, length, at + 8
        self._require(at + 12)
        order = ">I" if kind == "b" else "<I"
        return key, struct.unpack_from(order, self.data, at + 8)[0], at + 12

    def _learn(self, raw: bytes, kind: str) -> tuple[Key, int]:
        memory = self._memories[kind]
        memory.make_room()
        group, element = struct.unpack_from(">HH" if kind == "b" else "<HH", raw)
        tag = group << 16 | element
        vr = raw[4:6]
        if kind == "i" or group == 0xFFFE:
            length = struct.unpack_from(">I" if kind == "b" else "<I", raw, 4)[0]
            vr = _dictionary_vr(tag).encode("ascii")
        elif vr in SHORT_VRS:
            length = struct.unpack_from(">H" if kind == "b" else "<H", raw, 6)[0]
        elif vr in LONG_VRS:
            length = -1
        else:
            raise Malformed(f"{tag_name(tag)} has no VR")
        key = tag << 16 | int.from_bytes(vr, "big")
        plain = length not in (-1, _UNDEFINED) and vr not in (b"SQ", b"UN") and kind != "b"
        memory.heads[raw] = key, length
        if plain and group != 0xFFFE and tag not in PIXEL_TAGS:
            memory.plain[raw] = key, length + 8
        return key, length

    def _elements(self, level: Level, at: int, end: int, kind: str, depth: int) -> int | None:
        """Read elements until ``end``; return the place of pixel data when it stands there.

        An ``end`` of -1 means: until the item delimiter, which is read too.
        """
        if depth > MAX_DEPTH:
            raise Malformed("sequences are nested too deeply")
        memory, data = self._memories[kind], self.data
        plain = memory.plain.get
        keep = level.leaves.append
        limit = len(data) if end < 0 else min(end, len(data))
        while at != end:
            last = at
            while at < limit and (found := plain(data[at : at + 8])):
                key, size = found
                last, at = at, at + size
                keep((key, data[last + 8 : at]))
            if at > limit:
                level.leaves.pop()
                at = last
            if at == end:
                break
            if not depth:
                self.position = at
                if (remembered := memory.find(data, at)) is not None:
                    raw, stretch = remembered
                    self.spans.append(Span(len(level.leaves), at, at + len(raw), stretch))
                    level.leaves += stretch.leaves
                    level.sequences += stretch.sequences
                    at += len(raw)
                    continue
            key, length, start = self._head(at, kind)
            tag = key >> 16
            if tag == 0xFFFEE00D and end < 0:
                self.position = start
                return None
            if not depth and tag in PIXEL_TAGS:
                return at
            last, count = at, len(level.sequences)
            at = self._other(level, key, length, start, kind, depth)
            if not depth and len(level.sequences) > count:
                self.spans.append(Span(len(level.leaves), last, at))
            if 0 <= end < at:
                raise Malformed("an element ends after its item")
        self.position = at
        return None

    def _other(self, level: Level, key: Key, length: int, start: int, kind: str, depth: int) -> int:
        """Read an element that is not plain; return the place behind it."""
        vr = key & 0xFFFF
        if vr == SQ or length == _UNDEFINED:
            return self._sequence(level, key, start, length, kind, depth)
        self._require(start + length)
        value = self.data[start : start + length]
        if kind == "b":
            value = _swapped(value, vr)
        hides_items = vr == UN and depth < MAX_HIDDEN and value[:4] == b"\xfe\xff\x00\xe0"
        if not (hides_items and self._hidden(level, key, value, depth)):
            level.leaves.append((key, value))
        return start + length

    def _hidden(self, level: Level, key: Key, value: bytes, depth: int) -> bool:
        """Read a UN value as a sequence; say whether it is one (PS3.5 6.2.2)."""
        # A walk of its own: what stands behind the value must not count.
        walk = Walk(value, 0, len(value), self._memories, -1)
        for kind in ("i", "e"):
            trial = Level()
            try:
                walk._sequence(trial, key, 0, len(value), kind, depth)
            except (Malformed, struct.error):
                continue
            level.sequences.extend(trial.sequences)
            return True
        return False

    def _sequence(
        self, level: Level, key: Key, start: int, length: int, kind: str, depth: int
    ) -> int:
        """Read the items of a sequence; return the place behind it."""
        if key & 0xFFFF == UN and length == _UNDEFINED:
            kind = "i"
        end = -1 if length == _UNDEFINED else start + length
        if end >= 0:
            self._require(end)
        items: list[Level] = []
        level.sequences.append((key & ~0xFFFF | SQ, items))
        at = start
        while at != end:
            if end >= 0 and at > end:
                raise Malformed(f"an item ends after {tag_name(key >> 16)}")
            item_key, item_length, body = self._head(at, kind)
            tag = item_key >> 16
            if tag == 0xFFFEE0DD and end < 0:
                return body
            if tag != 0xFFFEE000:
                raise Malformed(f"{tag_name(key >> 16)} holds something that is no item")
            if not item_length:
                items.append(_NOTHING)
                at = body
                continue
            item = Level()
            items.append(item)
            if item_length == _UNDEFINED:
                self._elements(item, body, -1, kind, depth + 1)
                at = self.position
            else:
                self._require(body + item_length)
                self._elements(item, body, body + item_length, kind, depth + 1)
                at = body + item_length
        return at

    def _pixels(self, at: int, kind: str) -> PixelData:
        key, length, start = self._head(at, kind)
        if length != _UNDEFINED:
            if start + length > self._size:
                raise Malformed("the pixel data end after the file")
            self._skip_to(start + length)
            return PixelData(key, start, length)
        fragments: list[int] = []
        place = start
        while True:
            head = self._bytes(place, 8)
            if len(head) < 8:
                raise Malformed("the pixel data end after the file")
            group, element, size = struct.unpack("<HHI", head)
            place += 8
            if (group, element) == (0xFFFE, 0xE0DD):
                break
            if (group, element) != (0xFFFE, 0xE000) or place + size > self._size:
                raise Malformed("the pixel data hold something that is no fragment")
            fragments.append(size)
            place += size
        self._skip_to(place)
        return PixelData(key, start, place - start, tuple(fragments))

    def _bytes(self, at: int, count: int) -> bytes:
        if at + count <= len(self.data) or self._descriptor < 0:
            return self.data[at : at + count]
        return os.pread(self._descriptor, count, at)

    def _skip_to(self, place: int) -> None:
        """Go on behind the pixels, with the tail of the file in place of its head."""
        if place > len(self.data):
            if self._size - place > MAX_TAIL:
                raise Malformed("too much stands behind the pixels")
            self._size -= place
            self.data = os.pread(self._descriptor, self._size, place) if self._size else b""
            self._descriptor = -1
            place = 0
        self.position = place


def _dictionary_vr(tag: int) -> str:
    if tag & 0xFFFF == 0:
        return "UL"
    if tag >> 16 & 1:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else "UN"
    try:
        vr = listed_vr(tag)
    except KeyError:
        return "UN"
    return "OW" if vr.startswith("OB or") else vr[:2]


def _swapped(value: bytes, vr: int) -> bytes:
    size = _SWAP.get(vr.to_bytes(2, "big"))
    if size is None or len(value) % size:
        return value
    out = bytearray(len(value))
    for index in range(size):
        out[index::size] = value[size - 1 - index :: size]
    return bytes(out)
