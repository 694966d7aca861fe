"""One network mount that hangs keeps back what lies on it, and nothing and nobody else.

The mounts are real (``tests/support/hanging_mount.py``): whoever waits for one sleeps in the
kernel and outlives SIGKILL.  ``demo`` uses the mount, ``other`` does not.
"""

import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.hanging_mount import Mounted, mounted
from tests.support.installation import INSTALLATION, PROJECT, Installation
from tests.support.make_study import make_study

if TYPE_CHECKING:
    import subprocess

pytestmark = [pytest.mark.timeout(240), pytest.mark.fuse]

BOTH = INSTALLATION.replace('lease = "5 s"', 'lease = "1 s"') + (
    '[[inboxes]]\npath = "inbox-other"\nproject = "other"\n'
)
OTHER = PROJECT.replace('path = "../out"', 'path = "../out-other"')
STOP_SECONDS = 10


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Mounted]:
    """A mount of the folder ``served`` at ``server``."""
    for name in ("served", "served/out", "served/inbox", "server"):
        (tmp_path / name).mkdir()
    with mounted(tmp_path / "served", tmp_path / "server") as mount:
        yield mount


@pytest.fixture
def both(installation: Installation, server: Mounted) -> Installation:
    """Two projects of which ``demo`` delivers into the mount."""
    (installation.root / "inbox-other").mkdir()
    (installation.root / "out-other").mkdir()
    installation.write_config(BOTH)
    installation.write_project(PROJECT.replace("../out", "../server/out"))
    installation.write_project(OTHER, name="other")
    return installation


@contextmanager
def running(installation: Installation) -> Iterator["subprocess.Popen[bytes]"]:
    process = installation.start("run")
    try:
        wait_for(lambda: (installation.work_dir / "run" / "loop.lock").exists())
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(2 * STOP_SECONDS)
        finally:
            process.kill()


def arrive(installation: Installation, name: str, *, inbox: str) -> None:
    uid = f"2.25.{sum(name.encode())}"
    arriving = installation.root / "arriving" / name
    make_study(arriving, n_series=1, n_images=2, StudyInstanceUID=uid)
    target = installation.root / inbox / name
    target.mkdir()
    for file in arriving.rglob("*"):
        if file.is_file():
            (target / file.name).write_bytes(file.read_bytes())


def wait_for(condition: Callable[[], object], *, seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come true"
        time.sleep(0.05)


def states(installation: Installation) -> dict[str, str]:
    """Return the status of each project's newest batch, without a command's time."""
    file = installation.work_dir / "sendit.sqlite3"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return dict(database.execute("SELECT project, status FROM records_batch ORDER BY id"))


def require_named(installation: Installation, what: str) -> None:
    """Every command that says how things stand names the place that hangs, and ends."""
    for command in ("status", "doctor", "check"):
        done = installation.run(command, timeout=60)
        assert f"{what} ({installation.root}/server/" in done.stdout, (command, done)
        assert "does not answer" in done.stdout
        assert "Traceback" not in done.stderr
        assert done.returncode == (0 if command == "status" else 1)


def test_target_that_hangs_keeps_only_its_own_project_waiting(
    both: Installation, server: Mounted
) -> None:
    server.hang()
    with running(both):
        arrive(both, "HELD", inbox="inbox")
        arrive(both, "FREE", inbox="inbox-other")

        wait_for(lambda: states(both).get("other") == "DONE")

        require_named(both, "target out of project demo")
        (held,) = [one for one in both.status() if one["uid"] == "HELD"]
        assert held["status"] == "DONEPROCESSING"
        assert "does not answer" in held["deliveries"][0]["error"]["message"]
        server.answer()
        both.run("retry", "HELD")  # sooner than by itself, unless it has gone on already
        wait_for(lambda: states(both)["demo"] == "DONE")


def test_worker_that_hangs_in_its_target_is_replaced_and_delivers_later(
    both: Installation, server: Mounted
) -> None:
    server.hang_at_write()
    with running(both) as process:
        arrive(both, "HELD", inbox="inbox")
        wait_for(lambda: any((both.root / "served" / "out").rglob("*.part")))
        arrive(both, "FREE", inbox="inbox-other")

        wait_for(lambda: states(both).get("other") == "DONE")

        process.send_signal(signal.SIGTERM)
        process.wait(STOP_SECONDS)
    server.answer()
    assert both.run("run", "--once", timeout=90).returncode == 0
    if states(both)["demo"] != "DONE":
        assert both.run("retry", "HELD").returncode == 0
        assert both.run("run", "--once", timeout=90).returncode == 0
    assert states(both) == {"demo": "DONE", "other": "DONE"}
    delivered = (both.root / "served" / "out").rglob("*.dcm")
    assert len([path for path in delivered if path.is_file()]) == 2
    assert not list((both.root / "served" / "out").rglob("*.part"))


@pytest.mark.parametrize("when", ["from the start", "later", "in the middle of a file"])
def test_inbox_that_hangs_keeps_no_other_waiting(
    both: Installation, server: Mounted, when: str
) -> None:
    both.write_config(BOTH.replace('"inbox"', '"server/inbox"'))
    both.write_project(PROJECT)
    expected = 2 if when != "later" else 4
    if when == "from the start":
        server.hang()
    with running(both):
        if when == "later":
            arrive(both, "EARLY", inbox="inbox-other")
            wait_for(lambda: states(both).get("other") == "DONE")
            server.hang()
        if when == "in the middle of a file":
            server.hang_at_read()
        arrive(both, "HELD", inbox="served/inbox")
        if when == "in the middle of a file":
            wait_for(lambda: "demo" in states(both))
        arrive(both, "FREE", inbox="inbox-other")

        wait_for(lambda: len(list((both.root / "out-other").rglob("*.dcm"))) == expected)

        require_named(both, "inbox")
        server.answer()
        wait_for(lambda: states(both).get("demo") == "DONE")


def test_configuration_on_a_mount_that_hangs_is_a_clear_refusal(
    both: Installation, server: Mounted
) -> None:
    (both.root / "served" / "projects").mkdir()
    both.write_config(f'projects_dir = "server/projects"\n{BOTH}')
    server.hang()

    done = both.run("status", timeout=60)

    assert done.returncode == 1
    assert "projects_dir" in done.stderr
    assert "does not answer" in done.stderr
