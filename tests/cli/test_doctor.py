"""The doctor names what is wrong, and finds nothing where nothing is."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from sendit.cli.machine_check import core_dumps, swap
from tests.support.installation import Installation

HEAD = "Filename Type Size Used Priority\n"


def diagnosis(installation: Installation) -> dict[str, str | None]:
    """Return what the doctor says of each thing, with core dumps off."""
    done = subprocess.run(
        [sys.executable, "-m", "sendit", "doctor", "--json"],
        cwd=installation.root,
        env=installation.environ(),
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
        assert "chmod 700" in (diagnosis(installation)["rights of the working folders"] or "")
        phi.chmod(0o700)
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
