"""Draw instances in a child process, so that a codec that crashes or hangs ends only itself.

One child draws a whole list, since starting it costs more than a picture.  When an instance
ends the child, the next child goes on behind it.  Paths go by stdin: a command line can be
read by every user of the machine.  A child that waits for further lists is kept by
``kept_drawer``.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from select import select
from typing import Any  # an order as JSON has it

import sendit
from sendit.deid.pixels.frame import NoPicture, Wanted, draw
from sendit.deid.pixels.picture import Window

_MAX_MEMORY = 4 << 30
START = timedelta(seconds=30)
"""How long a child may take to start, on a machine that is very busy."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG, or why there is none."""

    png: bytes | None
    reason: str = ""


MIDDLE = Wanted()


def draw_quietly(source: Path, wanted: Wanted = MIDDLE) -> Picture:
    """Draw one frame of one instance in this process."""
    try:
        with warnings.catch_warnings():
            # What pydicom says about odd values may quote them, so it goes nowhere.
            warnings.simplefilter("ignore")
            return Picture(draw(source, wanted))
    except NoPicture as error:
        return Picture(None, str(error))
    except Exception:  # noqa: BLE001 - the boundary of one image: pydicom raises anything
        return Picture(None, "the pixels cannot be decoded")


def draw_isolated(
    sources: Sequence[Path], *, time_limit: timedelta, wanted: Wanted = MIDDLE
) -> list[Picture]:
    """Draw a frame of each instance in a child process; ``time_limit`` is for each."""
    pictures: list[Picture] = []
    while len(pictures) < len(sources):
        rest = sources[len(pictures) :]
        drawn, end = _run_child(rest, time_limit=time_limit, wanted=wanted)
        pictures += drawn
        if len(drawn) < len(rest):
            slow = end == -signal.SIGALRM
            reason = "the decoder took too long" if slow else "the decoder crashed"
            pictures.append(Picture(None, reason))
    return pictures


def _run_child(
    sources: Sequence[Path], *, time_limit: timedelta, wanted: Wanted
) -> tuple[list[Picture], int]:
    order = order_of(sources, time_limit=time_limit, wanted=wanted)
    with start_child() as child:
        try:
            output, _ = child.communicate(
                json.dumps(order).encode(),
                timeout=(START + time_limit * len(sources)).total_seconds(),
            )
        except subprocess.TimeoutExpired:
            child.kill()
            output, _ = child.communicate()
    return parse(output), child.returncode


def order_of(
    sources: Sequence[Path],
    *,
    time_limit: timedelta,
    wanted: Wanted,
    kept: timedelta = timedelta(0),
) -> dict[str, object]:
    """Return what a child is asked for; ``kept`` is how long it then waits for the next order."""
    window = None if wanted.window is None else [wanted.window.centre, wanted.window.width]
    return {
        "seconds": time_limit.total_seconds(),
        "sources": [str(path) for path in sources],
        "frame": wanted.frame,
        "window": window,
        "kept": kept.total_seconds(),
    }


def start_child() -> "subprocess.Popen[bytes]":
    """Start a child that takes orders, one a line, until its stdin ends."""
    # The product may run from a source tree that only this process knows of.
    product = str(Path(sendit.__file__).parents[1])
    python_path = os.pathsep.join(filter(None, (product, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-m", "sendit.deid.pixels.isolated"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": python_path},
    )


def parse(output: bytes) -> list[Picture]:
    """Return the pictures that a child has written; one that is not whole does not count."""
    pictures = []
    while b"\n" in output:
        line, _, output = output.partition(b"\n")
        size, reason = json.loads(line)
        if len(output) < size:
            break
        pictures.append(Picture(output[:size] or None, reason))
        output = output[size:]
    return pictures


def main() -> None:
    """Draw what stdin names; stdout gets for each a line ``[bytes, reason]`` and the PNG."""
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold pixels
    # The default action ends the process even while C code runs; a handler would wait for it.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for line in sys.stdin:
        order = json.loads(line)
        _draw_all(order)
        if order["kept"] and not select([sys.stdin], [], [], order["kept"])[0]:
            return


def _draw_all(order: dict[str, Any]) -> None:
    window = None if order["window"] is None else Window(*order["window"])
    wanted = Wanted(order["frame"], window)
    for source in order["sources"]:
        signal.setitimer(signal.ITIMER_REAL, order["seconds"])
        picture = draw_quietly(Path(source), wanted)
        signal.setitimer(signal.ITIMER_REAL, 0)
        data = picture.png or b""
        sys.stdout.buffer.write(json.dumps([len(data), picture.reason]).encode() + b"\n" + data)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
