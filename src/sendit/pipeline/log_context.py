"""What is being worked on, for the log: set by whoever runs a stage, read by the log filter.

A context variable and not an argument: the lines that need it are written by rooms below,
which know neither batch nor stage (the engine, the targets).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from sendit.terms import Stage


@dataclass(frozen=True, slots=True)
class WorkingOn:
    """Numbers of the rows at hand; none of them identifies a person."""

    batch: int | None = None
    image: int | None = None
    stage: Stage | None = None


_NOTHING = WorkingOn()
_current: ContextVar[WorkingOn] = ContextVar("working_on", default=_NOTHING)


def current() -> WorkingOn:
    """Return what is being worked on in this thread, just now."""
    return _current.get()


@contextmanager
def working_on(
    *, batch: int | None = None, image: int | None = None, stage: Stage | None = None
) -> Iterator[None]:
    """Add to what is being worked on, until the block ends."""
    known = {"batch": batch, "image": image, "stage": stage}
    added = {name: value for name, value in known.items() if value is not None}
    token = _current.set(replace(_current.get(), **added))  # type: ignore[arg-type]  # same fields
    try:
        yield
    finally:
        _current.reset(token)
