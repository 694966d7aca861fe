"""Whether the clocks that leases and file times go by agree with this machine's."""

import os
import time
from pathlib import Path

from django.db import connection

MOST_SECONDS_APART = 2.0


def clock_of_database() -> str | None:
    """Return what is wrong with the clock of a database server."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        before = time.time()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        theirs = float(cursor.fetchone()[0])
        ours = (before + time.time()) / 2
    return _apart(theirs - ours, "the database server")


def clock_of_volume(work_dir: Path) -> str | None:
    """Return what is wrong with the clock of the working volume, if it can be written at all."""
    probe = work_dir / f".sendit-clock-{os.getpid()}"
    try:
        probe.touch()
        theirs = probe.stat().st_mtime
        probe.unlink()
    except OSError as error:
        return (
            f"{work_dir} cannot be written ({os.strerror(error.errno or 0)}): give it to the user "
            "that runs sendit, mount it for writing, or make room."
        )
    return _apart(theirs - time.time(), "the working volume's server")


def _apart(seconds: float, whose: str) -> str | None:
    if abs(seconds) <= MOST_SECONDS_APART:
        return None
    return (
        f"The clock of {whose} differs from this machine's by {abs(seconds):.0f} s: leases may "
        "lapse early or late. Let both follow one time server."
    )
