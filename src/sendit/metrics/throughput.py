"""How much went through when: by day and by hour, one query each.

Moments are cut as text, which both databases do without calling Python for each row.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db.models import Count, Sum, TextField
from django.db.models.functions import Cast, Substr

from sendit.records.models import StageRun
from sendit.records.queries import BatchQuerySet
from sendit.terms import Stage, Status

_DAY = len("2026-05-04")
_HOUR = len("2026-05-04 10")


@dataclass(frozen=True, slots=True)
class Day:
    """What became ``DONE`` on one day (UTC)."""

    day: date
    size: int
    """Bytes of the originals."""
    batches: int


@dataclass(frozen=True, slots=True)
class Hour:
    """How many images were worked on in the runs that ended in one hour (UTC)."""

    began: datetime
    images: int


def by_day(batches: BatchQuerySet, *, days: int, now: datetime) -> list[Day]:
    """Return the last days, oldest first, with those on which nothing was done."""
    last = now.astimezone(UTC).date()
    first = last - timedelta(days=days - 1)
    since = datetime.combine(first, datetime.min.time(), UTC)
    rows = (
        batches.order_by()
        .filter(status=Status.DONE, finished__gte=since)
        .annotate(day=Substr(Cast("finished", TextField()), 1, _DAY))
        .values_list("day")
        .annotate(total=Sum("bytes"), number=Count("pk"))
    )
    found = {day: (total, number) for day, total, number in rows}
    wanted = (first + timedelta(days=n) for n in range(days))
    return [
        Day(day, found[str(day)][0] or 0, found[str(day)][1])
        if str(day) in found
        else Day(day, 0, 0)
        for day in wanted
    ]


def by_hour(projects: list[str] | None, *, hours: int, now: datetime) -> list[Hour]:
    """Return the last hours, oldest first; ``projects`` None: of all of them."""
    last = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    first = last - timedelta(hours=hours - 1)
    runs = StageRun.objects.filter(stage=Stage.DEIDENTIFY, ended__gte=first)
    if projects is not None:
        runs = runs.filter(batch__project__in=projects)
    rows = (
        runs.order_by()
        .annotate(hour=Substr(Cast("ended", TextField()), 1, _HOUR))
        .values_list("hour")
        .annotate(total=Sum("images"))
    )
    found = dict(rows)
    wanted = (first + timedelta(hours=n) for n in range(hours))
    return [Hour(hour, found.get(f"{hour:%Y-%m-%d %H}") or 0) for hour in wanted]
