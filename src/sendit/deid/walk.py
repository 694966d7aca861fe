"""Walk the bytes of a data set, element by element, at every depth, without building a Dataset.

The walk decides nothing.  A ``Plan`` says for each attribute whether it is kept as it is,
reported, or entered; what comes back is the list of what was reported, with offsets.  The
same loop reads explicit and implicit VR in either byte order; deflated data sets are
inflated before.  Nesting is kept on a list, so depth costs memory, not the stack.

Whoever calls owns the buffer: when an element reaches beyond it, the walk says so and the
caller reads on (``segments.py``).

DICOM: PS3.5 7.1 (data elements), 7.5 (sequences), 6.2.2 (UN with sequences inside).
"""

import struct
from typing import Final, NamedTuple

from sendit.deid.syntax import UNDEFINED, damaged_text
from sendit.deid.walk_plan import (
    BULK,
    CLOSE,
    DELIMITER,
    ENTER,
    LONG_FORM,
    OPEN,
    SHORT_FORM,
    STRETCH,
    SWITCH,
    Event,
    Plan,
    ShortBuffer,
    Walked,
    Zeros,
)
from sendit.errors import Unreadable
from sendit.terms import Reason

MAX_DEPTH: Final = 100
"""Sequences inside sequences; structured reports of real life stay under 20."""
MAX_EVENTS: Final = 4_000_000
"""Reported elements of one data set; bounds memory for adversarial files."""

MAX_ITEMS: Final = 100_000
"""Items of one data set that hold little; what has more has to be as large…"""
BYTES_AN_ITEM: Final = 256
"""… as items that say something make it."""


class _Frame(NamedTuple):
    """What is put aside while the items of a sequence are walked."""

    end: int
    open_ended: bool
    plan: Plan
    last: int
    sequence_end: int
    sequence_open_ended: bool
    child: Plan | None
    after: Event | None


