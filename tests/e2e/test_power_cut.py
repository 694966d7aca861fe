"""The power is cut at each stage: what was not synced is gone, and yet nothing is lost.

Work folder, inbox and target lie on one disk (``tests/support/power.py``), the database too.
"""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from sendit.terms import Stage
from tests.support.installation import Installation, make_installation
from tests.support.make_study import make_study
from tests.support.power import PoweredDisk, powered_disk

pytestmark = [pytest.mark.disk, pytest.mark.timeout(300)]

N_STUDIES, N_IMAGES = 4, 6


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[PoweredDisk]:
    folder, images = tmp_path / "disk", tmp_path / "images"
    folder.mkdir()
    images.mkdir()
    with powered_disk(folder, images) as made:
        yield made


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    folder = tmp_path / "studies"
    for number in range(N_STUDIES):
        uid = f"2.25.7301955{number}"
        make_study(folder / f"ACC{number}", n_series=1, n_images=N_IMAGES, StudyInstanceUID=uid)
    return folder


def install(root: Path, studies: Path) -> Installation:
    """Make an installation with studies in its inbox."""
    made = make_installation(root)
    shutil.copytree(studies, made.inbox, dirs_exist_ok=True)
    return made


def content(made: Installation) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in made.delivered()}


def furthest(made: Installation) -> set[str]:
    """Return at which stages batches stand."""
    file = made.work_dir / "sendit.sqlite3"
    with (
        suppress(sqlite3.OperationalError),
        closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as rows,
    ):
        return {stage for (stage,) in rows.execute("SELECT stage FROM records_batch")}
    return set()


def end_at_once(process: "subprocess.Popen[bytes]") -> None:
    """Kill a program and all its workers."""
    found = subprocess.run(
        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False
    )
    for pid in (process.pid, *map(int, found.stdout.split())):
        with suppress(ProcessLookupError):
            os.kill(pid, 9)
    process.wait()


def test_the_disk_forgets_what_was_not_synced(disk: PoweredDisk) -> None:
    (disk.folder / "kept").write_text("kept")
    os.sync()
    (disk.folder / "lost").write_text("lost")

    disk.cut()

    assert [path.name for path in disk.folder.iterdir() if path.is_file()] == ["kept"]


@pytest.mark.parametrize("stage", Stage)
def test_nothing_is_lost_or_doubled_when_the_power_is_cut(
    disk: PoweredDisk, studies: Path, tmp_path: Path, stage: Stage
) -> None:
    calm = install(tmp_path / "calm", studies)
    assert calm.run("run", "--once", "--strict").returncode == 0
    made = install(disk.folder / "site", studies)
    made.work_dir.mkdir(mode=0o700)
    shutil.copytree(calm.work_dir / "keys", made.work_dir / "keys")
    os.sync()

    process = made.start("run")
    until = time.monotonic() + 60
    while stage not in furthest(made):
        assert time.monotonic() < until, "no batch came to this stage"
        time.sleep(0.002)
    end_at_once(process)
    disk.cut()

    done = made.run("run", "--once", "--strict", timeout=120)

    assert done.returncode == 0, done.stderr
    assert {batch["status"] for batch in made.status()} == {"DONE"}
    assert content(made) == content(calm)
    assert len(content(made)) == N_STUDIES * N_IMAGES
    assert list(made.inbox.iterdir()) == []
