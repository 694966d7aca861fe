"""Is everything well? One line, for the top of the page; and what that rests on."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db.models import Q

from sendit.config import Configuration
from sendit.ingest.loop_lock import loop_is_alive
from sendit.metrics.wording import count_text, duration_text, size_text
from sendit.pipeline.admission import obstacle
from sendit.pipeline.machine.table import HELD_PERSON, HELD_RETURN
from sendit.pipeline.pausing import paused
from sendit.records.access import Access
from sendit.records.beats import WATCHER, last_beat, workers_alive
from sendit.records.models import Batch, DeliveredInstance
from sendit.records.queries import BatchQuerySet
from sendit.terms import Status, Zone


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


@dataclass(frozen=True, slots=True)
class Stopped:
    """Something that is paused."""

    what: str
    command: str
    """What lets it go on."""


def needing_a_person(batches: BatchQuerySet) -> BatchQuerySet:
    """Return those of some batches that do not go on by themselves, newest first."""
    stopped = Batch.objects.filter(status=Status.ERROR, turned_down=False)
    waiting = _held(Batch.objects.all())
    # A union, since each part has an index and the three together have none.
    wanted = (
        stopped.order_by()
        .values("pk")
        .union(waiting.order_by().values("pk"), _left_behind().order_by().values("pk"))
    )
    return batches.filter(pk__in=wanted).order_by("-pk")


def number_needing_a_person(batches: BatchQuerySet) -> int:
    """Return how many ``needing_a_person`` has; small counts are quicker than their union."""
    stopped = Q(status=Status.ERROR, turned_down=False)
    waiting = _held(batches).exclude(stopped)
    left = batches.filter(pk__in=_left_behind().values("pk"))
    return batches.filter(stopped).count() + waiting.count() + left.count()


def _held(batches: BatchQuerySet) -> BatchQuerySet:
    # Said twice, since SQLite does not see that what is one of these is not empty.
    return batches.exclude(held="").filter(held__in=[HELD_PERSON, HELD_RETURN])


def _left_behind() -> BatchQuerySet:
    """Return those delivered and recalled of which a target may hold copies all the same."""
    # A bound, since SQLite uses no index for "is not null".
    copies = DeliveredInstance.objects.filter(study__recall__gt=0, removed=None)
    return Batch.objects.filter(status=Status.DONE, pk__in=copies.values("study__batch"))


def health(configuration: Configuration, access: Access, *, waiting: int, now: datetime) -> Health:
    """Return the one thing to know first.

    Parameters
    ----------
    configuration
        The installation.
    access
        What whoever looks may see.
    waiting
        How many of their batches need a person.
    now
        The time.
    """
    batches = access.batches()
    broken = _broken(configuration, batches, now=now)
    if broken is not None:
        return broken
    if waiting:
        verb = "needs" if waiting == 1 else "need"
        return Health("bad", f"{count_text(waiting, 'batch', 'batches')} {verb} a person.")
    stopped = pauses(configuration, access)
    if stopped:
        return Health("waiting", f"Paused: {_names(stopped)}.", stopped[0].command)
    put_off = batches.filter(retry_at__gt=now).exclude(status=Status.ERROR).count()
    if put_off:
        return Health("waiting", f"{count_text(put_off, 'batch', 'batches')} will be tried again.")
    busy = batches.admitted().count()
    if busy:
        return Health("busy", f"At work on {count_text(busy, 'batch', 'batches')}.")
    return Health("good", "All is well; waiting for studies.")


def _broken(
    configuration: Configuration, batches: BatchQuerySet, *, now: datetime
) -> Health | None:
    """Return what keeps everything from going on, if anything does."""
    if not watcher_is_alive(configuration, now=now):
        return Health(
            "bad", "Nobody is at work: folders are not taken in.", start_command(configuration)
        )
    hindered = _obstacle(configuration, batches, now=now)
    if hindered:
        return Health("bad", hindered)
    for zone, number in _workers(configuration, now=now):
        if not number:
            words = f"No worker of zone {zone} is alive: what it has to do is left undone."
            return Health("bad", words, f"sendit worker --zone {zone}")
    return None


def watcher_is_alive(configuration: Configuration, *, now: datetime) -> bool:
    """Say whether the watcher is alive; at a site, where its lock cannot be seen, by its signs."""
    if configuration.settings.mode == "celery":
        return last_beat(WATCHER, now=now) is not None
    return loop_is_alive(configuration.settings.work_dir)


def start_command(configuration: Configuration) -> str:
    """Return what starts the watcher."""
    return "sendit start_watcher" if configuration.settings.mode == "celery" else "sendit serve"


def pauses(configuration: Configuration, access: Access) -> list[Stopped]:
    """Return what is paused, of what somebody may see: the node, projects, targets."""
    now = paused()
    seen = access.projects()
    projects = [
        project
        for name, project in sorted(configuration.projects.items())
        if seen is None or name in seen
    ]
    targets = sorted({target.name for project in projects for target in project.targets})
    resume = "sendit resume"
    found = [Stopped("the node", resume)] if now.node else []
    found += [
        Stopped(f"project {one.name}", f"{resume} --project {one.name}")
        for one in projects
        if one.name in now.projects
    ]
    found += [
        Stopped(f"target {name}", f"{resume} --target {name}")
        for name in targets
        if name in now.targets
    ]
    return found


def _names(stopped: Sequence[Stopped]) -> str:
    return ", ".join(one.what for one in stopped)


def gauges(configuration: Configuration, access: Access, *, now: datetime) -> list[Gauge]:
    """Return watcher, workers, queue and disk; and what is paused."""
    batches = access.batches()
    stopped = pauses(configuration, access)
    return [
        _watcher(configuration, now=now),
        *_at_work(configuration, batches, now=now),
        _queue(batches, now=now),
        _disk(configuration),
        *([Gauge("Paused", _names(stopped), "waiting", stopped[0].command)] if stopped else []),
    ]


def _obstacle(configuration: Configuration, batches: BatchQuerySet, *, now: datetime) -> str:
    """Return why nothing is let in; the watcher of a site says so, for its volumes are not here."""
    if configuration.settings.mode == "celery":
        last = last_beat(WATCHER, now=now)
        return last.words if last else ""
    return (obstacle(configuration) or "") if batches.queued().exists() else ""


def _workers(configuration: Configuration, *, now: datetime) -> list[tuple[Zone, int]]:
    """Return on how many machines each zone of a site has workers that are alive."""
    if configuration.settings.mode != "celery":
        return []
    return [(zone, workers_alive(zone, now=now)) for zone in Zone]


def _watcher(configuration: Configuration, *, now: datetime) -> Gauge:
    if watcher_is_alive(configuration, now=now):
        return Gauge("Watcher", "running", "good")
    return Gauge("Watcher", "not running", "bad", f"start it: {start_command(configuration)}")


def _at_work(configuration: Configuration, batches: BatchQuerySet, *, now: datetime) -> list[Gauge]:
    number = batches.claimed(now).count() + batches.shared_out(now).count()
    workers = _workers(configuration, now=now)
    processes = count_text(configuration.settings.workers.processes, "process", "processes")
    work = Gauge(
        "At work on",
        count_text(number, "batch", "batches"),
        "busy" if number else "quiet",
        "" if workers else f"{processes} configured",
    )
    alive = [
        Gauge(f"Workers {zone}", count_text(n, "machine"), "good")
        if n
        else Gauge(f"Workers {zone}", "none", "bad", f"start one: sendit worker --zone {zone}")
        for zone, n in workers
    ]
    return [*alive, work]


def _queue(batches: BatchQuerySet, *, now: datetime) -> Gauge:
    oldest = batches.filter(status=Status.QUEUE).order_by("pk").values_list("created", flat=True)
    first = oldest.first()
    if first is None:
        return Gauge("Oldest in the queue", "none", "quiet")
    return Gauge("Oldest in the queue", duration_text(now - first), "waiting")


def _disk(configuration: Configuration) -> Gauge:
    try:
        usage = shutil.disk_usage(_volume(configuration))
    except OSError:
        return Gauge("Disk", "not there", "bad", "the working folder cannot be found")
    least = configuration.settings.limits.min_free_disk
    free = f"{size_text(usage.free)} free"
    if usage.free < least:
        why = f"less than min_free_disk ({size_text(least)}): nothing new is let in"
        return Gauge("Disk", free, "bad", why)
    return Gauge("Disk", free, "good", f"of {size_text(usage.total)}")


def _volume(configuration: Configuration) -> Path:
    """Return a folder of the working volume; of it, the pages of a site see the previews alone."""
    work_dir: Path = configuration.settings.work_dir
    if configuration.settings.mode == "celery":
        return work_dir / "previews"
    return work_dir
