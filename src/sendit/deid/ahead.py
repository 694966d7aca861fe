"""Decide on the next image while a thread still writes the one before."""

from collections.abc import Callable, Generator, Iterable
from typing import Generic, TypeVar

from sendit.deid.engine import Steps
from sendit.deid.report import Report

T = TypeVar("T")


class _Image(Generic[T]):
    def __init__(self, item: T, steps: Steps) -> None:
        self.item = item
        self.steps = steps
        self._report: Report | None = None
        self._problem: Exception | None = None

    def advance(self) -> None:
        """Go on to the next pause; a problem is told when the image's turn comes."""
        if self._report is None and self._problem is None:
            try:
                next(self.steps)
            except StopIteration as end:
                self._report = end.value
            except Exception as error:  # noqa: BLE001 - raised by ``finish``
                self._problem = error

    def finish(self) -> Report:
        """Go to the end, and return the report or raise the problem."""
        while self._report is None:
            if self._problem is not None:
                raise self._problem
            self.advance()
        return self._report


def each_ahead(
    items: Iterable[T], start: Callable[[T], Steps]
) -> Generator[tuple[T, Callable[[], Report]], None, None]:
    """Yield each item, in order, with what finishes it and returns its report, or raises.

    Close this generator when you leave it: then nothing is left of what was begun.
    """
    before: _Image[T] | None = None
    image: _Image[T] | None = None
    try:
        for item in items:
            image = _Image(item, start(item))
            image.advance()
            if before is not None:
                yield before.item, before.finish
            before, image = image, None
        if before is not None:
            yield before.item, before.finish
    finally:
        for begun in (before, image):
            if begun is not None:
                begun.steps.close()
