import time
from pathlib import Path

import pytest

from sendit.config.answering import PATIENCE_SECONDS, Question, silent
from sendit.config.mounts import answers, resolved
from tests.support.hanging_mount import mounted


@pytest.mark.fuse
def test_a_mount_that_hangs_is_told_from_one_that_answers_and_answers_again(
    tmp_path: Path,
) -> None:
    points = [tmp_path / name for name in ("one", "other")]
    for folder in (tmp_path / "served", *points):
        folder.mkdir()
    with mounted(tmp_path / "served", points[0]) as one, mounted(tmp_path / "served", points[1]):
        one.hang()

        began = time.monotonic()
        assert silent(points) == {points[0]}
        first = time.monotonic() - began
        assert Question(points[0]).answer() is False  # without waiting a second time
        # Links are followed up to what hangs, and no further.
        (tmp_path / "link").symlink_to(points[0] / "below")
        assert resolved(tmp_path / "link" / "x") == points[0] / "below" / "x"

        assert PATIENCE_SECONDS <= first < 2 * PATIENCE_SECONDS
        one.answer()
        until = time.monotonic() + 10
        while not answers(points[0] / "x"):
            assert time.monotonic() < until
            time.sleep(0.05)


def test_folder_of_this_machine_is_not_asked(tmp_path: Path) -> None:
    assert answers(tmp_path / "not there")
