"""New header bytes from rules and unchanged slices.

The walk says where elements that matter stand; here each one's rule is asked (or its
remembered answer taken), changes are collected as edits, the lengths of the sequences and
items around them corrected, and everything between two edits is copied as one slice.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

from sendit.deid.blocks import Creator, CreatorsMet, InBlock
from sendit.deid.rules import Context, Note, Rule
from sendit.deid.segments import Segment
from sendit.deid.syntax import Syntax
from sendit.deid.walk_plan import CLOSE, OPEN, Event, Stretch
from sendit.errors import Unreadable
from sendit.terms import Reason

ODD_LENGTH: Final = Note("", "", "repair:odd-length")
PADDED_WITH_NUL: Final = frozenset((b"UI", b"OB", b"UN", b""))

Edit: TypeAlias = tuple[int, int, bytes]
"""(start, stop, what stands there instead)."""


def edits_of(
    data: bytes, events: Sequence[Event], rules: Sequence[Rule], syntax: Syntax, context: Context
) -> tuple[list[Edit], list[Note]]:
    """Apply the rules of what a walk over ``data`` reported.

    Returns
    -------
    tuple
        The edits in order of position, and what to report.
    """
    edits: list[Edit] = []
    notes: list[Note] = []
    memos = context.memos
    while len(memos) < len(rules):
        memos.append({})
    # Length's position, length, growth outside, private creators met outside.
    open_containers: list[tuple[int, int, int, int]] = []
    creators = CreatorsMet()
    growth = 0
    new: bytes | None
    note: Note | None
    for rule, pos, start, stop in events:
        if type(rule) is not Rule:
            if type(rule) is Stretch:
                new, told = _of_stretch(rule, rules, syntax, context)
                notes += told
                if new is not None:
                    edits.append((pos, stop, new))
            elif rule is None:
                new = _padded(data, pos, start, stop, syntax)
                edits.append((pos, stop, new))
                growth += len(new) - (stop - pos)
                notes.append(ODD_LENGTH)
            elif rule is OPEN:
                open_containers.append((pos, start, growth, len(creators)))
                growth = 0
            elif rule is CLOSE:
                where, length, outside, met = open_containers.pop()
                growth += _remove(creators.orphans(met), edits, notes)
                if growth:
                    new_length = (length + growth).to_bytes(4, "little" if syntax.little else "big")
                    edits.append((where, where + 4, new_length))
                growth += outside
            elif type(rule) is Creator:
                creators.begin(rule, pos, stop)
            elif type(rule) is InBlock:
                creators.need(rule.block)
                notes.append(rule.note)
            continue
        if rule.fixed is not None:
            new, note = rule.fixed
        elif rule.conceptual:
            # Depends on the content item that it stands in, so it is not remembered.
            new, note = rule.act(rule, data[start:stop], context)
        else:
            value = data[start:stop]
            answer = memos[rule.index].get(value)
            if answer is None:
                answer = context.ask(rule.act, rule, value)
                context.remember(rule, value, answer)
            elif answer.cost:
                context.count(answer)
            new, note = answer.new, answer.note
        if new is None and stop - start & 1:
            new = _padded(data, pos, start, stop, rule.syntax)
            notes.append(ODD_LENGTH)
        if new is not None:
            edits.append((pos, stop, new))
            growth += len(new) - (stop - pos)
        if note is not None:
            notes.append(note)
        if rule.block and new != b"":
            creators.need(rule.block)
    _remove(creators.orphans(0), edits, notes)
    edits.sort(key=_position)
    return edits, notes


def _of_stretch(
    stretch: Stretch, rules: Sequence[Rule], syntax: Syntax, context: Context
) -> tuple[bytes | None, Sequence[Note]]:
    """Return what stands in the place of a stretch (None: it stays), and what to report."""
    found = context.stretches.get(stretch)
    if found is None:
        left = context.text_left
        edits, notes = edits_of(stretch.data, stretch.events, rules, syntax, context)
        new = b"".join(assemble(stretch.data, edits)) if edits else None
        context.stretches[stretch] = new, notes, left - context.text_left
        return new, notes
    new, told, cost = found
    if cost:
        context.spend(cost)
    return new, told


def _remove(
    creators: Sequence[tuple[Creator, int, int]], edits: list[Edit], notes: list[Note]
) -> int:
    """Remove creators; return by how much what holds them grows (not at all or less)."""
    for creator, pos, stop in creators:
        edits.append((pos, stop, b""))
        notes.append(creator.note)
    return -sum(stop - pos for _, pos, stop in creators)


def assemble(data: bytes, edits: Sequence[Edit]) -> list[bytes | memoryview]:
    """Return the new header as a list of slices and replacements."""
    view = memoryview(data)
    pieces: list[bytes | memoryview] = []
    done = 0
    for start, stop, new in edits:
        if start > done:
            pieces.append(view[done:start])
        if new:
            pieces.append(new)
        done = stop
    if done < len(data):
        pieces.append(view[done:])
    return pieces


def insertion(position: int, content: bytes) -> Edit:
    """Return an edit that adds elements before ``position``."""
    return position, position, content


def _position(edit: Edit) -> tuple[int, int]:
    return edit[0], edit[1]


def _padded(data: bytes, pos: int, start: int, stop: int, syntax: Syntax) -> bytes:
    """Return the element with one byte more, since lengths must be even (PS3.5 7.1.1)."""
    length = stop - start + 1
    vr = data[pos + 4 : pos + 6] if syntax.explicit else b""
    pad = b"\0" if vr in PADDED_WITH_NUL else b" "
    if syntax.explicit and start - pos == 8:
        if length > 0xFFFF:
            raise Unreadable(Reason.MALFORMED, "a value of odd length cannot be made even")
        head = data[pos : pos + 6] + length.to_bytes(2, "little" if syntax.little else "big")
    else:
        head = data[pos : start - 4] + length.to_bytes(4, "little" if syntax.little else "big")
    return head + data[start:stop] + pad


def top_position(segment: Segment, tag: int, syntax: Syntax) -> int:
    """Return where an element of the outermost level has to be inserted, -1 if further behind."""
    tops, data = segment.found.tops, segment.data
    low, high = 0, len(tops)
    while low < high:
        middle = (low + high) // 2
        if syntax.tag_at(data, tops[middle]) < tag:
            low = middle + 1
        else:
            high = middle
    return tops[low] if low < len(tops) else -1
