"""How much went through when: by day and by hour, one query each, of sums that are kept."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db.models import Sum, TextField
from django.db.models.functions import Cast, Substr

from sendit.records.hours import kept_hours

_DAY = len("2026-05-04")


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


def by_day(projects: Collection[str] | None, *, days: int, now: datetime) -> list[Day]:
    """Return the last days, oldest first, also those on which nothing was done.

    ``projects`` None: of all of them.
    """
    last = now.astimezone(UTC).date()
    first = last - timedelta(days=days - 1)
    rows = (
        kept_hours(projects)
        .filter(hour__gte=datetime.combine(first, datetime.min.time(), UTC))
        # Cut as text, which both databases do without calling Python for each row.
        .annotate(day=Substr(Cast("hour", TextField()), 1, _DAY))
        .values_list("day")
        .annotate(size=Sum("bytes"), number=Sum("batches"))
    )
    found = {day: (size, number) for day, size, number in rows}
    wanted = (first + timedelta(days=n) for n in range(days))
    return [Day(day, *found.get(str(day), (0, 0))) for day in wanted]


def by_hour(projects: Collection[str] | None, *, hours: int, now: datetime) -> list[Hour]:
    """Return the last hours, oldest first; ``projects`` None: of all of them."""
    last = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    first = last - timedelta(hours=hours - 1)
    rows = kept_hours(projects).filter(hour__gte=first).values_list("hour")
    found = dict(rows.annotate(total=Sum("images")))
    wanted = (first + timedelta(hours=n) for n in range(hours))
    return [Hour(hour, found.get(hour, 0)) for hour in wanted]
