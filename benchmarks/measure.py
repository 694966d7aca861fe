"""Run one command and say what it cost, all its children included."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


class RunFailed(Exception):
    """A measured command failed, so there is nothing to report."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took."""

    wall_s: float
    cpu_s: float
    """User and system time of the process and of every descendant that it waited for."""
    peak_bytes: int
    """Resident memory of the largest single process of the run."""


def measure(command: Sequence[str], *, folder: Path, log: Path, environ: Mapping[str, str]) -> Cost:
    """Run a command in a folder to its end; what it prints goes to ``log``.

    Raises
    ------
    RunFailed
        When the command exits with anything but 0; the message ends with what it printed.
    """
    os.sync()  # what an earlier run left dirty is not this one's cost
    with log.open("wb") as output:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, env=dict(environ)
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        tail = log.read_text(errors="replace")[-2000:]
        raise RunFailed(f"{' '.join(command)} exited with {process.returncode}:\n{tail}")
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def warm(folder: Path) -> int:
    """Read every file once, so that no run pays for a cold page cache; return how many."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in files:
        with path.open("rb", buffering=0) as file:
            while file.read(1 << 20):
                pass
    return len(files)


def peak_bytes() -> int:
    """Return the memory that this process had at most; not what its parent had."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def cpu_seconds(*processes: int) -> float:
    """Return the processor time of this process and of others that have one thread."""
    others = (Path(f"/proc/{pid}/schedstat").read_text().split()[0] for pid in processes)
    return time.process_time() + sum(map(int, others)) / 1e9


def server_process(connection: "BaseDatabaseWrapper") -> list[int]:
    """Return the PostgreSQL process that serves this one; none of SQLite."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return list(cursor.fetchone())
