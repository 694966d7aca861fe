"""SIGINT and SIGTERM as a request to stop, heard between two steps."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from types import FrameType


@dataclass(slots=True)
class StopRequest:
    """Set when somebody asks the program to end."""

    stop: Event = field(default_factory=Event)
    interrupted: bool = False
    """It was asked from the keyboard."""


@contextmanager
def until_stopped() -> Iterator[StopRequest]:
    """Turn the signals into a request until the block ends; a second SIGINT interrupts at once."""
    request = StopRequest()

    def hear(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if request.interrupted:
                raise KeyboardInterrupt
            request.interrupted = True
        request.stop.set()

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
