"""The doctor names what is wrong, and finds nothing where nothing is."""

import json
import resource
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sendit.cli.machine_check import core_dumps, swap
from sendit.cli.work_check import stuck_batches
from sendit.config import Configuration
from sendit.records.models import Batch
from sendit.terms import Stage, Status
from tests.support.batches import NOW, make_batch
from tests.support.hanging_mount import mounted
from tests.support.installation import Installation

HEAD = "Filename Type Size Used Priority\n"


def diagnosis(installation: Installation, **environ: str) -> dict[str, str | None]:
    """Return what the doctor says of each thing, with core dumps off."""
    done = subprocess.run(
        [sys.executable, "-m", "sendit", "doctor", "--json"],
        cwd=installation.root,
        env=installation.environ(**environ),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
    )
    told = json.loads(done.stdout)
    wrong = [check for check in told["checks"] if not check["ok"]]
    assert told["ok"] is not bool(wrong)
    assert done.returncode == int(bool(wrong)), done.stderr
    return {check["what"]: check["problem"] for check in told["checks"]}


@pytest.mark.parametrize("made", [False, True], ids=["no folder", "an empty folder"])
def test_where_nothing_was_set_up_nothing_is_made_and_no_backup_is_asked_for(
    installation: Installation, made: bool
) -> None:
    if made:
        installation.work_dir.mkdir()

    found = diagnosis(installation)

    assert "start the watcher" in (found["database"] or "")
    assert "Nothing was set up in " in (found["working volumes"] or "")
    assert "backup" not in " ".join(filter(None, found.values()))
    assert "keys" not in found
    assert found["inboxes"] is None
    assert not (installation.work_dir / "sendit.sqlite3").exists()
    assert installation.work_dir.exists() == made


@pytest.mark.timeout(300)
def test_faults_are_found_one_by_one(installation: Installation) -> None:
    before = diagnosis(installation)
    assert "start the watcher" in (before["database"] or "") or before["database"]
    assert installation.run("start_watcher").returncode == 0
    try:
        well = diagnosis(installation)
        assert {what: problem for what, problem in well.items() if problem} == {
            what: problem for what, problem in well.items() if what == "swap" and problem
        }
        phi = installation.work_dir / "phi"
        phi.chmod(0o755)
        installation.projects.joinpath("demo.toml").chmod(0o666)
        assert "chmod 700" in (diagnosis(installation)["rights"] or "")
        assert "chmod o-w" in (diagnosis(installation)["rights"] or "")
        phi.chmod(0o700)
        installation.projects.joinpath("demo.toml").chmod(0o644)
        assert installation.run("pause", "--project", "demo").returncode == 0
        assert "project demo" in (diagnosis(installation)["pauses"] or "")
        assert installation.run("resume", "--project", "demo").returncode == 0
        site_key = installation.work_dir / "keys" / "site.key"
        site_key.rename(site_key.with_suffix(".away"))
        assert "missing" in (diagnosis(installation)["keys"] or "")
        site_key.with_suffix(".away").rename(site_key)
        sentinel = installation.work_dir / "clean" / ".sendit-volume"
        sentinel.rename(sentinel.with_suffix(".away"))
        assert "not mounted" in (diagnosis(installation)["working volumes"] or "")
        sentinel.with_suffix(".away").rename(sentinel)
    finally:
        assert installation.run("stop_watcher").returncode == 0
    assert "No watcher" in (diagnosis(installation)["watcher"] or "")


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "row",
    [
        "records_batchcount (project, status, number) VALUES ('demo', 'DONE', 1)",
        "records_hourcount (project, hour, batches, bytes, images, is_sum) "
        "VALUES ('demo', '2026-05-04 10:00:00', 0, 1, 0, TRUE)",
    ],
    ids=["counts", "hours"],
)
def test_kept_numbers_that_are_wrong_are_named_until_the_watcher_starts(
    installation: Installation, row: str
) -> None:
    assert installation.run("run", "--once").returncode == 0
    with closing(sqlite3.connect(installation.work_dir / "sendit.sqlite3")) as database, database:
        database.execute(f"INSERT INTO {row}")

    wrong = diagnosis(installation)["numbers of batches"]

    assert "Restart the watcher" in (wrong or "")
    assert installation.run("run", "--once").returncode == 0
    assert diagnosis(installation)["numbers of batches"] is None


