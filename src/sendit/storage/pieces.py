"""Cut what comes block by block into pieces that are sent one by one, and sum it meanwhile."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self

_BEHIND = 8
"""Blocks that wait to be summed, at most; each is in memory."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of the bytes that become one object."""

    start: int
    """Where they begin in it."""
    blocks: tuple[bytes, ...] = field(repr=False)
    size: int
    is_last: bool


def regroup(
    blocks: Iterable[bytes],
    size: int,
    *,
    each: Callable[[bytes], object] = lambda _: None,
) -> Iterator[Piece]:
    """Return the same bytes in pieces of a size; at least one piece, maybe empty.

    ``each`` is given every block of a piece before the piece is whole, and none of the next
    piece before that is asked for: digests need not wait for a whole piece.
    """
    start, length = 0, 0
    waiting: list[bytes] = []

    def take(block: bytes) -> None:
        each(block)
        waiting.append(block)

    for block in blocks:
        rest = block
        while length + len(rest) > size:
            take(rest[: size - length])
            rest = rest[size - length :]
            yield Piece(start, _taken(waiting), size, is_last=False)
            start, length = start + size, 0
        take(rest)
        length += len(rest)
    yield Piece(start, _taken(waiting), length, is_last=True)


def _taken(blocks: list[bytes]) -> tuple[bytes, ...]:
    taken = tuple(blocks)
    blocks.clear()
    return taken


class SummedAside:
    """Sums blocks in a thread of its own, which is not far behind; all are summed at the end."""

    def __init__(self, update: Callable[[bytes], object]) -> None:
        self._update = update
        self._n_summed = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sendit-sum")
        self._waiting: deque[Future[object]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def passing(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Return the blocks and let them be summed; wait if too many are waiting for that.

        Every byte is summed once, however often the same blocks are made anew.
        """
        end = 0
        for block in blocks:
            begin, end = end, end + len(block)
            if end > self._n_summed:
                self._add(block[max(0, self._n_summed - begin) :])
                self._n_summed = end
            yield block

    def _add(self, block: bytes) -> None:
        self._waiting.append(self._thread.submit(self._update, block))
        if len(self._waiting) > _BEHIND:
            self._waiting.popleft().result()
