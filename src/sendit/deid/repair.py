"""Mend a data set whose intent is clear, so that the strict walk can read it.

What devices get wrong, and what is done about it:

- attributes out of order: sorted;
- an attribute that stands twice with the same value: once;
- items and sequences whose end is missing: end where what follows cannot belong to them;
- implicit VR where explicit was declared, or the other way round, for single elements or all:
  written as declared;
- an item that holds nothing but padding, and zeros behind the last attribute.

What cannot be told apart (an attribute with two different values, a length beyond what holds
it) is not mended.  Pixels are not moved: the mended data set refers to them where they are.

DICOM: PS3.5 7.1 (order, uniqueness), 7.5.1 (delimiters).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from sendit.deid.files import Range, Source
from sendit.deid.part10 import Frame
from sendit.deid.passing_plans import PIXEL_TAGS, vr_of
from sendit.deid.syntax import LONG_VRS, SHORT_VRS, UNDEFINED, Syntax, damaged_text
from sendit.deid.walk import MAX_DEPTH
from sendit.errors import Unreadable
from sendit.terms import Reason

MAX_MENDED: Final = 1 << 26
"""Bytes of header that are mended at most; a larger one that is broken is refused."""
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


@dataclass(frozen=True, slots=True)
class _Element:
    tag: int
    vr: bytes
    value: "bytes | Range | tuple[tuple[_Element, ...], ...]" = field(repr=False)
    """Bytes, a stretch of the source that ends the data set, or items."""


class SplicedSource:
    """Bytes in memory followed by a stretch of another source."""

    def __init__(self, head: bytes, source: Source, tail: Range | None) -> None:
        self._head = head
        self._source = source
        self._tail = tail or Range(0, 0)
        self.size = len(head) + self._tail.length

    def read(self, offset: int, length: int, /) -> bytes:
        """Return ``length`` bytes from ``offset``, fewer only at the end."""
        first = self._head[offset : offset + length]
        begin = max(offset - len(self._head), 0)
        missing = min(length - len(first), self._tail.length - begin)
        if missing <= 0:
            return first
        return first + self._source.read(self._tail.offset + begin, missing)

    def read_into(self, buffer: memoryview, offset: int, /) -> int:
        """Fill the buffer with what stands from ``offset`` on; return how much that was."""
        found = self.read(offset, len(buffer))
        buffer[: len(found)] = found
        return len(found)


def mended(frame: Frame) -> Frame:
    """Return the frame of a mended copy of a data set.

    Raises
    ------
    sendit.errors.Unreadable
        ``MALFORMED`` when the intent is not clear.
    """
    source = frame.source
    reader = _Reader(source.read(frame.start, MAX_MENDED), frame)
    elements = reader.data_set(0, len(reader.data), depth=0)[0]
    pixels, tail = None, None
    if elements and isinstance(elements[-1].value, Range):
        pixels = elements.pop()
        tail = pixels.value
    head = _encoded(_in_order(elements), frame.syntax)
    if pixels is not None and pixels.vr:
        head += frame.syntax.tag_bytes(pixels.tag) + pixels.vr + b"\0\0"
    spliced = SplicedSource(head, source, tail if isinstance(tail, Range) else None)
    return replace(frame, source=spliced, start=0, repairs=(*frame.repairs, "structure"))


class _Reader:
    """Reads elements tolerantly."""

    def __init__(self, data: bytes, frame: Frame) -> None:
        self.data = data
        self._frame = frame
        self._syntax = frame.syntax
        self._is_cut = frame.start + len(data) < frame.source.size

    def data_set(self, pos: int, end: int, *, depth: int) -> tuple[list[_Element], int]:
        """Read elements until ``end`` or a tag that cannot belong to a data set."""
        found: list[_Element] = []
        while pos + 8 <= end:
            tag = self._syntax.tag_at(self.data, pos)
            if tag == 0 and depth == 0 and not self.data[pos:end].strip(b"\0"):
                return found, end
            if tag == ITEM_END:
                return found, pos + 8
            if tag in (ITEM, SEQUENCE_END):
                return found, pos
            if depth == 0 and tag in PIXEL_TAGS:
                found.append(self._pixels(tag, pos))
                return found, end
            element, pos = self._element(tag, pos, end, depth)
            found.append(element)
        if depth == 0 and self.data[pos:end].strip(b"\0"):
            raise Unreadable(Reason.TRUNCATED, "the file ends inside an element")
        return found, end

    def _pixels(self, tag: int, pos: int) -> _Element:
        """Return pixel data as a stretch of the source; with a VR if its header lacks one."""
        vr = self.data[pos + 4 : pos + 6]
        begin, missing = self._frame.start + pos, b""
        if self._syntax.explicit and vr not in LONG_VRS:
            missing = b"OB" if self._syntax.u32(self.data, pos + 4)[0] == UNDEFINED else b"OW"
            begin += 4
        return _Element(tag, missing, Range(begin, self._frame.source.size - begin))

    def _element(self, tag: int, pos: int, end: int, depth: int) -> tuple[_Element, int]:
        vr = self.data[pos + 4 : pos + 6]
        if self._syntax.explicit and vr in SHORT_VRS:
            length, start = self._syntax.u16(self.data, pos + 6)[0], pos + 8
        elif self._syntax.explicit and vr in LONG_VRS and pos + 12 <= end:
            length, start = self._syntax.u32(self.data, pos + 8)[0], pos + 12
        elif self._is_explicit_by_mistake(pos, end):
            length, start = self._syntax.u16(self.data, pos + 6)[0], pos + 8
        else:
            length, start = self._syntax.u32(self.data, pos + 4)[0], pos + 8
            vr = vr_of(tag, b"") or b"UN"
        if vr == b"SQ" or length == UNDEFINED:
            if vr not in (b"SQ", b"UN"):
                raise Unreadable(Reason.MALFORMED, f"{damaged_text(tag)} has no length")
            return self._sequence(tag, start, length, end, depth)
        stop = start + length
        if stop > end:
            reason = Reason.MALFORMED if depth or self._is_cut else Reason.TRUNCATED
            raise Unreadable(reason, f"{damaged_text(tag)} is longer than what holds it")
        return _Element(tag, vr, self.data[start:stop]), stop

    def _is_explicit_by_mistake(self, pos: int, end: int) -> bool:
        """Return whether an element of an implicit data set can only be one in explicit VR."""
        return (
            not self._syntax.explicit
            and self.data[pos + 4 : pos + 6] in SHORT_VRS
            and pos + 8 + self._syntax.u32(self.data, pos + 4)[0] > end
        )

    def _sequence(
        self, tag: int, pos: int, length: int, end: int, depth: int
    ) -> tuple[_Element, int]:
        if depth >= MAX_DEPTH:
            raise Unreadable(Reason.MALFORMED, f"more than {MAX_DEPTH} levels deep")
        stop = end if length == UNDEFINED else pos + length
        if stop > end:
            raise Unreadable(Reason.MALFORMED, f"{damaged_text(tag)} is longer than what holds it")
        items: list[tuple[_Element, ...]] = []
        while pos + 8 <= stop:
            marker = self._syntax.tag_at(self.data, pos)
            item_length = self._syntax.u32(self.data, pos + 4)[0]
            if marker == SEQUENCE_END:
                pos += 8
                break
            if marker != ITEM:
                if length != UNDEFINED:
                    raise Unreadable(Reason.MALFORMED, f"{damaged_text(tag)} has no item")
                break
            item_end = stop if item_length == UNDEFINED else pos + 8 + item_length
            if item_end > stop:
                raise Unreadable(
                    Reason.MALFORMED, f"{damaged_text(tag)} has an item that is too long"
                )
            content, after = self.data_set(pos + 8, item_end, depth=depth + 1)
            items.append(_in_order(content))
            pos = after if item_length == UNDEFINED else item_end
        return _Element(tag, b"SQ", tuple(items)), stop if length != UNDEFINED else pos


def _in_order(elements: Sequence[_Element]) -> tuple[_Element, ...]:
    """Sort by tag and drop what stands twice."""
    ordered = sorted(elements, key=lambda element: element.tag)
    kept = ordered[:1]
    for before, element in pairwise(ordered):
        if element.tag != before.tag:
            kept.append(element)
        elif element.value != before.value:
            raise Unreadable(
                Reason.MALFORMED, f"{damaged_text(element.tag)} stands twice with different values"
            )
    return tuple(kept)


def _encoded(elements: Sequence[_Element], syntax: Syntax) -> bytes:
    parts = []
    for element in elements:
        if isinstance(element.value, Range):
            continue
        if isinstance(element.value, bytes):
            value, vr = element.value, element.vr
            if len(value) & 1:
                value += b"\0" if vr in (b"UI", b"OB", b"UN") else b" "
            if vr in SHORT_VRS and len(value) > 0xFFFF:
                vr = b"UN"
        else:
            vr = b"SQ"
            value = b"".join(_item(_encoded(item, syntax), syntax) for item in element.value)
        parts.append(syntax.element(element.tag, vr, value))
    return b"".join(parts)


def _item(content: bytes, syntax: Syntax) -> bytes:
    order = "little" if syntax.little else "big"
    return syntax.tag_bytes(ITEM) + len(content).to_bytes(4, order) + content  # type: ignore[arg-type]
