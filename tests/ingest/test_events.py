import os
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
