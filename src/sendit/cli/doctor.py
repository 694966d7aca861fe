"""What is wrong with an installation, looked at from this machine, and what to do about it.

``check`` tries configuration and targets before a study is there; this looks at a site that
runs: clocks, rights, room, who is at work, whether anybody takes the messages.  Nothing that is
wrong keeps it from looking at the rest, and it waits for no file system that hangs.  Where
results alone are, as in the zone with the way out, it looks at no original, key or inbox.
"""

import os
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from django.db import DatabaseError, OperationalError, connection

from sendit.cli.clock_check import clock_of_database, clock_of_volume
from sendit.cli.hints import DAMAGED, for_database
from sendit.cli.machine_check import core_dumps, swap
from sendit.cli.rights_check import rights
from sendit.cli.work_check import (
    broker,
    counts,
    lost_originals,
    pauses,
    queue,
    stuck_batches,
    watcher,
    workers,
)
from sendit.config import Configuration
from sendit.config.places import hung_own_places, hung_places
from sendit.config.rules import unusable_inboxes
from sendit.errors import SchemaMismatch, SenditError, VolumeMissing
from sendit.pipeline.admission import obstacle
from sendit.pipeline.preparation import require_database_of_work, zone_here
from sendit.pipeline.workspace import Workspace
from sendit.records.installation import load_keys, require_key_files
from sendit.records.own_keys import require_own_keys
from sendit.records.schema import require_same_schema, require_writable
from sendit.terms import Zone


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    problem: str | None
    """What is wrong and what to do; None when it is well."""


def examine(configuration: Configuration, *, now: datetime) -> Iterator[Finding]:
    """Yield what was looked at, in the order of what depends on what."""
    settings = configuration.settings
    hung = hung_own_places(settings)
    if hung:
        yield Finding("what sendit cannot do without", " ".join(hung))
    if hung and settings.database.sqlite_file is not None:
        yield Finding("database", "Not looked at: its file may hang, too.")
        answers = False
    else:
        database = _look("database", lambda: _database(configuration))
        yield database
        answers = database.problem is None
    here = Zone.PHI if hung else zone_here(configuration)
    new = not answers and not hung and here is Zone.PHI and _is_new(settings.work_dir)
    mounted = not hung
    if not hung:
        volumes = _look("working volumes", lambda: _volumes(configuration, here, new=new))
        yield volumes
        mounted = volumes.problem is None
    if not hung and here is Zone.PHI and not new:
        yield from _files(configuration, database_answers=answers)
    if answers:
        yield _look("clock of the database", clock_of_database)
    if here is Zone.PHI:
        yield _look("inboxes", lambda: _inboxes(configuration))
    yield _look("mounted file systems", lambda: " ".join(hung_places(configuration)))
    if answers and not hung and here is Zone.PHI:
        yield _look("admission", lambda: obstacle(configuration))
    yield from _at_work(configuration, database_answers=answers, hung=bool(hung), now=now)
    if answers:
        yield _look("pauses", pauses)
        yield _look("batches", lambda: stuck_batches(configuration, now=now))
        yield _look("numbers of batches", counts)
    if answers and mounted and here is Zone.PHI:
        yield _look("originals", lambda: lost_originals(configuration))
    yield Finding("core dumps", core_dumps(resource.getrlimit(resource.RLIMIT_CORE)[0]))
    yield Finding("swap", swap(Path("/")))


def _database(configuration: Configuration) -> None:
    require_database_of_work(configuration)
    file = configuration.settings.database.sqlite_file
    if file is not None and not file.exists():  # asking it would make it
        raise SchemaMismatch(
            f"There is no database {file} yet: start the watcher (sendit run), which makes it; if "
            "there is one elsewhere, name it in database.url."
        )
    require_same_schema()
    require_writable()


def _is_new(work_dir: Path) -> bool:
    """Say whether nothing was ever set up in a working folder, as far as it can be seen."""
    workspace = Workspace(work_dir)
    try:
        return not workspace.was_set_up() and not workspace.was_worked_in()
    except OSError:
        return False  # ``_volumes`` says what is wrong with it


def _volumes(configuration: Configuration, here: Zone, *, new: bool) -> None:
    work_dir = configuration.settings.work_dir
    if new:
        raise VolumeMissing(
            f"Nothing was set up in {work_dir} yet, or its volume is not mounted: start the "
            "watcher (sendit run), which makes what is needed, or mount it. A configuration that "
            "lies elsewhere is named with --config."
        )
    Workspace(work_dir).check(here)


def _files(configuration: Configuration, *, database_answers: bool) -> Iterator[Finding]:
    settings = configuration.settings
    if database_answers:
        yield _look("keys", lambda: load_keys(configuration, history=True))
        yield _look("own keys", lambda: require_own_keys(settings))
    else:
        yield _look("keys", lambda: require_key_files(settings))
    yield _look("clock of the working volume", lambda: clock_of_volume(settings.work_dir))
    yield _look("rights", lambda: rights(configuration, environ=os.environ))


def _at_work(
    configuration: Configuration, *, database_answers: bool, hung: bool, now: datetime
) -> Iterator[Finding]:
    messages = configuration.settings.mode == "celery"
    if database_answers and (messages or not hung):
        yield _look("watcher", lambda: watcher(configuration, now=now))
    if not messages:
        return
    found = _look("broker", lambda: broker(configuration))
    yield found
    if not database_answers:
        return
    for zone in Zone:
        yield _look(f"workers of zone {zone}", partial(workers, zone, now=now))
        if found.problem is None:
            yield _look(f"queue of zone {zone}", partial(queue, configuration, zone))


def _look(what: str, do: Callable[[], object]) -> Finding:
    """Look at one thing: it is well unless an error or a text says otherwise."""
    try:
        said = do()
    except SenditError as error:
        said = str(error)
    except DatabaseError as error:
        said = _of_database(error)
    except OSError as error:
        said = (
            f"{os.strerror(error.errno or 0)}: {error.filename}. Sendit cannot use it: mend the "
            "path, its owner or its file system."
        )
    return Finding(what, said if isinstance(said, str) and said else None)


def _of_database(error: DatabaseError) -> str:
    if type(error) is DatabaseError:
        return DAMAGED
    # What others say may quote a value.
    words = error if isinstance(error, OperationalError) else type(error).__name__
    return (
        f"The database does not answer as it should ({str(words).strip()}): "
        f"{for_database(connection.vendor)}"
    )


def _inboxes(configuration: Configuration) -> str:
    problems = unusable_inboxes(configuration.settings, file="sendit.toml")
    return "; ".join(str(problem) for problem in problems)


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)
