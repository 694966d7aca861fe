"""Ask whether a mounted file system answers, without ever waiting for it.

A process that looks into a network mount whose server is gone sleeps in the kernel, and not
even SIGKILL ends it.  So a child looks for us, and is left behind when it does not come back.
Each child holds an abstract socket whose name says which mount it asks, and since when.  So
whoever asks next, in whatever process, sees that one has been there for long, and sends none.

Which paths lie on such mounts is for ``mounts`` to say.
"""

import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PATIENCE_SECONDS = 5.0
"""A file system that takes longer does not answer."""
FRESH_SECONDS = 5.0
"""So long it counts that a mount has answered."""
STALE_SECONDS = 1.0
"""And so long that it has not."""
SOCKETS = Path("/proc/net/unix")
_LOOK_SECONDS = 0.005
# The state of a whole file system is not cached: the server is asked.
_ASK = "import os,sys\ntry: os.statvfs(sys.argv[1])\nexcept OSError: pass"


@dataclass(frozen=True, slots=True)
class _Known:
    answers: bool
    until: float


_known: dict[Path, _Known] = {}
"""What was asked a moment ago; a start of this process asks a mount once, not for each path."""
_left_behind: list["subprocess.Popen[bytes]"] = []
"""Children that did not come back; looked at again so that they are buried when they do."""


class Question:
    """One question to one mount, whose answer comes, or does not, while we do other things."""

    def __init__(self, point: Path) -> None:
        self._point = point
        self._until = time.monotonic() + PATIENCE_SECONDS
        self._child: subprocess.Popen[bytes] | None = None

    def answer(self) -> bool | None:
        """Return whether the mount answers; None: not known yet."""
        now = time.monotonic()
        known = _known.get(self._point)
        if known is not None and now < known.until:
            return known.answers
        if self._child is None:
            asked = _asked_since(self._point)
            if asked is None:
                self._child = _send_child(self._point)
            elif asked < now - PATIENCE_SECONDS:
                return self._keep(answers=False)
        if self._child is not None and self._child.poll() is not None:
            return self._keep(answers=True)
        if now < self._until:
            return None
        if self._child is not None:
            self._child.kill()
            _left_behind.append(self._child)
        return self._keep(answers=False)

    def _keep(self, *, answers: bool) -> bool:
        self._child = None
        seconds = FRESH_SECONDS if answers else STALE_SECONDS
        _known[self._point] = _Known(answers, time.monotonic() + seconds)
        return answers


def silent(points: Iterable[Path]) -> set[Path]:
    """Ask several mounts at once and return those that do not answer."""
    open_questions = {point: Question(point) for point in points}
    found: set[Path] = set()
    while open_questions:
        for point, question in list(open_questions.items()):
            answer = question.answer()
            if answer is not None:
                del open_questions[point]
            if answer is False:
                found.add(point)
        if open_questions:
            time.sleep(_LOOK_SECONDS)
    return found


def _asked_since(point: Path) -> float | None:
    """Return since when somebody's child asks a mount, on the clock that nobody sets."""
    start = f"@{_name(point)}"
    try:
        lines = SOCKETS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    names = [line.rpartition(" ")[2] for line in lines if start in line]
    return min((int(name.rpartition("-")[2]) / 1000 for name in names), default=None)


def _send_child(point: Path) -> "subprocess.Popen[bytes]":
    _left_behind[:] = [child for child in _left_behind if child.poll() is None]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as name:
        # Taken already: another thread sends one at this moment, and either's answer counts.
        with suppress(OSError):
            name.bind(f"\0{_name(point)}{time.monotonic() * 1000:.0f}")
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _ASK, os.fspath(point)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            pass_fds=(name.fileno(),),
        )


def _name(point: Path) -> str:
    whose = f"{os.geteuid()} {point}".encode(errors="surrogateescape")
    return f"sendit-asks-{hashlib.sha256(whose).hexdigest()[:32]}-"
