"""How many requests one client may make: a bucket that fills up again, for each client."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

MOST_CLIENTS = 10_000
"""Remembered at a time; a client that was forgotten begins with a full bucket."""


class RateLimit:
    """Counts requests by client, in this process.

    Parameters
    ----------
    per_minute
        How many a client may make in a minute; so many at once, too, after a rest.
    clock
        Seconds, always forward.
    """

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._full = float(per_minute)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_seconds(self, client: str) -> int:
        """Count one request; return 0 when it may be made, else for how long to wait."""
        with self._lock:
            now = self._clock()
            left, then = self._buckets.pop(client, (self._full, now))
            left = min(self._full, left + (now - then) * self._full / 60)
            allowed = left >= 1
            self._buckets[client] = (left - 1 if allowed else left, now)
            while len(self._buckets) > MOST_CLIENTS:
                self._buckets.popitem(last=False)
        return 0 if allowed else int((1 - left) * 60 / self._full) + 1
