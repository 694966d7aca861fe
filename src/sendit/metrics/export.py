"""The table of process times as a file: one line a batch, tabs between columns."""

import os
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path

from sendit.metrics.numbers import ProcessTime

HEADER = (
    "",
    "batch_id",
    "status",
    "size_mb",
    "start_time",
    "finish_time",
    "total_time_sec",
    "total_time_min",
)


def write_process_times(times: Iterable[ProcessTime], *, folder: Path, today: date) -> Path:
    """Write ``sendit-process-time-YYYY-MM-DD.tsv`` into a folder and return its path.

    The first column is the row's index, the batch's number; times are seconds since 1970.
    A file of the same day is replaced, in one step.
    """
    path = folder / f"sendit-process-time-{today:%Y-%m-%d}.tsv"
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("w", encoding="utf-8", newline="\n") as out:
        out.write("\t".join(HEADER) + "\n")
        out.writelines("\t".join(_columns(time)) + "\n" for time in times)
    part.replace(path)
    return path


def local_today() -> date:
    """Return today's date where this machine is."""
    return datetime.now().astimezone().date()


def _columns(time: ProcessTime) -> tuple[str, ...]:
    seconds = time.took.total_seconds() if time.took is not None else None
    return (
        str(time.batch_id),
        str(time.batch_id),
        time.status,
        _number(time.size_mb),
        _number(_epoch(time.started)),
        _number(_epoch(time.finished)),
        _number(seconds),
        _number(None if seconds is None else seconds / 60),
    )


def _epoch(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}".rstrip("0").rstrip(".")
