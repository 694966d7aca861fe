"""Remember which elements were looked at, so that each is looked at once."""

from collections.abc import Set

from sendit.deid.release_content import Element, Level

_MOST_STRETCHES = 1 << 10


class Looked:
    """The elements that were looked at; they become more, never fewer."""

    def __init__(self) -> None:
        self._elements: set[Element] = set()
        self._left: dict[int, tuple[Level, Set[Element]]] = {}
        """What was left to look at of a stretch when it stood somewhere last."""

    def add(self, *elements: Element) -> None:
        """Remember elements that were looked at."""
        self._elements.update(elements)

    def new_in(self, level: Level) -> Set[Element]:
        """Return the elements of a level that were not looked at."""
        if not level.stretches:
            return level.elements() - self._elements
        if len(self._left) > _MOST_STRETCHES:
            self._left.clear()
        new = set[Element]()
        for part in level.parts():
            if not part.is_stretch:
                new |= part.elements() - self._elements
                continue
            # The stretch is kept beside what is left of it, so its id is nobody else's.
            _, left = self._left.get(id(part)) or (part, part.elements())
            if left:
                left = left - self._elements
                new |= left
            self._left[id(part)] = part, left
        return new