def walk(
    data: bytes, pos: int, limit: int, plan: Plan, *, last: int = -1, singly: bool = False
) -> Walked:
    """Walk a data set from ``pos`` on.

    Parameters
    ----------
    data
        The buffer; it may end before the data set does.
    limit
        Where the data set ends, in the buffer's offsets; may lie beyond the buffer.
    plan
        What to do at each element.
    last
        Tag before ``pos``, when the walk goes on behind pixels.
    singly
        Whether to walk every element, also where a stretch stands that was met before.

    Raises
    ------
    sendit.errors.Unreadable
        ``TRUNCATED`` when an element of the outermost level reaches beyond ``limit``,
        ``TOO_LARGE`` when there are more items than a file of its size can need,
        ``MALFORMED`` for everything else that cannot be.
    """
    # One long function on purpose: a call per element would double the cost of the engine.
    found = Walked()
    events, tops = found.events, found.tops
    have = len(data)
    stack: list[_Frame] = []
    pending: list[tuple[int, Event]] = []  # containers not announced yet: depth, event
    announced: list[bool] = []  # for each open container with a defined length
    items, most_items = 0, MAX_ITEMS + limit // BYTES_AN_ITEM
    explicit_key, u16, u32 = plan.syntax.key_width, plan.syntax.u16, plan.syntax.u32
    end, wall = limit, min(limit, have)
    item_open_ended = False
    sequence_end, sequence_open_ended, child, after = 0, False, None, None

    def announce() -> None:
        for index, event in pending:
            events.append(event)
            announced[index] = True
        pending.clear()

    try:
        while True:
            entered = False
            while pos < end:
                slot = plan[data[pos : pos + explicit_key]]
                tag, kind, form, rule, inner = slot
                if kind == STRETCH:
                    stretches, slot = rule
                    if not (stack or singly) and (
                        stretch := next((s for s in stretches if s.stands_at(data, pos)), None)
                    ):
                        if tag <= last and found.disorder < 0:
                            found.disorder = tag
                        stop = pos + len(stretch.data)
                        events.append((stretch, pos, pos, stop))
                        tops.extend(map(pos.__add__, stretch.tops))
                        found.remembered += len(stretch.tops)
                        pos, last, plan = stop, stretch.last, stretch.plan
                        continue
                    tag, kind, form, rule, inner = slot
                if form == SHORT_FORM:
                    length = u16(data, pos + 6)[0]
                    start = pos + 8
                elif form == LONG_FORM:
                    length = u32(data, pos + 8)[0]
                    start = pos + 12
                else:
                    length = u32(data, pos + 4)[0]
                    start = pos + 8
                if tag <= last and kind != DELIMITER and found.disorder < 0:
                    found.disorder = tag
                last = tag
                stop = start + length
                if not stack:
                    tops.append(pos)
                    if kind == BULK:
                        found.stopped_at = (slot, pos, start, length)
                        found.plan, found.last = plan, last
                        return found
                if length & 1 and length != UNDEFINED:
                    found.odd += 1
                if kind == DELIMITER:
                    if not item_open_ended:
                        raise Unreadable(Reason.MALFORMED, "an item ends that was not begun")
                    pos = start
                    break
                if kind == ENTER or length == UNDEFINED:
                    if inner is None:
                        raise Unreadable(Reason.MALFORMED, f"{damaged_text(tag)} has no length")
                    if length != UNDEFINED and stop > end:
                        raise _beyond(tag, nested=bool(stack))
                    if len(stack) >= MAX_DEPTH:
                        raise Unreadable(Reason.MALFORMED, f"more than {MAX_DEPTH} levels deep")
                    if not stack and length != UNDEFINED and stop > have:
                        found.stopped_at = (slot, pos, start, length)
                        found.plan, found.last, found.wants = plan, last, stop
                        return found
                    outer = _Frame(
                        *(end, item_open_ended, plan, last),
                        *(sequence_end, sequence_open_ended, child, after),
                    )
                    stack.append(outer)
                    after = None if rule is None else (rule, pos, start, 0)
                    child = inner
                    sequence_open_ended = length == UNDEFINED
                    sequence_end = end if sequence_open_ended else stop
                    if not sequence_open_ended:
                        pending.append((len(announced), (OPEN, start - 4, length, 0)))
                        announced.append(False)
                    pos = start
                    entered = True
                    break
                if stop > wall:
                    if stop > end:
                        raise _beyond(tag, nested=bool(stack))
                    found.wants = stop
                    if not stack:
                        found.stopped_at = (slot, pos, start, length)
                        found.plan, found.last = plan, last
                    return found
                if kind:
                    if pending:
                        announce()
                    events.append((rule, pos, start, stop))
                    if kind == SWITCH:
                        plan = plan.after(tag, data[start:stop])
                elif length & 1:
                    if pending:
                        announce()
                    events.append((rule, pos, start, stop))
                pos = stop
            else:
                if item_open_ended:
                    raise Unreadable(Reason.MALFORMED, "an item has no end")
                if not stack:
                    found.plan, found.last = plan, last
                    return found
            if not entered:
                # An item is over.
                if not item_open_ended:
                    _close(events, pending, announced)
                if len(events) > MAX_EVENTS:
                    raise Unreadable(Reason.TOO_LARGE, f"has more than {MAX_EVENTS} elements")
            # Between items: the next one begins, or the sequence is over.
            if pos >= sequence_end and not sequence_open_ended:
                if pos > sequence_end:
                    raise Unreadable(Reason.MALFORMED, "an item is longer than its sequence")
                _close(events, pending, announced)
                over = True
            else:
                if pos + 8 > sequence_end:
                    raise _beyond(stack[-1].last, nested=True)
                marker = u16(data, pos)[0] << 16 | u16(data, pos + 2)[0]
                length = u32(data, pos + 4)[0]
                start = pos + 8
                over = marker == 0xFFFEE0DD and sequence_open_ended
                if over:
                    pos = start
                elif marker != 0xFFFEE000:
                    raise Unreadable(
                        Reason.MALFORMED, f"{damaged_text(stack[-1].last)} has no item"
                    )
            if over:
                if after is not None:
                    if pending:
                        announce()
                    events.append((after[0], after[1], after[2], pos))
                frame = stack.pop()
                end, item_open_ended, plan, last = frame[:4]
                sequence_end, sequence_open_ended, child, after = frame[4:]
            else:
                assert child is not None  # noqa: S101 - set on entering
                items += 1
                if items > most_items:
                    raise Unreadable(Reason.TOO_LARGE, f"has more than {most_items} items")
                item_open_ended = length == UNDEFINED
                end = sequence_end if item_open_ended else start + length
                if end > sequence_end:
                    raise _beyond(stack[-1].last, nested=True)
                if not item_open_ended:
                    pending.append((len(announced), (OPEN, pos + 4, length, 0)))
                    announced.append(False)
                plan, last = child, -1
                pos = end if child.opaque else start
            wall = min(end, have)
            explicit_key, u16, u32 = plan.syntax.key_width, plan.syntax.u16, plan.syntax.u32
    except (ShortBuffer, struct.error) as error:
        if have >= limit:
            if found.tops and not stack and not data[pos:limit].strip(b"\0"):
                found.plan, found.last, found.padding = plan, last, pos
                return found
            if isinstance(error, Zeros):
                raise Unreadable(Reason.MALFORMED, f"{damaged_text(0)} has no value") from None
            raise Unreadable(Reason.TRUNCATED, "the file ends inside an element") from None
        found.wants = have + 1
        found.stopped_at = None
        return found


def _close(events: list[Event], pending: list[tuple[int, Event]], announced: list[bool]) -> None:
    """Leave a container with a defined length; one that held nothing to report left no trace."""
    if announced.pop():
        events.append((CLOSE, 0, 0, 0))
    else:
        pending.pop()


def _beyond(tag: int, *, nested: bool) -> Unreadable:
    if nested:
        return Unreadable(Reason.MALFORMED, f"{damaged_text(tag)} is longer than what holds it")
    return Unreadable(Reason.TRUNCATED, f"{damaged_text(tag)} is longer than the file")
