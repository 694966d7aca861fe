"""Remember which elements were looked at, so that each is looked at once."""

from collections.abc import Set

from sendit.deid.release_content import Element, Level

MOST_HELD_BYTES = 1 << 25
"""Bytes of values that are remembered as looked at; then the memory begins anew."""
OVERHEAD = 128
"""Bytes that a value costs beyond its own."""
_MOST_BASES = 1 << 8


class Looked:
    """The elements that were looked at; they become more, never fewer."""

    def __init__(self) -> None:
        self._elements: set[Element] = set()
        self._left: dict[object, frozenset[Element]] = {}
        """By the mark of a base: what of it was new last time."""

    def add(self, *elements: Element) -> None:
        """Remember elements that were looked at."""
        self._elements.update(elements)

    def new_in(self, level: Level) -> Set[Element]:
        """Return the elements of a level that were not looked at."""
        if level.base is None:
            return level.elements() - self._elements
        if len(self._left) > _MOST_BASES:
            self._left.clear()
        mark = level.base.mark
        left = self._left.get(mark, level.base.elements()) - self._elements
        self._left[mark] = left
        return left | (frozenset(level.own) - self._elements)
