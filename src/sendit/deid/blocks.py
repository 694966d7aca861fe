"""Private creators stay exactly as long as something of their block does.

Whether it does is known only after the block, so the walk reports creators apart, and the
rewriting decides about them when the item that holds them is over.

DICOM: PS3.5 7.8.1 (reservation of blocks).
"""

from dataclasses import dataclass

from sendit.deid.rules import Note


@dataclass(frozen=True, slots=True)
class Creator:
    """In the place of a rule: a private creator, which goes if nothing of its block stays."""

    block: int
    note: Note


@dataclass(frozen=True, slots=True)
class InBlock:
    """In the place of a rule: a private sequence that stays, and with it its creator."""

    block: int
    note: Note


class CreatorsMet:
    """The creators met so far in what is open, and whether anything of their blocks stays."""

    def __init__(self) -> None:
        self._met: list[tuple[Creator, int, int]] = []
        self._needed: list[bool] = []
        self._last: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._met)

    def begin(self, creator: Creator, pos: int, stop: int) -> None:
        """Note a creator and where its element stands."""
        self._last[creator.block] = len(self._met)
        self._met.append((creator, pos, stop))
        self._needed.append(False)

    def need(self, block: int) -> None:
        """Keep the creator of this block, the last one of its level."""
        index = self._last.get(block)
        if index is not None:
            self._needed[index] = True

    def orphans(self, first: int) -> list[tuple[Creator, int, int]]:
        """Return those from ``first`` on of which nothing stays, and forget all of these."""
        found = [
            met
            for met, needed in zip(self._met[first:], self._needed[first:], strict=True)
            if not needed
        ]
        for creator, _, _ in self._met[first:]:
            self._last.pop(creator.block, None)
        del self._met[first:], self._needed[first:]
        return found
