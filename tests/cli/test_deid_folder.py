"""A file that brings its process down costs itself and nothing else."""

import os
from collections.abc import Iterator, Sequence
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
