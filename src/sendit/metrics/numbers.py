"""Counts, amounts and times over all batches; one query each, and no name among them."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from django.db.models import Sum

from sendit.config.mounts import answers
from sendit.records import counting
from sendit.records.hours import kept_hours
from sendit.records.models import Batch
from sendit.terms import Status

BYTES_PER_MB = 10**6
BYTES_PER_GB = 10**9

MOST_DAYS = 36_500
"""How far back a rate may be asked for."""


@dataclass(frozen=True, slots=True)
class ProcessTime:
    """How long one batch took; size and times only when it is ``DONE``."""

    batch_id: int
    uid: str = field(repr=False)
    status: str
    size_mb: float | None
    started: datetime | None
    finished: datetime | None

    @property
    def took(self) -> timedelta | None:
        """From admission to ``DONE``."""
        if self.started is None or self.finished is None:
            return None
        return self.finished - self.started


def process_times(*, with_uid: bool) -> Iterator[ProcessTime]:
    """Yield every batch, by status, then by number.

    The uid may identify a patient; it is left empty unless asked for.  Some are in memory at a
    time, however many there are.
    """
    batches = Batch.objects.order_by("status", "pk")
    columns = ["pk", "status", "bytes", "started", "finished", *(["uid"] if with_uid else [])]
    for pk, status, size, started, finished, *uid in batches.values_list(*columns).iterator():
        done = status == Status.DONE
        yield ProcessTime(
            batch_id=pk,
            uid=uid[0] if uid else "",
            status=status,
            size_mb=size / BYTES_PER_MB if done else None,
            started=started if done else None,
            finished=finished if done else None,
        )


def batches_by_status(projects: Collection[str] | None = None) -> dict[str, int]:
    """Return how many batches, of all or some projects, have each status; 0 if none has."""
    found = counting.batches_by_status(projects)
    return {word.value: found.get(word.value, 0) for word in Status}


def batches_on_their_way() -> int:
    """Return how many batches are not yet ``DONE``, ``EMPTY`` or ``ERROR``."""
    return Batch.objects.exclude(status__in=[Status.DONE, Status.EMPTY, Status.ERROR]).count()


def gb_per_day(*, days: int, now: datetime, projects: Collection[str] | None = None) -> float:
    """Return gigabytes (10⁹ bytes) a day of what became ``DONE`` in the last days."""
    since = now - timedelta(days=days)
    whole = since.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    # Whole hours are kept; of the one in which the time begins, its batches are summed.
    begun = Batch.objects.filter(status=Status.DONE, finished__gt=since, finished__lt=whole)
    if projects is not None:
        begun = begun.filter(project__in=projects)
    kept = kept_hours(projects).filter(hour__gte=whole)
    total: int = sum(rows.aggregate(total=Sum("bytes"))["total"] or 0 for rows in (begun, kept))
    return total / BYTES_PER_GB / days


def folders_in(inbox: Path) -> int:
    """Return how many folders an inbox holds; 0 when it cannot be looked into."""
    if not answers(inbox):
        return 0
    try:
        return sum(entry.is_dir(follow_symlinks=False) for entry in os.scandir(inbox))
    except OSError:
        return 0
