"""Remember stretches of elements that come again: headers of one series are nearly the same.

What stood byte for byte in a header before, under the same plan, means the same again, so the
walk steps over it at once and whoever rewrites or reads it takes the answer of the first time
(:class:`~sendit.deid.walk_plan.Stretch`).  Only elements of the outermost data set are remembered,
those of a private group together with its creators and as long as there are no more of them, and
none that is understood by what stands before it.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any, Final

from sendit.deid.walk import walk
from sendit.deid.walk_plan import STRETCH, Mark, Plan, Slot, Stretch, Walked

LEAST_ELEMENTS: Final = 3
"""Fewer are walked as fast."""
MAX_CANDIDATES: Final = 4
"""Stretches that begin alike."""
MAX_STRETCHES: Final = 512
MAX_BYTES: Final = 1 << 21
"""Of all stretches of one memory; then it begins anew."""
MAX_SHAPES: Final = 8
"""Headers that are kept to compare the next one with."""
MAX_HEADER: Final = 1 << 18
"""Bytes of a header beyond which it is no slice's."""
PATIENCE: Final = 8
"""Headers in a row of which little came again; from then on two of so many are looked at."""


class Stretches:
    """Learns what comes again from one header to the next.

    Parameters
    ----------
    lasts
        Whether what is done at a reported element depends on nothing around it.
    breaks
        Tags before which something may be inserted; no stretch goes on across them.
    """

    def __init__(self, lasts: Callable[[Any], bool], breaks: Sequence[int] = ()) -> None:
        self._lasts = lasts
        self._breaks = sorted(breaks)
        self._before: dict[int, tuple[bytes, list[int]]] = {}
        self._made: list[tuple[Plan, bytes]] = []
        self._held_bytes = 0
        self._strange = 0

    def learn(self, plan: Plan, data: bytes, found: Walked, /) -> None:
        """Compare a header with the last one that has as many elements."""
        count = len(found.tops)
        if 2 * found.remembered > count:
            self._strange = 0
            return
        self._strange += 1
        if found.odd or found.disorder >= 0 or found.padding >= 0 or len(data) > MAX_HEADER:
            return
        if self._strange > PATIENCE and self._strange % PATIENCE > 1:
            return
        before = self._before.pop(count, None)
        if len(self._before) >= MAX_SHAPES:
            self._before.clear()
        self._before[count] = data, found.tops
        if before is not None:
            self._compare(plan, data, found, before)

    def _compare(
        self, plan: Plan, data: bytes, found: Walked, before: tuple[bytes, list[int]]
    ) -> None:
        seen = set(_elements(*before))
        last = -1
        for start, stop, elements in self._parts(plan, data, found, seen):
            piece = data[start:stop]
            walked = walk(piece, 0, len(piece), plan, last=last, singly=True)
            after = walked.plan or plan
            if elements >= LEAST_ELEMENTS:
                group = piece[walked.tops[-1] :][:2] if walked.last >> 16 & 1 else b""
                stretch = Stretch(
                    piece, tuple(walked.tops), tuple(walked.events), walked.last, after, group
                )
                self._remember(plan, stretch)
            plan, last = after, walked.last

    def _parts(
        self, plan: Plan, data: bytes, found: Walked, seen: set[bytes]
    ) -> Iterator[tuple[int, int, int]]:
        """Yield where each part of a header begins and ends, and how many elements last in it.

        The last element is in none; it may be of pixels.
        """
        tops = found.tops
        barred = {
            bisect_right(tops, pos) - 1
            for rule, pos, _, _ in found.events
            if not isinstance(rule, Mark | Stretch) and not self._lasts(rule)
        }
        tags = [plan.syntax.tag_at(data, top) for top in tops]
        lasting = [
            one in seen and index not in barred for index, one in enumerate(_elements(data, tops))
        ]
        lasting[-1] = False
        for first, behind in _private_groups(tags):
            if not all(lasting[first:behind]):
                lasting[first:behind] = [False] * (behind - first)
        sections = [bisect_right(self._breaks, tag) for tag in tags]
        begin = 0
        for index, (one, other) in enumerate(
            pairwise(zip(lasting, sections, strict=True)), start=1
        ):
            if one != other:
                yield tops[begin], tops[index], (index - begin) * lasting[begin]
                begin = index

    def _remember(self, plan: Plan, stretch: Stretch) -> None:
        if len(self._made) >= MAX_STRETCHES or self._held_bytes > MAX_BYTES:
            self._forget()
        head = stretch.data[: plan.syntax.key_width]
        slot = plan[head]
        if slot.kind != STRETCH:
            slot = plan[head] = Slot(slot.tag, STRETCH, slot.form, ([], slot))
        stretches: list[Stretch] = slot.rule[0]
        if all(stretch.data != other.data for other in stretches):
            stretches.insert(0, stretch)
            del stretches[MAX_CANDIDATES:]
            self._made.append((plan, head))
            self._held_bytes += len(stretch.data)

    def _forget(self) -> None:
        for plan, head in self._made:
            slot = plan.get(head)
            if slot is not None and slot.kind == STRETCH:
                plan[head] = slot.rule[1]
        self._made.clear()
        self._held_bytes = 0


def _elements(data: bytes, tops: Sequence[int]) -> Iterator[bytes]:
    for start, stop in pairwise((*tops, len(data))):
        yield data[start:stop]


def _private_groups(tags: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield of each private group the index of its first element and the one behind its last."""
    index = 0
    for group, members in groupby(tags, key=lambda tag: tag >> 16):
        behind = index + sum(1 for _ in members)
        if group & 1:
            yield index, behind
        index = behind
