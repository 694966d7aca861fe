"""Draw compressed *results* one after the other in a child process that is kept between them.

Starting a child costs half a second, a picture a few hundredths of it: whoever scrolls through
a series does not wait for a child each time.  The child ends by itself when a picture takes too
long, when nobody has asked for one in a while, and when the process that started it is gone;
then the next picture starts another.

Only for results: what an original leaves in the memory of a codec must not come near another
picture, so those have a child each (``isolated``).
"""

import atexit
import json
import signal
import subprocess
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from sendit.deid.pixels.frame import Wanted
from sendit.deid.pixels.isolated import START, Picture, order_of, parse, start_child

KEPT = timedelta(minutes=2)
"""How long a child waits for the next picture."""
_TRIES = 2


class KeptDrawer:
    """One child, for one picture at a time; threads wait for each other."""

    def __init__(self, *, kept: timedelta = KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def draw(self, source: Path, *, wanted: Wanted, time_limit: timedelta) -> Picture:
        """Draw one frame of one instance."""
        with self._lock:
            for _ in range(_TRIES):
                picture = self._asked(source, wanted=wanted, time_limit=time_limit)
                if picture is not None:
                    return picture
            return Picture(None, "the decoder crashed")

    def close(self) -> None:
        """End the child, if there is one."""
        with self._lock:
            self._end()

    def _asked(self, source: Path, *, wanted: Wanted, time_limit: timedelta) -> Picture | None:
        """Return the picture; None when the child had just ended since nobody asked."""
        child = self._running()
        assert child.stdin is not None  # noqa: S101 - both are pipes
        assert child.stdout is not None  # noqa: S101
        order = order_of([source], time_limit=time_limit, wanted=wanted, kept=self._kept)
        # The child ends itself in time; this is for one that never comes to look at the clock.
        guard = threading.Timer((START + time_limit).total_seconds(), child.kill)
        guard.start()
        try:
            child.stdin.write(json.dumps(order).encode() + b"\n")
            child.stdin.flush()
            head = child.stdout.readline()
            size = json.loads(head)[0] if head else 0
            drawn = parse(head + child.stdout.read(size)) if head else []
        except (OSError, ValueError):  # it ended while it read or wrote
            drawn = []
        finally:
            guard.cancel()
        if drawn:
            return drawn[0]
        self._end()
        if child.returncode == 0:
            return None
        slow = child.returncode == -signal.SIGALRM
        return Picture(None, "the decoder took too long" if slow else "the decoder crashed")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is not None:
            self._end()
        if self._child is None:
            self._child = start_child()
            atexit.register(self._end)
        return self._child

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        atexit.unregister(self._end)
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                # It may be gone before it could read what was meant for it.
                with suppress(OSError):
                    pipe.close()
        try:
            child.wait(timeout=1)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
