"""Is everything well? One line, for the top of the page."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from sendit.config import Configuration
from sendit.ingest.loop_lock import loop_is_alive
from sendit.metrics.wording import count_text
from sendit.pipeline.admission import obstacle
from sendit.pipeline.machine.table import HELD_PERSON
from sendit.records.beats import WATCHER, last_beat
from sendit.records.models import Batch
from sendit.terms import Status


@dataclass(frozen=True, slots=True)
class Health:
    """How the installation is."""

    tone: str
    """As in ``metrics.standing``."""
    words: str
    todo: str = ""


def needing_a_person() -> QuerySet[Batch]:
    """Return the batches that do not go on by themselves, newest first."""
    stopped = Q(status=Status.ERROR, turned_down=False)
    waiting = Q(has_error=True, held=HELD_PERSON) | Q(held=HELD_PERSON)
    return Batch.objects.filter(stopped | waiting).order_by("-pk")


def health(configuration: Configuration, *, now: datetime) -> Health:
    """Return the one thing to know first."""
    alive, hindered = _watcher(configuration, now=now)
    if not alive:
        return Health("bad", "Nobody is at work: folders are not taken in.", "sendit serve")
    if hindered:
        return Health("bad", hindered)
    waiting = needing_a_person().count()
    if waiting:
        verb = "needs" if waiting == 1 else "need"
        return Health("bad", f"{count_text(waiting, 'batch', 'batches')} {verb} a person.")
    put_off = Batch.objects.filter(retry_at__gt=now).exclude(status=Status.ERROR).count()
    if put_off:
        return Health("waiting", f"{count_text(put_off, 'batch', 'batches')} will be tried again.")
    busy = Batch.objects.admitted().count()
    if busy:
        return Health("busy", f"At work on {count_text(busy, 'batch', 'batches')}.")
    return Health("good", "All is well; waiting for studies.")


def _watcher(configuration: Configuration, *, now: datetime) -> tuple[bool, str]:
    """Return whether the watcher is alive, and why it lets nothing in.

    At a site it runs where its lock and its volumes cannot be seen from here.
    """
    if configuration.settings.mode == "celery":
        last = last_beat(WATCHER, now=now)
        return last is not None, last.words if last else ""
    hindered = obstacle(configuration) if Batch.objects.queued().exists() else None
    return loop_is_alive(configuration.settings.work_dir), hindered or ""
