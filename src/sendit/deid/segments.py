"""Read a data set from a source in stretches that fit in memory, pixels left where they are.

A header is read in one go and grows when an element reaches beyond it.  Pixel data and other
long values that nobody needs to see become ranges of the source; the walk goes on behind
them.  So a file of any size costs the memory of its header.

DICOM: PS3.5 A.4 (encapsulated pixel data: items, the first one the offset table).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sendit.deid.files import Source
from sendit.deid.syntax import UNDEFINED, damaged_text
from sendit.deid.walk import walk
from sendit.deid.walk_plan import BULK, KEEP, Plan, Slot, Walked
from sendit.errors import Unreadable
from sendit.terms import Reason

FIRST_READ: Final = 1 << 16
MAX_HEADER: Final = 1 << 29
"""Bytes of header that are held in memory at most; more is no header."""
MAX_FRAGMENTS: Final = 100_000
"""Fragments of pixels that hold little; what has more has to be as large…"""
BYTES_A_FRAGMENT: Final = 256
"""… as pictures make it."""


@dataclass(frozen=True, slots=True)
class Bulk:
    """A value that stays in the source."""

    slot: Slot
    position: int
    """Of the element, in its segment."""
    offset: int
    """Of the value, in the source."""
    length: int
    """All bytes behind the element's header, delimiters included."""
    fragments: tuple[tuple[int, int], ...] | None
    """Offset and length of each fragment when encapsulated, else None; the first fragment is
    the basic offset table."""


@dataclass(slots=True)
class Segment:
    """A stretch of header, and what stands behind it."""

    offset: int
    """Where it begins in the source."""
    data: bytes
    found: Walked
    bulk: Bulk | None = None


@dataclass(slots=True)
class Scan:
    """A whole data set."""

    segments: list[Segment]
    repairs: list[str]

    @property
    def disorder(self) -> bool:
        """Return whether an attribute does not stand behind all smaller ones."""
        return any(segment.found.disorder >= 0 for segment in self.segments)


def scan(
    source: Source, start: int, plan: Plan, *, drops: Callable[[Any], bool] = lambda _: False
) -> Scan:
    """Walk the data set of ``source`` from ``start`` to the end.

    Parameters
    ----------
    drops
        Whether a rule removes its element whatever the value; such values are never read.

    Raises
    ------
    sendit.errors.Unreadable
        ``TRUNCATED``, ``MALFORMED`` or ``TOO_LARGE``.
    """
    result = Scan([], [])
    offset, last = start, -1
    current: Plan = plan
    while offset < source.size:
        segment = _segment(source, offset, current, last=last, drops=drops)
        if segment is None:
            result.repairs.append("trailing-zeros")
            break
        result.segments.append(segment)
        found = segment.found
        if plan.memory is not None and offset == start:
            plan.memory.learn(plan, segment.data, found)
        if found.padding >= 0:
            result.repairs.append("trailing-zeros")
        if segment.bulk is None:
            break
        offset = segment.bulk.offset + segment.bulk.length
        last = found.last
        current = found.plan or current
    return result


def _segment(
    source: Source, offset: int, plan: Plan, *, last: int, drops: Callable[[Any], bool]
) -> Segment | None:
    """Walk from ``offset`` to the next bulk value or the end; None if only zeros are left."""
    limit = source.size - offset
    data = source.read(offset, FIRST_READ)
    if last >= 0 and not data.strip(b"\0") and _only_zeros(source, offset):
        return None
    while True:
        found = walk(data, 0, limit, plan, last=last)
        if found.stopped_at is None:
            if not found.wants:
                content = data if found.padding < 0 else data[: found.padding]
                return Segment(offset, content, found)
        else:
            slot, position, start, length = found.stopped_at
            if slot.kind == BULK:
                return _before_bulk(source, offset, data, found)
            if slot.kind == KEEP and not length & 1:
                bulk = Bulk(slot, position, offset + start, length, None)
                return Segment(offset, data[:start], found, bulk)
            if slot.child is None and drops(slot.rule):
                found.events.append((slot.rule, position, start, start))
                bulk = Bulk(slot, position, offset + start, length, None)
                return Segment(offset, data[:start], found, bulk)
        data = _grown(source, offset, data, wanted=found.wants)


def _grown(source: Source, offset: int, data: bytes, *, wanted: int) -> bytes:
    size = max(wanted + FIRST_READ, 4 * len(data))
    if wanted > MAX_HEADER:
        raise Unreadable(Reason.TOO_LARGE, "the header does not fit in memory")
    more = source.read(offset + len(data), min(size, MAX_HEADER) - len(data))
    if not more:
        raise Unreadable(Reason.TRUNCATED, "the file became shorter while it was read")
    return data + more


def _before_bulk(source: Source, offset: int, data: bytes, found: Walked) -> Segment:
    """Measure pixel data and return the segment that ends before its value."""
    assert found.stopped_at is not None  # noqa: S101 - the caller looked
    slot, position, start, length = found.stopped_at
    value_offset = offset + start
    if length != UNDEFINED:
        if value_offset + length > source.size:
            raise Unreadable(Reason.TRUNCATED, f"{damaged_text(slot.tag)} is longer than the file")
        bulk = Bulk(slot, position, value_offset, length, None)
    else:
        fragments, total = _fragments(source, value_offset, slot.tag)
        bulk = Bulk(slot, position, value_offset, total, fragments)
    return Segment(offset, data[:start], found, bulk)


def _fragments(source: Source, offset: int, tag: int) -> tuple[tuple[tuple[int, int], ...], int]:
    """Return the fragments from ``offset`` on and the length with the closing delimiter."""
    fragments: list[tuple[int, int]] = []
    most = MAX_FRAGMENTS + source.size // BYTES_A_FRAGMENT
    pos = offset
    while True:
        head = source.read(pos, 8)
        if len(head) < 8:
            raise Unreadable(Reason.TRUNCATED, f"{damaged_text(tag)} has no end")
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"\xfe\xff\xdd\xe0":
            return tuple(fragments), pos + 8 - offset
        if head[:4] != b"\xfe\xff\x00\xe0" or length == UNDEFINED:
            raise Unreadable(
                Reason.MALFORMED, f"{damaged_text(tag)} has no fragment where one must be"
            )
        if pos + 8 + length > source.size:
            raise Unreadable(Reason.TRUNCATED, f"{damaged_text(tag)} is longer than the file")
        if len(fragments) >= most:
            raise Unreadable(
                Reason.TOO_LARGE, f"{damaged_text(tag)} has more than {most} fragments"
            )
        fragments.append((pos + 8, length))
        pos += 8 + length


def _only_zeros(source: Source, offset: int) -> bool:
    while block := source.read(offset, 1 << 20):
        if block.strip(b"\0"):
            return False
        offset += len(block)
    return True
