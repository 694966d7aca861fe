"""Killed at random, over and over, a run loses nothing, doubles nothing and changes no byte."""

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sendit.terms import Stage
from tests.e2e.chaos import EVERYTHING, PARENT, Chaos, read
from tests.pipeline.files import tree
from tests.support.installation import PROJECT, Installation, make_installation
from tests.support.make_study import make_instance, not_dicom, write_instance

SEED = 20260504
BATCHES = 200
PLAN = [*map(str, Stage)] * 3 + [PARENT, EVERYTHING] * 2
"""Who is killed, in what order is drawn."""
CONFIG = """\
mode = "{mode}"
work_dir = "work"
[workers]
processes = 2
chunk = 3
lease = "2 s"
tries = 1000
[limits]
batches_at_once = 24
min_free_disk = "1 MB"
[ingest]
settle = "0.1 s"
scan = "0.2 s"
[[inboxes]]
path = "inbox"
project = "demo"
"""
QUICK_PROJECT = PROJECT.replace('originals = "remove"', 'previews = "remove"\nexcluded = "remove"')
STATES = """
SELECT b.status, b.stage, b.held, b.has_error, b.unreadable, b.bytes,
    (SELECT group_concat(nr || verdict || reason || status || file || sha256) FROM
        (SELECT * FROM records_image i WHERE i.batch_id = b.id ORDER BY nr)),
    (SELECT group_concat(target || state) FROM records_delivery d WHERE d.batch_id = b.id),
    (SELECT group_concat(code) FROM
        (SELECT code FROM records_finding f WHERE f.batch_id = b.id ORDER BY code))
FROM records_batch b ORDER BY 7, 1, 6
"""


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """Return a folder in memory where there is one: processes die here, not the machine."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        dir=shared if shared.is_dir() else tmp_path, prefix="sendit-crash-"
    ) as folder:
        yield Path(folder)


def place(root: Path, *, mode: str) -> Installation:
    return make_installation(root, config=CONFIG.format(mode=mode), project=QUICK_PROJECT)


def fill(inbox: Path, chosen: random.Random) -> None:
    """Make many small batches; here and there one with a bad file, or with nothing to keep."""
    for number in range(1, BATCHES + 1):
        modality = "US" if number % 40 == 0 else "CT"
        for image in range(1, chosen.randint(3, 8) + 1):
            ds = make_instance(
                modality=modality,
                seed=f"study {number}",
                series=1 + image % 2,
                number=image,
                rows=4,
                columns=4,
                PatientID=f"MRN{number // 2:06}",
                AccessionNumber=f"ACC{number:06}",
            )
            write_instance(inbox / f"S{number:03}" / f"b{number:03}-{image}.dcm", ds)
        if number % 25 == 0:
            not_dicom(inbox / f"S{number:03}" / "notes.txt")


@pytest.mark.timeout(600)
def test_killed_again_and_again_it_ends_as_a_calm_run(memory: Path) -> None:
    chosen = random.Random(SEED)
    calm, wild = place(memory / "calm", mode="inline"), place(memory / "wild", mode="pool")
    fill(calm.inbox, chosen)
    shutil.copytree(calm.inbox, wild.inbox, dirs_exist_ok=True)
    originals = sum(1 for _ in calm.inbox.rglob("*.dcm"))
    done = calm.run("run", "--once", timeout=200)
    assert done.returncode == 0, done.stderr
    shutil.copytree(calm.work_dir / "keys", wild.work_dir / "keys")

    chaos = Chaos(wild, chosen)
    try:
        chaos.run(PLAN, seconds=300)
    finally:
        chaos.clear()
        print(f"seed {SEED}, {BATCHES} batches, {originals} images, kills: {dict(chaos.kills)}")

    assert tree(wild.out) == tree(calm.out)
    assert tree(wild.inbox) == tree(calm.inbox)
    assert sorted(tree(wild.work_dir / "clean").values()) == sorted(
        tree(calm.work_dir / "clean").values()
    )
    assert sorted(tree(wild.work_dir / "phi").values()) == sorted(
        tree(calm.work_dir / "phi").values()
    )
    assert read(wild, STATES) == read(calm, STATES)
    assert len(read(wild, "SELECT id FROM records_batch")) == BATCHES
    assert Counter(PLAN) == chaos.kills
