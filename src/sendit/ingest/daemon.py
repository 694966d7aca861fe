"""The watcher loop as a daemon: start it, tell it to stop, and know whether it is there.

The process number stands in ``run/watcher.pid``; whether it is alive is told by the loop's
lock, so the number of a process that died and was given to another is no danger.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from sendit.config import Configuration
from sendit.errors import SenditError, UsageError
from sendit.ingest.loop_lock import loop_is_alive, loop_process
from sendit.pipeline.liveness import is_known_dead, name_of

START_SECONDS = 60.0
STOP_SECONDS = 10.0
LEAVE_SECONDS = 3.0
"""What a process may take to end once it has let go of everything."""
_LOOK_SECONDS = 0.05


class DaemonFailed(SenditError):
    """The watcher did not start, or did not stop."""

    code = "WATCHER"


def pid_file(work_dir: Path) -> Path:
    """Return the file that holds the daemon's process number."""
    return work_dir / "run" / "watcher.pid"


def log_file(work_dir: Path) -> Path:
    """Return the file that the daemon logs to."""
    return work_dir / "logs" / "watcher.log"


def start(configuration: Configuration) -> int:
    """Start the loop as a daemon and return its process number once it is at work.

    Raises
    ------
    sendit.errors.UsageError
        When a loop is at work already.
    DaemonFailed
        When it ended at once; its log says why.
    """
    work_dir = configuration.settings.work_dir
    if loop_is_alive(work_dir):
        raise UsageError(
            f"A watcher is already at work in {work_dir} (process {loop_process(work_dir)})."
        )
    log_file(work_dir).parent.mkdir(parents=True, exist_ok=True)
    with log_file(work_dir).open("ab") as log:
        process = subprocess.Popen(
            _command(configuration),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    pid_file(work_dir).write_text(f"{process.pid}\n")
    until = time.monotonic() + START_SECONDS
    while loop_process(work_dir) != process.pid:
        if process.poll() is not None or time.monotonic() > until:
            pid_file(work_dir).unlink(missing_ok=True)
            process.kill()
            raise DaemonFailed(f"The watcher did not start; see {log_file(work_dir)}.")
        time.sleep(_LOOK_SECONDS)
    return process.pid


def stop(configuration: Configuration) -> int:
    """End the daemon, its workers' claims released, and return its process number.

    Raises
    ------
    sendit.errors.UsageError
        When no daemon is at work.
    DaemonFailed
        When it had to be killed; the next loop frees what it held.
    """
    work_dir = configuration.settings.work_dir
    file = pid_file(work_dir)
    pid = _read(file)
    alive = loop_process(work_dir)
    if pid is None or alive != pid:
        raise UsageError(_not_running(file, stale=pid, alive=alive))
    process = name_of(pid)
    os.kill(pid, signal.SIGTERM)
    if not _ended(work_dir, seconds=STOP_SECONDS):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        _ended(work_dir, seconds=STOP_SECONDS)
        file.unlink(missing_ok=True)
        raise DaemonFailed(
            f"The watcher (process {pid}) did not stop within {STOP_SECONDS:.0f} s and was killed; "
            "what it was working on goes on when a watcher is started again."
        )
    _wait_until_gone(process)
    file.unlink(missing_ok=True)
    return pid


def _command(configuration: Configuration) -> list[str]:
    source = configuration.source
    named = ["--config", str(source)] if source is not None else []
    return [sys.executable, "-m", "sendit", "run", *named]


def _read(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except FileNotFoundError:
        return None
    return int(text) if text.isdigit() else 0


def _not_running(file: Path, *, stale: int | None, alive: int | None) -> str:
    said = "No watcher daemon is running."
    if alive is not None:
        said = (
            f"No watcher daemon is running, but a sendit in the foreground is (process {alive}); "
            "end it there."
        )
    if stale is not None:
        file.unlink(missing_ok=True)
        said += f" {file} was left behind by process {stale} and was removed."
    return said


def _ended(work_dir: Path, *, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while loop_is_alive(work_dir):
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _wait_until_gone(process: str) -> None:
    until = time.monotonic() + LEAVE_SECONDS
    while not is_known_dead(process) and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
