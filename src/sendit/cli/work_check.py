"""Whether anybody is at work: the watcher, the workers of each zone, and who takes messages."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.db.models.functions import Coalesce, Greatest

from sendit.config import Configuration
from sendit.ingest.loop_lock import loop_is_alive
from sendit.metrics.wording import count_text, moment_text
from sendit.pipeline.pausing import paused
from sendit.pipeline.workspace import Workspace
from sendit.records.beats import WATCHER, last_beat, workers_alive
from sendit.records.counting import COUNTS
from sendit.records.hours import HOURS
from sendit.records.models import Batch
from sendit.terms import Stage, Zone
from sendit.workers.nudge import nudger

STUCK, STUCK_BESIDE_OTHERS = timedelta(minutes=10), timedelta(hours=1)
TAKEN_WITHIN_SECONDS = 3.0
"""A worker with nothing to do takes a message within less."""
_NAMED = 5


def watcher(configuration: Configuration, *, now: datetime) -> str | None:
    """Return what is wrong when folders are not taken in."""
    if configuration.settings.mode == "celery":
        alive = last_beat(WATCHER, now=now) is not None
    else:
        alive = loop_is_alive(configuration.settings.work_dir)
    return None if alive else 'No watcher is alive: folders are not taken in. Start "sendit run".'


def broker(configuration: Configuration) -> None:
    """Return if the broker takes messages, else raise ``BrokerUnavailable``."""
    nudger(configuration).require_room()


def workers(zone: Zone, *, now: datetime) -> str | None:
    """Return what is wrong when a zone has no worker that gives signs of life."""
    if workers_alive(zone, now=now):
        return None
    return (
        f'No worker of zone {zone} is alive: its batches wait. Start "sendit worker --zone {zone}".'
    )


def queue(configuration: Configuration, zone: Zone) -> str | None:
    """Return what is wrong when messages wait though nobody has anything to do."""
    carrier = nudger(configuration)
    until = time.monotonic() + TAKEN_WITHIN_SECONDS
    while (waiting := carrier.waiting(zone) or 0) and not _anybody_at_work():
        if time.monotonic() > until:
            return (
                f"{count_text(waiting, 'message')} for zone {zone}: nobody takes any, nor is "
                f'anybody at work. Is "sendit worker --zone {zone}" alive, and does its broker.url '
                "name this Redis?"
            )
        time.sleep(0.1)
    return None


def _anybody_at_work() -> bool:
    now = datetime.now(UTC)
    return Batch.objects.claimed(now).exists() or Batch.objects.shared_out(now).exists()


def pauses() -> str | None:
    """Return what is paused."""
    now = paused()
    if now.node:
        return 'The node is paused. Run "sendit resume" when it may go on.'
    names = [f"project {name}" for name in sorted(now.projects)]
    names += [f"target {name}" for name in sorted(now.targets)]
    return f'Paused: {", ".join(names)}. Run "sendit resume" with its name.' if names else None


def stuck_batches(configuration: Configuration, *, now: datetime) -> str | None:
    """Return which batches are due and nobody takes up; when others are busy, they may wait long.

    The moment that a batch was put off to counts, not when that was written down.
    """
    patience = STUCK_BESIDE_OTHERS if _anybody_at_work() else STUCK
    since = Greatest("modified", Coalesce("retry_at", "modified"), Coalesce("due_at", "modified"))
    left = Batch.objects.untouched(now).annotate(since=since).filter(since__lt=now - patience)
    found = list(left.order_by("since", "pk").values_list("pk", "stage", "since"))
    if not found:
        return None
    zones = sorted({Stage(stage).zone for _, stage, _ in found})
    who = (
        'whether "sendit run" is alive, and start it anew'
        if configuration.settings.mode != "celery"
        else "whether the broker answers and "
        + " and ".join(f'"sendit worker --zone {zone}"' for zone in zones)
        + " is alive, and start what is not"
    )
    numbers = _listed([number for number, _, _ in found])
    return (
        f"{numbers[0].upper()}{numbers[1:]} could go on since {moment_text(found[0][2])} UTC, and "
        f"nobody takes {'it' if len(found) == 1 else 'them'} up: see {who}."
    )


def counts() -> str | None:
    """Return what to do when the pages count what is not there, or too little."""
    if COUNTS.are_right() and HOURS.are_right():
        return None
    return (
        "The numbers on the pages are not those of the tables: something has changed these "
        "without the database's triggers. Restart the watcher, which counts anew."
    )


def lost_originals(configuration: Configuration) -> str | None:
    """Return which batches are on their way without their files, as after a restore."""
    workspace = Workspace(configuration.settings.work_dir)
    on_their_way = Batch.objects.with_originals().order_by("pk").values_list("pk", flat=True)
    lost = [batch_id for batch_id in on_their_way if not workspace.phi(batch_id).is_dir()]
    if not lost:
        return None
    return (
        f"The originals of {_listed(lost)} are gone from {workspace.work_dir / 'phi'}, as after a "
        "restore of the database alone. Put the working folder back; or hand the folders in again, "
        f'and end what is left of each when it has stopped: "sendit resolve {lost[0]} --reject".'
    )


def _listed(batch_ids: Sequence[int]) -> str:
    names = ", ".join(map(str, batch_ids[:_NAMED]))
    more = f" and {len(batch_ids) - _NAMED} more" if len(batch_ids) > _NAMED else ""
    return f"{'batch' if len(batch_ids) == 1 else 'batches'} {names}{more}"
