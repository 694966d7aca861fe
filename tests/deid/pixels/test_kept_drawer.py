"""A child that is kept between pictures draws what one of its own would, and can be lost."""

import os
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydicom.uid import RLELossless

from sendit.deid.pixels.frame import Wanted
from sendit.deid.pixels.isolated import Picture
from sendit.deid.pixels.kept_drawer import KeptDrawer
from sendit.deid.pixels.preview import render, render_result
from tests.support.make_study import make_instance, write_instance

LIMIT = timedelta(seconds=10)


@pytest.fixture
def drawer() -> Iterator[KeptDrawer]:
    one = KeptDrawer()
    yield one
    one.close()


def write(path: Path, side: int = 16) -> Path:
    ds = make_instance(rows=side, columns=side)
    return write_instance(path, ds, transfer_syntax_uid=RLELossless)


def drawn(drawer: KeptDrawer, path: Path, limit: timedelta = LIMIT) -> Picture:
    return drawer.draw(path, wanted=Wanted(), time_limit=limit)


def child_of(drawer: KeptDrawer) -> int:
    assert drawer._child is not None
    return drawer._child.pid


def test_one_child_draws_one_picture_after_the_other(drawer: KeptDrawer, tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm")

    first = render_result(path, drawer)
    child = child_of(drawer)
    second = render_result(write(tmp_path / "b.dcm", side=40), drawer)

    assert first.png == render([path])[0].png
    assert second.png not in (None, first.png)
    assert child_of(drawer) == child


def test_what_cannot_be_drawn_has_a_reason_and_ends_nothing(
    drawer: KeptDrawer, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.dcm")
    drawn(drawer, path)
    child = child_of(drawer)

    lost = drawn(drawer, tmp_path / "absent.dcm")

    assert lost.png is None
    assert lost.reason
    assert (drawn(drawer, path).png is not None, child_of(drawer)) == (True, child)


def test_a_decoder_that_hangs_costs_its_own_picture_only(
    drawer: KeptDrawer, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.dcm")
    slow = write(tmp_path / "slow.dcm", side=2000)

    late = drawn(drawer, slow, timedelta(milliseconds=10))

    assert late == Picture(None, "the decoder took too long")
    assert drawn(drawer, path).png is not None


def test_a_child_that_is_killed_is_followed_by_another(drawer: KeptDrawer, tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm")
    drawn(drawer, path)
    os.kill(child_of(drawer), signal.SIGKILL)

    pictures = [drawn(drawer, path), drawn(drawer, path)]

    # Of the first it depends on whether the child was seen to be gone.
    assert pictures[1].png is not None


def test_a_child_that_nobody_asks_ends_and_is_followed_by_another(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm")
    drawer = KeptDrawer(kept=timedelta(milliseconds=1))
    drawn(drawer, path)
    assert drawer._child is not None
    drawer._child.wait(30)

    assert drawn(drawer, path).png is not None
    drawer.close()


def test_a_child_ends_with_whoever_started_it(tmp_path: Path) -> None:
    drawer = KeptDrawer()
    drawn(drawer, write(tmp_path / "a.dcm"))
    child = drawer._child
    assert child is not None

    began = time.monotonic()
    drawer.close()

    assert child.returncode == 0
    assert time.monotonic() - began < 5
