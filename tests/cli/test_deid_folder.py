"""A file that brings its process down costs itself and nothing else."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from sendit.cli.deid_folder import each_in_processes

FILES = [Path(f"{number:03}.dcm") for number in range(100)]


def task(paths: Sequence[Path]) -> list[str]:
    if {path.stem for path in paths} & {"037", "099"}:
        os._exit(1)
    return [path.stem for path in paths]


def crashed(path: Path) -> str:
    return f"crashed {path.stem}"


@pytest.mark.filterwarnings("ignore")
def test_file_that_ends_its_process_costs_itself_only() -> None:
    results = list(each_in_processes(task, FILES, jobs=2, crashed=crashed))

    expected = [path.stem for path in FILES]
    expected[37], expected[99] = "crashed 037", "crashed 099"
    assert results == expected


def test_few_files_are_done_here_in_order() -> None:
    seen: list[str] = []

    def note(paths: Sequence[Path]) -> Iterator[str]:
        for path in paths:
            seen.append(path.stem)
            yield path.stem

    results = list(each_in_processes(note, FILES[:5], jobs=2, crashed=crashed))

    assert results == seen == ["000", "001", "002", "003", "004"]


SLOW = """
import os, sys, time
from pathlib import Path
from sendit.cli.deid_folder import each_in_processes

def task(paths):
    Path(sys.argv[1], str(os.getpid())).touch()
    time.sleep(600)

if __name__ == "__main__":
    list(each_in_processes(task, [Path("a")] * 100, jobs=2, crashed=lambda path: path))
"""


def test_processes_end_when_the_one_that_started_them_is_killed(tmp_path: Path) -> None:
    script, workers = tmp_path / "slow.py", tmp_path / "workers"
    script.write_text(SLOW)
    workers.mkdir()
    with subprocess.Popen([sys.executable, script, workers], stderr=subprocess.DEVNULL) as parent:
        wait_until(lambda: len(list(workers.iterdir())) == 2)
        parent.kill()

    wait_until(lambda: not any(is_alive(path.name) for path in workers.iterdir()))


def is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
