"""The loop as processes of its own: in the foreground, as a daemon, and in portions."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sendit.ingest.daemon import log_file, pid_file
from sendit.ingest.loop_lock import loop_is_alive
from tests.support.installation import Installation
from tests.support.make_study import not_dicom


@pytest.fixture
def daemon(installation: Installation) -> Iterator[Installation]:
    """Return an installation whose daemon, if a test leaves one, is ended."""
    yield installation
    if loop_is_alive(installation.work_dir):
        installation.run("stop_watcher")


def until(condition: object, *, seconds: float = 30) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_run_once_takes_a_study_through_the_pool(installation: Installation) -> None:
    installation.add_study("ACC1", n_series=1, n_images=2)
    not_dicom(installation.add_study("ACC2", n_series=1, n_images=1) / "notes")

    done = installation.run("run", "--once")

    assert done.returncode == 0, done.stderr
    assert done.stdout == "Idle. Batches: 1 DONE, 1 DONEPROCESSING.\n"
    assert len(installation.delivered()) == 3
    assert "ACC" not in done.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)], ids=["SIGINT", "SIGTERM"]
)
def test_run_ends_cleanly_on_a_signal(installation: Installation, number: int, code: int) -> None:
    process = installation.start("run")
    until(lambda: loop_is_alive(installation.work_dir))

    process.send_signal(number)

    assert process.wait(timeout=15) == code
    assert not loop_is_alive(installation.work_dir)


def test_daemon_starts_works_and_stops(daemon: Installation) -> None:
    started = daemon.run("start_watcher")
    again = daemon.run("start_watcher")
    pid = int(pid_file(daemon.work_dir).read_text())
    daemon.add_study("CANARY1", n_series=1, n_images=1)
    until(lambda: len(daemon.delivered()) == 1)
    stopped = daemon.run("stop_watcher")

    assert started.returncode == 0, started.stderr
    assert f"process {pid}" in started.stdout
    assert again.returncode == 1
    assert f"process {pid}" in again.stderr
    assert stopped.returncode == 0, stopped.stderr
    assert stopped.stdout == f"Watching stopped (process {pid}).\n"
    assert not pid_file(daemon.work_dir).exists()
    assert not Path(f"/proc/{pid}").exists() or _is_zombie(pid)
    log = log_file(daemon.work_dir).read_text()
    assert "is registered" in log
    assert "CANARY" not in log


def test_stopping_what_does_not_run_is_refused(installation: Installation) -> None:
    stopped = installation.run("stop_watcher")

    assert (stopped.returncode, stopped.stderr) == (1, "No watcher daemon is running.\n")


def test_stale_pid_file_is_removed_and_named(installation: Installation) -> None:
    installation.run("status")
    file = pid_file(installation.work_dir)
    file.write_text(f"{os.getpid()}\n")  # alive, but no watcher: must not be hurt

    stopped = installation.run("stop_watcher")

    assert stopped.returncode == 1
    assert f"{file} was left behind by process {os.getpid()} and was removed" in stopped.stderr
    assert not file.exists()


def test_daemon_that_was_killed_can_be_started_again(daemon: Installation) -> None:
    daemon.run("start_watcher")
    os.kill(int(pid_file(daemon.work_dir).read_text()), signal.SIGKILL)
    until(lambda: not loop_is_alive(daemon.work_dir))

    assert daemon.run("start_watcher").returncode == 0
    assert daemon.run("stop_watcher").returncode == 0


def test_daemon_without_a_database_is_refused(installation: Installation) -> None:
    started = installation.run("start_watcher", SENDIT_DATABASE_URL="sqlite:////dev/null/x")

    assert started.returncode == 1
    assert "Traceback" not in started.stderr


def test_start_queue_works_a_portion_of_the_backlog_here(installation: Installation) -> None:
    for name in ("ACC1", "ACC2", "ACC3"):
        installation.add_study(name, n_series=1, n_images=1)

    first = installation.run("start_queue", "--number", "2")
    delivered = len(installation.delivered())
    second = installation.run("start_queue")
    third = installation.run("start_queue")

    assert first.stdout.startswith("3 contenders, 2 started.\n"), first.stderr
    assert delivered == 2
    assert second.stdout.startswith("1 contenders, 1 started.\n")
    assert (third.returncode, third.stdout) == (0, "0 contenders, 0 started.\n")


def test_start_queue_looks_only_where_it_is_told(installation: Installation) -> None:
    installation.add_study("ACC1", n_series=1, n_images=1)
    wanted = installation.add_study("ACC2", n_series=1, n_images=1)

    outside = installation.run("start_queue", "--subfolder", str(installation.out))
    missing = installation.run("start_queue", "--subfolder", str(installation.inbox / "ACC3"))
    inside = installation.run("start_queue", "--number", "9", "--subfolder", str(wanted))

    assert outside.returncode == 1
    assert "is not in an inbox" in outside.stderr
    assert missing.returncode == 1
    assert missing.stderr == f"There is no such folder in the inbox {installation.inbox}.\n"
    assert inside.stdout.startswith("1 contenders, 1 started.\n"), inside.stderr
    assert [batch["uid"] for batch in installation.status()] == ["ACC2"]


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
