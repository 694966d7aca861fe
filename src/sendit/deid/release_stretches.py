"""Remember stretches of elements that stand in slice after slice, to read them at once.

The headers of one series are the same but for a dozen elements.  Where the bytes of a stretch
stand again they are the same elements again, for what an element of the main data set says
depends on its own bytes and on the encoding alone.  So this saves time and changes nothing: it
judges nothing, and a byte that differs is read as if nothing had been remembered.

Which stretches are worth it is told by two headers of one series (``release_reader``).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sendit.deid.release_content import Element, Key, Level

_MOST_HEADS = 1 << 16
_MOST_HELD_BYTES = 1 << 20
_MOST_CANDIDATES = 8
"""Stretches that begin alike and are tried one after another: one for each series under way."""
_MOST_BASES = 64
LEAST_ELEMENTS = 4
"""Fewer are read one by one as fast."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring elements of a main data set: their bytes, and what was read from them."""

    raw: bytes = field(repr=False)
    level: Level
    """It is shared by all contents that were read from it; nobody adds to it."""


class Memory:
    """What was seen before in one encoding."""

    def __init__(self) -> None:
        self.heads: dict[bytes, tuple[Key, int]] = {}
        """By raw bytes: the key, and the length of the value (-1: four bytes follow)."""
        self.plain: dict[bytes, tuple[Key, int]] = {}
        """The same of plain elements (no sequence, nothing to swap) that begin no stretch, with
        the length of the whole element."""
        self._beginning: dict[bytes, list[Stretch]] = {}
        self._bases: dict[tuple[object, ...], Level] = {}
        """By the marks of stretches: what they hold together."""
        self._held_bytes = 0

    def make_room(self) -> None:
        """Forget everything when it has become much."""
        if len(self.heads) > _MOST_HEADS or self._held_bytes > _MOST_HELD_BYTES:
            for memory in (self.heads, self.plain, self._beginning, self._bases):
                memory.clear()
            self._held_bytes = 0

    def stretch(self, data: bytes, at: int) -> Stretch | None:
        """Return a stretch that stands in the data of a main data set at that place."""
        for stretch in self._beginning.get(data[at : at + 8], ()):
            if data.startswith(stretch.raw, at):
                return stretch
        return None

    def remember(self, stretches: Iterable[Stretch]) -> None:
        """Keep stretches for the files to come."""
        self.make_room()
        for stretch in stretches:
            head = stretch.raw[:8]
            alike = self._beginning.setdefault(head, [])
            if all(stretch.raw != one.raw for one in alike):
                alike.insert(0, stretch)
                self._held_bytes += len(stretch.raw)
                self._held_bytes -= sum(len(one.raw) for one in alike[_MOST_CANDIDATES:])
                del alike[_MOST_CANDIDATES:]
            self.plain.pop(head, None)

    def share(self, level: Level, taken: list[tuple[int, Level]]) -> None:
        """Build a level on what its stretches hold together."""
        own, at = list[Element](), 0
        for begin, stretch in taken:
            own += level.leaves[at:begin]
            at = begin + len(stretch.leaves)
        own += level.leaves[at:]
        marks = tuple(stretch.mark for _, stretch in taken)
        if (base := self._bases.get(marks)) is None:
            if len(self._bases) >= _MOST_BASES:
                self._bases.clear()
            leaves = [leaf for _, stretch in taken for leaf in stretch.leaves]
            base = self._bases[marks] = Level(leaves, mark=object())
        level.build_on(base, own)