def test_damaged_database_is_called_damaged(installation: Installation) -> None:
    assert installation.run("status").returncode == 0
    database = installation.work_dir / "sendit.sqlite3"
    with database.open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xa5" * (database.stat().st_size - 4096))

    found = diagnosis(installation)

    assert "Put it back from your backup" in (found["database"] or "")
    assert found["keys"] is None


def test_work_dir_of_too_long_a_name_is_a_finding_beside_the_others(
    installation: Installation, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path}/db.sqlite3"
    assert installation.run("status", SENDIT_DATABASE_URL=database).returncode == 0

    found = diagnosis(
        installation,
        SENDIT_WORK_DIR=str(tmp_path / ("x" * 300)),
        SENDIT_DATABASE_URL=database,
    )

    assert "File name too long" in (found["working volumes"] or "")
    assert found["database"] is None
    assert {"inboxes", "admission", "watcher", "core dumps", "swap"} <= set(found)


@pytest.mark.timeout(300)
def test_batch_whose_originals_are_gone_is_named_with_what_to_do(
    installation: Installation,
) -> None:
    assert installation.run("pause", "--target", "out").returncode == 0
    installation.add_study("ACC1", n_series=1)
    assert installation.run("run", "--once").returncode == 0
    assert diagnosis(installation)["originals"] is None
    shutil.rmtree(installation.work_dir / "phi/1")

    found = diagnosis(installation)["originals"] or ""

    assert "batch 1 are gone" in found
    assert "sendit resolve 1 --reject" in found
    shutil.rmtree(installation.work_dir / "clean/1")
    assert installation.run("resume", "--target", "out").returncode == 0
    assert installation.run("run", "--once").returncode == 0
    assert "batch 1 are gone" in (diagnosis(installation)["originals"] or "")
    assert installation.run("resolve", "1", "--reject").returncode == 0
    assert diagnosis(installation)["originals"] is None


@pytest.mark.fuse
@pytest.mark.timeout(300)
def test_folder_or_key_that_hangs_is_named_and_the_rest_is_looked_at(
    installation: Installation, tmp_path: Path
) -> None:
    assert installation.run("run", "--once").returncode == 0
    elsewhere = tmp_path / "server"
    elsewhere.mkdir()
    (tmp_path / "mounted").mkdir()
    shutil.copy(installation.work_dir / "keys/field.key", elsewhere / "field.key")
    key_file = tmp_path / "mounted/field.key"

    with mounted(elsewhere, tmp_path / "mounted") as server:
        server.hang()
        key = diagnosis(installation, SENDIT_KEYS_FIELD_FILE=str(key_file))
        folder = diagnosis(
            installation,
            SENDIT_WORK_DIR=str(tmp_path / "mounted/work"),
            SENDIT_DATABASE_URL=f"sqlite:///{tmp_path}/db.sqlite3",
        )

    for found, what in ((key, "field key"), (folder, "working folder")):
        said = found["what sendit cannot do without"] or ""
        assert f"The {what}" in said
        assert "does not answer" in said
        assert {"database", "inboxes", "core dumps", "swap"} <= set(found)


