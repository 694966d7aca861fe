"""A pool of real processes: what it does when they cannot begin."""

import time
from pathlib import Path

import pytest

from sendit.config import Configuration
from sendit.errors import StageError
from sendit.workers.pool import Pool


@pytest.mark.django_db
def test_workers_that_cannot_begin_end_the_pool(
    in_this_process: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workers read the configuration anew; here they find none and end at once."""
    monkeypatch.setenv("SENDIT_CONFIG", str(tmp_path / "gone.toml"))
    pool = Pool(processes=2)
    pool.start()

    try:
        with pytest.raises(StageError, match="before they could begin"):
            _tend_until_it_gives_up(pool)
    finally:
        pool.stop()


def _tend_until_it_gives_up(pool: Pool) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        pool.tend()
        time.sleep(0.05)
