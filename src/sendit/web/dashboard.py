"""The dashboard: is everything well, what needs a person, how much goes through."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from sendit.metrics.numbers import batches_by_status
from sendit.metrics.throughput import Day, Hour, by_day, by_hour
from sendit.metrics.wording import moment_text
from sendit.terms import Status
from sendit.web.asking import who
from sendit.web.health import gauges, health, needing_a_person
from sendit.web.rows import rows

MOST_URGENT = 10
NEWEST = 10
REFRESH_SECONDS = 5
DAYS, HOURS = 14, 24
HEIGHT = 100


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a chart, in a box that is ``HEIGHT`` high."""

    x: int
    y: int
    height: int
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Columns side by side, each 10 wide."""

    title: str
    columns: Sequence[Column]
    highest: str
    total: str
    first: str
    last: str

    @property
    def width(self) -> int:
        """Width of the box."""
        return 10 * len(self.columns)


@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """Show how the installation is, what needs a person, and what came last."""
    now = datetime.now(UTC)
    access = who(request)
    batches = access.batches()
    urgent = needing_a_person(batches)
    waiting = urgent.count()
    counts = batches_by_status(batches)
    projects = access.projects()
    context = {
        "health": health(settings.SENDIT, batches, waiting=waiting, now=now),
        "gauges": gauges(settings.SENDIT, batches, now=now),
        "urgent": rows(list(urgent[:MOST_URGENT]), access, now=now),
        "waiting": waiting,
        "rows": rows(list(batches.order_by("-pk")[:NEWEST]), access, now=now),
        "counts": [(word.value, counts[word.value]) for word in Status if word != Status.SENT],
        "total": sum(counts.values()),
        "charts": [
            _volume(by_day(batches, days=DAYS, now=now)),
            _images(by_hour(None if projects is None else list(projects), hours=HOURS, now=now)),
        ],
        "now": moment_text(now),
        "refresh": None if request.GET.get("refresh") == "off" else REFRESH_SECONDS,
        "nothing_granted": projects == [],
    }
    return render(request, "web/dashboard.html", context)


def _volume(days: Sequence[Day]) -> Chart:
    total = sum(day.gb for day in days)
    return _chart(
        "GB a day",
        [
            (f"{day.day:%a %d %b}", day.gb, f"{day.gb:.3g} GB in {day.batches} batches")
            for day in days
        ],
        total=f"{total:.3g} GB in {len(days)} days",
    )


def _images(hours: Sequence[Hour]) -> Chart:
    total = sum(hour.images for hour in hours)
    return _chart(
        "Images an hour",
        [(f"{hour.began:%H:00}", float(hour.images), f"{hour.images} images") for hour in hours],
        total=f"{total} images in {len(hours)} h",
    )


def _chart(title: str, values: Sequence[tuple[str, float, str]], *, total: str) -> Chart:
    highest = max((value for _, value, _ in values), default=0.0)
    columns = []
    for place, (label, value, text) in enumerate(values):
        height = max(2, round(HEIGHT * value / highest)) if highest and value else 0
        columns.append(Column(10 * place, HEIGHT - height, height, label, text))
    shown = f"{highest:.3g}" if highest else "0"
    return Chart(title, columns, shown, total, values[0][0], values[-1][0])
