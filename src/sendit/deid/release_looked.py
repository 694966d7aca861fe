"""Remember which elements were looked at, so that each is looked at once."""

from collections.abc import Set

from sendit.deid.release_content import Element, Level

_MOST_BASES = 1 << 8


class Looked:
    """The elements that were looked at; they become more, never fewer."""

    def __init__(self) -> None:
        self._elements: set[Element] = set()
        self._left: dict[int, tuple[Level, frozenset[Element]]] = {}
        """What was left of a base when one of its levels was looked at last."""

    def add(self, *elements: Element) -> None:
        """Remember elements that were looked at."""
        self._elements.update(elements)

    def new_in(self, level: Level) -> Set[Element]:
        """Return the elements of a level that were not looked at."""
        base = level.base
        if base is None:
            return level.elements() - self._elements
        if len(self._left) > _MOST_BASES:
            self._left.clear()
        # The base is kept beside what is left of it, so its id is nobody else's.
        _, left = self._left.get(id(base)) or (base, base.elements())
        left = left - self._elements
        self._left[id(base)] = base, left
        return left | (frozenset(level.own) - self._elements)