@pytest.mark.django_db
@pytest.mark.parametrize("mode", ["pool", "celery"])
def test_batch_that_is_due_and_taken_up_by_nobody_is_named(
    in_this_process: Configuration, mode: str
) -> None:
    settings = in_this_process.settings.model_copy(update={"mode": mode})
    configuration = replace(in_this_process, settings=settings)
    due = make_batch("a", status=Status.DONEPROCESSING, stage=Stage.SEND)
    other = make_batch("b", status=Status.PROCESSING, stage=Stage.IDENTIFY)
    rest = make_batch("c", status=Status.DONE)
    since(due, NOW - timedelta(minutes=30))
    since(other, NOW - timedelta(minutes=11))

    told = stuck_batches(configuration, now=NOW) or ""

    assert told.startswith(
        f"Batches {due.pk}, {other.pk} could go on since 2026-05-04 09:45:00 UTC"
    )
    assert "them up" in told
    assert str(rest.pk) not in told.partition(" could")[0].replace(",", "").split()
    who = '"sendit worker --zone out"' if mode == "celery" else '"sendit run"'
    assert who in told
    since(due, NOW)
    assert (stuck_batches(configuration, now=NOW) or "").startswith(f"Batch {other.pk} could go on")
    since(other, NOW)
    assert stuck_batches(configuration, now=NOW) is None


@pytest.mark.django_db
@pytest.mark.parametrize("put_off", ["retry_at", "due_at"])
def test_batch_that_was_put_off_counts_from_then(
    in_this_process: Configuration, put_off: str
) -> None:
    batch = make_batch("a", status=Status.DONEPROCESSING, stage=Stage.SEND)

    def told(minutes_ago: int) -> str | None:
        since(batch, NOW - timedelta(hours=5))
        moment = NOW - timedelta(minutes=minutes_ago)
        Batch.objects.filter(pk=batch.pk).update(**{put_off: moment})
        return stuck_batches(in_this_process, now=NOW)

    assert told(1) is None
    assert "since 2026-05-04 10:04:00 UTC" in (told(11) or "")


@pytest.mark.django_db
def test_batch_that_waits_while_others_are_worked_on_may_wait_longer(
    in_this_process: Configuration,
) -> None:
    waiting = make_batch("a", status=Status.DONEPROCESSING, stage=Stage.SEND)
    busy = make_batch("b", status=Status.PROCESSING, stage=Stage.IDENTIFY)
    claim = {"lease_token": "t", "lease_until": datetime.now(UTC) + timedelta(hours=1)}
    Batch.objects.filter(pk=busy.pk).update(**claim)

    since(waiting, NOW - timedelta(minutes=59))
    assert stuck_batches(in_this_process, now=NOW) is None
    since(waiting, NOW - timedelta(minutes=61))
    assert f"Batch {waiting.pk} could go on" in (stuck_batches(in_this_process, now=NOW) or "")


def since(batch: Batch, moment: datetime) -> None:
    """Say when the batch was last written."""
    Batch.objects.filter(pk=batch.pk).update(modified=moment)


def test_core_dumps_that_are_on_are_wrong() -> None:
    assert core_dumps(0) is None
    assert "ulimit -c 0" in (core_dumps(resource.RLIM_INFINITY) or "")


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("", None),
        ("/dev/dm-1 partition 1 0 -2\n", None),
        ("/dev/zram0 partition 1 0 100\n", None),
        ("/dev/sda2 partition 1 0 -2\n", "/dev/sda2"),
        ("/swapfile file 1 0 -2\n/dev/dm-1 partition 1 0 -2\n", "/swapfile"),
        ("/dev/dm-0 partition 1 0 -2\n", "/dev/dm-0"),
    ],
)
def test_swap_must_be_encrypted_or_in_memory(tmp_path: Path, lines: str, found: str | None) -> None:
    for device, uuid in (("dm-0", "LVM-abc"), ("dm-1", "CRYPT-PLAIN-swap")):
        (tmp_path / "sys/class/block" / device / "dm").mkdir(parents=True)
        (tmp_path / "sys/class/block" / device / "dm/uuid").write_text(uuid)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/swaps").write_text(HEAD + lines)

    said = swap(tmp_path)

    assert (said is None) is (found is None)
    assert found is None or found in (said or "")
