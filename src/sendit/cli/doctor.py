"""What is wrong with an installation, looked at from this machine, and what to do about it.

``check`` tries configuration and targets before a study is there; this looks at a site that
runs: clocks, rights, room, who is at work, whether anybody takes the messages.
"""

import os
import resource
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.db import DatabaseError, connection

from sendit.cli.machine_check import core_dumps, swap
from sendit.config import Configuration
from sendit.config.places import hung_places
from sendit.config.rules import inbox_problems
from sendit.errors import SenditError
from sendit.ingest.loop_lock import loop_is_alive
from sendit.pipeline.admission import obstacle
from sendit.pipeline.pausing import paused
from sendit.pipeline.workspace import Workspace
from sendit.records.beats import WATCHER, last_beat, workers_alive
from sendit.records.installation import load_keys
from sendit.records.models import Batch
from sendit.records.own_keys import require_own_keys
from sendit.records.schema import require_same_schema
from sendit.terms import Zone
from sendit.workers.nudge import nudger

MOST_SECONDS_APART = 2.0
STUCK = timedelta(minutes=10)
PRIVATE = ("phi", "keys", "reports")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    problem: str | None
    """What is wrong and what to do; None when it is well."""


def examine(configuration: Configuration, *, now: datetime) -> Iterator[Finding]:
    """Yield what was looked at, in the order of what depends on what."""
    database = _try("database", require_same_schema)
    yield database
    if database.problem is None:
        yield _try("keys", lambda: load_keys(configuration, history=True))
        yield _try("own keys", lambda: require_own_keys(configuration.settings))
        yield Finding("clock of the database", _clock_of_database())
    yield _try("working volumes", Workspace(configuration.settings.work_dir).check)
    yield Finding("clock of the working volume", _clock_of_volume(configuration))
    yield Finding("rights of the working folders", _rights(configuration))
    yield Finding("inboxes", _inboxes(configuration))
    yield Finding("mounted file systems", " ".join(hung_places(configuration)) or None)
    if database.problem is None:
        yield Finding("admission", obstacle(configuration))
        yield from _at_work(configuration, now=now)
        yield Finding("pauses", _pauses())
        yield Finding("batches", _stuck(now=now))
    yield Finding("core dumps", core_dumps(resource.getrlimit(resource.RLIMIT_CORE)[0]))
    yield Finding("swap", swap(Path("/")))


def _try(what: str, do: Callable[[], object]) -> Finding:
    try:
        do()
    except SenditError as error:
        return Finding(what, str(error))
    except DatabaseError as error:
        return Finding(what, f"The database does not answer ({type(error).__name__}).")
    except OSError as error:
        return Finding(what, f"{os.strerror(error.errno or 0)}: {error.filename}")
    return Finding(what, None)


def _clock_of_database() -> str | None:
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        before = time.time()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        theirs = float(cursor.fetchone()[0])
        ours = (before + time.time()) / 2
    return _apart(theirs - ours, "the database server")


def _clock_of_volume(configuration: Configuration) -> str | None:
    probe = configuration.settings.work_dir / f".sendit-clock-{os.getpid()}"
    try:
        probe.touch()
        theirs = probe.stat().st_mtime
        probe.unlink()
    except OSError as error:
        return f"The working folder cannot be written ({os.strerror(error.errno or 0)})."
    return _apart(theirs - time.time(), "the working volume's server")


def _apart(seconds: float, whose: str) -> str | None:
    if abs(seconds) <= MOST_SECONDS_APART:
        return None
    return (
        f"The clock of {whose} differs from this machine's by {abs(seconds):.0f} s: leases may "
        "lapse early or late. Let both follow one time server."
    )


def _rights(configuration: Configuration) -> str | None:
    work_dir = configuration.settings.work_dir
    for name in PRIVATE:
        folder = work_dir / name
        if folder.is_dir() and stat.S_IMODE(folder.stat().st_mode) & 0o077:
            return f"{folder} can be read by other users. Run: chmod 700 {folder}"
    return None


def _inboxes(configuration: Configuration) -> str | None:
    problems = inbox_problems(
        configuration.settings, projects=configuration.projects, must_exist=True, file="sendit.toml"
    )
    return "; ".join(str(problem) for problem in problems) or None


def _at_work(configuration: Configuration, *, now: datetime) -> Iterator[Finding]:
    if configuration.settings.mode != "celery":
        alive = loop_is_alive(configuration.settings.work_dir)
        yield Finding("watcher", None if alive else _NO_WATCHER)
        return
    yield Finding("watcher", None if last_beat(WATCHER, now=now) else _NO_WATCHER)
    carrier = nudger(configuration)
    broker = _try("broker", carrier.require)
    yield broker
    for zone in Zone:
        waiting = carrier.waiting(zone) or 0 if broker.problem is None else 0
        problem = None
        if not workers_alive(zone, now=now):
            problem = (
                f"No worker of zone {zone} is alive ({waiting} messages wait); start "
                f'"sendit worker --zone {zone}".'
            )
        yield Finding(f"workers of zone {zone}", problem)


_NO_WATCHER = 'No watcher is alive: folders are not taken in. Start "sendit run".'


def _pauses() -> str | None:
    now = paused()
    if now.node:
        return 'The node is paused. Run "sendit resume" when it may go on.'
    names = [f"project {name}" for name in sorted(now.projects)]
    names += [f"target {name}" for name in sorted(now.targets)]
    return f'Paused: {", ".join(names)}. Run "sendit resume" with its name.' if names else None


def _stuck(*, now: datetime) -> str | None:
    left = Batch.objects.untouched(now).filter(modified__lt=now - STUCK).count()
    if not left:
        return None
    return (
        f"{left} batches could go on for more than {STUCK.total_seconds() / 60:.0f} minutes and "
        "nobody has taken them up: are there workers of their zone, and does the broker answer?"
    )


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)
