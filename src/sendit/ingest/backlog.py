"""A backlog in portions: let so many waiting batches in, and see that somebody works on them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from sendit.config import Configuration
from sendit.config.mounts import resolved
from sendit.errors import UsageError
from sendit.ingest.crew import work_until_stopped
from sendit.ingest.loop_lock import loop_is_alive, only_loop
from sendit.ingest.rounds import Rounds
from sendit.pipeline.admission import admit, obstacle
from sendit.records.models import Batch
from sendit.terms import Stage
from sendit.workers.nudge import nudger


@dataclass(frozen=True, slots=True)
class Started:
    """What was let in."""

    batch_ids: tuple[int, ...]
    obstacle: str | None
    """Why nothing was, although something waits."""


def start_queue(
    configuration: Configuration,
    *,
    site_key: bytes,
    number: int,
    folder: Path | None,
    stop: Event,
    tell: Callable[[str], None],
) -> Started:
    """Let up to ``number`` batches in; when none waits, look into the inboxes first.

    Parameters
    ----------
    configuration
        The installation and its projects.
    site_key
        As ``prepare`` returned it.
    number
        At most this many, whatever ``batches_at_once`` says.
    folder
        Look only here, an inbox or a folder in one; None: into all.
    stop
        Set by a signal handler.
    tell
        Called with a line for the operator.

    Raises
    ------
    sendit.errors.UsageError
        When the folder is not in an inbox, or not there.
    """
    inbox, name = _place(configuration, folder) if folder is not None else (None, None)
    if not Batch.objects.queued().exists():
        _look(configuration, inbox=inbox, name=name, stop=stop)
    contenders = Batch.objects.queued().count()
    batch_ids = admit(configuration, now=datetime.now(UTC), limit=number)
    tell(f"{contenders} contenders, {len(batch_ids)} started.")
    settings = configuration.settings
    if settings.mode == "celery":
        bell = nudger(configuration)
        for batch_id in batch_ids:
            bell.nudge(batch_id, Stage.IMPORT.zone)
    elif batch_ids and not loop_is_alive(settings.work_dir):
        tell("No worker is alive: they are worked on here until they rest.")
        with only_loop(settings.work_dir):
            work_until_stopped(configuration, site_key=site_key, only=batch_ids, stop=stop)
    why = obstacle(configuration) if contenders and not batch_ids else None
    return Started(tuple(batch_ids), why)


def _place(configuration: Configuration, folder: Path) -> tuple[Path, str | None]:
    """Return the inbox that a folder is or lies in, and which of its folders is meant."""
    asked = folder.absolute()
    for inbox in configuration.settings.inboxes:
        for path in (asked, resolved(asked)):
            for root in (inbox.path, resolved(inbox.path)):
                if path.is_relative_to(root):
                    if not path.is_dir():
                        raise UsageError(f"There is no such folder in the inbox {inbox.path}.")
                    inside = path.relative_to(root).parts
                    return inbox.path, inside[0] if inside else None
    raise UsageError(
        "The folder is not in an inbox; the inboxes are "
        + ", ".join(str(inbox.path) for inbox in configuration.settings.inboxes)
        + "."
    )


def _look(
    configuration: Configuration, *, inbox: Path | None, name: str | None, stop: Event
) -> None:
    """Take in what is finished; folders that settle are given their time once."""
    rounds = Rounds(configuration, stop=stop, only=inbox, only_name=name)
    until = time.monotonic() + rounds.longest_settle().total_seconds() + 1
    try:
        rounds.look_if_due()
        while rounds.settling and not stop.is_set() and time.monotonic() < until:
            stop.wait(0.1)
            rounds.look_if_due()
    finally:
        rounds.close()
