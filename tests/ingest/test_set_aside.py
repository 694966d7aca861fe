import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from sendit.ingest.rounds import Rounds
from sendit.ingest.set_aside import Removed, err_folders, remove_old
from tests.support.installation import Installation

DAY = 86400.0


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """An inbox with two folders that were set aside, and what only looks like one."""
    for name in ("a.err", "a.err2", "a", "x.err.bak"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    os.utime(tmp_path / "a.err", (0, 0))
    (tmp_path / "link.err").symlink_to(tmp_path / "a")
    (tmp_path / "plain.err").write_text("a file")
    return tmp_path


def test_err_folders_go_after_their_time_and_nothing_else_does(inbox: Path) -> None:
    assert [path.name for path in err_folders(inbox)] == ["a.err", "a.err2"]

    early = remove_old(inbox, older_than=time.time() - DAY)
    late = remove_old(inbox, older_than=time.time() + DAY)

    assert (early, late) == (Removed(0, []), Removed(2, []))
    assert sorted(path.name for path in inbox.iterdir()) == [
        "a",
        "link.err",
        "plain.err",
        "x.err.bak",
    ]


def test_err_folders_are_kept_unless_a_time_is_configured(installation: Installation) -> None:
    folder = installation.inbox / "a.err"
    folder.mkdir()
    later = datetime.now(UTC) + timedelta(days=31)

    Rounds(installation.configuration(), stop=Event()).remove_old_err_folders(now=later)
    assert folder.is_dir()
    text = installation.config.read_text()
    installation.write_config(text.replace("[ingest]", '[ingest]\nerr_retention = "30 days"'))
    Rounds(installation.configuration(), stop=Event()).remove_old_err_folders(now=later)

    assert not folder.exists()
