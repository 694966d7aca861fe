import os
import time
from pathlib import Path
from threading import Event, Timer

from sendit.ingest.events import Waiter


def test_name_that_is_not_utf8_wakes_and_ends_nothing(tmp_path: Path) -> None:
    waiter = Waiter([tmp_path], stop=Event())
    for name in (b"M\xfcller", b"after", b"\xff"):
        timer = Timer(0.05, os.mkdir, [os.fsencode(tmp_path) + b"/" + name])
        timer.start()

        assert waiter.wait(5), name
        timer.join()

    waiter.close()


def test_wait_ends_early_when_somebody_wakes_it_and_tells_of_no_change(tmp_path: Path) -> None:
    asked: list[float] = []

    def woken() -> bool:
        asked.append(time.monotonic())
        return len(asked) > 3

    for folders in ([tmp_path], []):
        asked.clear()
        waiter = Waiter(folders, stop=Event(), woken=woken)
        began = time.monotonic()

        assert not waiter.wait(60)

        assert time.monotonic() - began < 30
        assert len(asked) == 4
        waiter.close()
