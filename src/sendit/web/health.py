"""Is everything well? One line, for the top of the page; and what that rests on."""

import shutil
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from sendit.config import Configuration
from sendit.ingest.loop_lock import loop_is_alive
from sendit.metrics.wording import count_text, duration_text, size_text
from sendit.pipeline.admission import obstacle
from sendit.pipeline.machine.table import HELD_PERSON, HELD_RETURN
from sendit.records.beats import WATCHER, last_beat
from sendit.records.models import Batch
from sendit.records.queries import BatchQuerySet
from sendit.terms import Status


@dataclass(frozen=True, slots=True)
class Health:
    """How the installation is."""

    tone: str
    """As in ``metrics.standing``."""
    words: str
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Gauge:
    """One thing that work rests on."""

    name: str
    value: str
    tone: str
    note: str = ""


def needing_a_person(batches: BatchQuerySet) -> BatchQuerySet:
    """Return those of some batches that do not go on by themselves, newest first."""
    stopped = Batch.objects.filter(status=Status.ERROR, turned_down=False)
    waiting = Batch.objects.exclude(held="").filter(held__in=[HELD_PERSON, HELD_RETURN])
    # A union, since each half has an index and the two together have none.
    wanted = stopped.order_by().values("pk").union(waiting.order_by().values("pk"))
    return batches.filter(pk__in=wanted).order_by("-pk")


def number_needing_a_person(batches: BatchQuerySet) -> int:
    """Return how many ``needing_a_person`` has; two small counts are quicker than their union."""
    stopped = Q(status=Status.ERROR, turned_down=False)
    waiting = batches.filter(held__in=[HELD_PERSON, HELD_RETURN]).exclude(stopped)
    return batches.filter(stopped).count() + waiting.count()


def health(
    configuration: Configuration, batches: BatchQuerySet, *, waiting: int, now: datetime
) -> Health:
    """Return the one thing to know first.

    Parameters
    ----------
    configuration
        The installation.
    batches
        Those that whoever looks may see.
    waiting
        How many of them need a person.
    now
        The time.
    """
    alive, hindered = _watcher(configuration, batches, now=now)
    if not alive:
        return Health("bad", "Nobody is at work: folders are not taken in.", "sendit serve")
    if hindered:
        return Health("bad", hindered)
    if waiting:
        verb = "needs" if waiting == 1 else "need"
        return Health("bad", f"{count_text(waiting, 'batch', 'batches')} {verb} a person.")
    put_off = batches.filter(retry_at__gt=now).exclude(status=Status.ERROR).count()
    if put_off:
        return Health("waiting", f"{count_text(put_off, 'batch', 'batches')} will be tried again.")
    busy = batches.admitted().count()
    if busy:
        return Health("busy", f"At work on {count_text(busy, 'batch', 'batches')}.")
    return Health("good", "All is well; waiting for studies.")


def _watcher(
    configuration: Configuration, batches: BatchQuerySet, *, now: datetime
) -> tuple[bool, str]:
    """Return whether the watcher is alive, and why it lets nothing in.

    At a site it runs where its lock and its volumes cannot be seen from here.
    """
    if configuration.settings.mode == "celery":
        last = last_beat(WATCHER, now=now)
        return last is not None, last.words if last else ""
    hindered = obstacle(configuration) if batches.queued().exists() else None
    return loop_is_alive(configuration.settings.work_dir), hindered or ""


def gauges(configuration: Configuration, batches: BatchQuerySet, *, now: datetime) -> list[Gauge]:
    """Return watcher, workers, queue and disk."""
    settings = configuration.settings
    alive, _ = _watcher(configuration, batches, now=now)
    at_work = batches.claimed(now).count() + batches.shared_out(now).count()
    return [
        Gauge("Watcher", "running", "good")
        if alive
        else Gauge("Watcher", "not running", "bad", "start it: sendit serve"),
        Gauge(
            "At work on",
            count_text(at_work, "batch", "batches"),
            "busy" if at_work else "quiet",
            f"{count_text(settings.workers.processes, 'process', 'processes')} configured",
        ),
        _queue(batches, now=now),
        _disk(configuration),
    ]


def _queue(batches: BatchQuerySet, *, now: datetime) -> Gauge:
    oldest = batches.filter(status=Status.QUEUE).order_by("pk").values_list("created", flat=True)
    first = oldest.first()
    if first is None:
        return Gauge("Oldest in the queue", "none", "quiet")
    return Gauge("Oldest in the queue", duration_text(now - first), "waiting")


def _disk(configuration: Configuration) -> Gauge:
    try:
        usage = shutil.disk_usage(configuration.settings.work_dir)
    except OSError:
        return Gauge("Disk", "not there", "bad", "the working folder cannot be found")
    low = usage.free < configuration.settings.limits.min_free_disk
    return Gauge(
        "Disk",
        f"{size_text(usage.free)} free",
        "bad" if low else "good",
        f"of {size_text(usage.total)}",
    )
