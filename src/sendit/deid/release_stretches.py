"""Remember stretches of elements that stand in slice after slice, to read them at once.

The headers of one series are the same but for a dozen elements.  What an element of the main
data set says depends on its own bytes and on the encoding alone; so where the bytes of a
stretch stand again, they are the elements that they were.  This saves time and changes
nothing: a byte that differs is read as if nothing had been remembered.

Which stretches are worth it is told by two headers of one series (``release_reader``).
"""

from collections.abc import Iterable, Iterator, Set
from typing import NamedTuple

from sendit.deid.release_content import Element, Level

LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_LONG = frozenset(int.from_bytes(vr, "big") for vr in LONG_VRS)
_ITEMS = 0xFFFE
_MOST_HEADS = 1 << 16
_MOST_HELD_BYTES = 1 << 20
_MOST_ALIKE = 32
"""Stretches that begin alike and are tried one after another: some for each series under way."""
_MOST_BASES = 64
_LEAST_ELEMENTS = 4
"""Fewer are read one by one as fast."""


class Span(NamedTuple):
    """What of a data set is no single leaf: a sequence, or a stretch that was remembered."""

    first: int
    """How many leaves stand before it."""
    begin: int
    end: int
    stretch: Level | None = None

    @property
    def last(self) -> int:
        """Return how many leaves stand before what follows."""
        return self.first + (0 if self.stretch is None else len(self.stretch.leaves))


class Header(NamedTuple):
    """A data set up to its pixels, as it stands in a file and as it was read."""

    kind: str
    data: bytes
    begin: int
    end: int
    leaves: list[Element]
    spans: list[Span]

    def common(self, before: Set[Element]) -> Iterator[bytes]:
        """Yield stretches that another header may share, of which these are the elements."""
        first, at = 0, self.begin
        for span in self.spans:
            yield from self._runs(self.leaves[first : span.first], at, before)
            if span.stretch is None:
                yield self.data[span.begin : span.end]
            first, at = span.last, span.end
        yield from self._runs(self.leaves[first:], at, before)

    def _runs(self, leaves: Iterable[Element], at: int, before: Set[Element]) -> Iterator[bytes]:
        begin, count = at, 0
        for key, value in leaves:
            end = at + 8 + len(value)
            if self.kind != "i" and key & 0xFFFF in _LONG and key >> 32 != _ITEMS:
                end += 4
            count += 1
            if (key, value) not in before:
                if count > _LEAST_ELEMENTS:
                    yield self.data[begin:at]
                begin, count = end, 0
            at = end
        if count >= _LEAST_ELEMENTS:
            yield self.data[begin:at]


class Memory:
    """What was seen before in one encoding."""

    def __init__(self) -> None:
        self.heads: dict[bytes, tuple[int, int]] = {}
        """By raw bytes: the key, and the length of the value (-1: four bytes follow)."""
        self.plain: dict[bytes, tuple[int, int]] = {}
        """The same of plain elements (no sequence, nothing to swap) that begin no stretch, with
        the length of the whole element."""
        self._stretches: dict[bytes, list[tuple[bytes, Level]]] = {}
        """By how they begin: their bytes, and what was read from these."""
        self._bases: dict[tuple[object, ...], Level] = {}
        """By the marks of stretches: what they hold together."""
        self._held_bytes = 0

    def make_room(self) -> None:
        """Forget everything when it has become much."""
        if len(self.heads) > _MOST_HEADS or self._held_bytes > _MOST_HELD_BYTES:
            for memory in (self.heads, self.plain, self._stretches, self._bases):
                memory.clear()
            self._held_bytes = 0

    def find(self, data: bytes, at: int) -> tuple[bytes, Level] | None:
        """Return a stretch that stands at a place of a main data set."""
        for stretch in self._stretches.get(data[at : at + 8], ()):
            if data.startswith(stretch[0], at):
                return stretch
        return None

    def remember(self, raw: bytes, level: Level) -> None:
        """Keep a stretch for the files to come."""
        self.make_room()
        alike = self._stretches.setdefault(raw[:8], [])
        alike.insert(0, (raw, level))
        self._held_bytes += len(raw)
        if len(alike) > _MOST_ALIKE:
            self._held_bytes -= len(alike.pop()[0])
        self.plain.pop(raw[:8], None)

    def share(self, level: Level, spans: Iterable[Span]) -> None:
        """Build a level on what its stretches hold together."""
        stretches, own, at = list[Level](), list[Element](), 0
        for span in spans:
            if span.stretch is not None and span.stretch.leaves:
                stretches.append(span.stretch)
                own += level.leaves[at : span.first]
                at = span.last
        own += level.leaves[at:]
        marks = tuple(stretch.mark for stretch in stretches)
        if (base := self._bases.get(marks)) is None:
            if len(self._bases) >= _MOST_BASES:
                self._bases.clear()
            leaves = [leaf for stretch in stretches for leaf in stretch.leaves]
            base = self._bases[marks] = Level(leaves, mark=object())
        level.build_on(base, own)
