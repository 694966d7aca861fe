"""The dashboard: is everything well, what needs a person, how much goes through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from sendit.metrics.numbers import batches_by_status
from sendit.metrics.throughput import Day, Hour, by_day, by_hour
from sendit.metrics.wording import count_text, moment_text, size_text
from sendit.terms import Status
from sendit.web.asking import who
from sendit.web.health import gauges, health, needing_a_person, number_needing_a_person
from sendit.web.rows import rows

MOST_URGENT = 5
NEWEST = 10
REFRESH_SECONDS = 5
DAYS, HOURS = 14, 24
HEIGHT = 100
MEANING: Mapping[Status, str] = {
    Status.QUEUE: "waits to be let in",
    Status.NEW: "being read in",
    Status.PROCESSING: "being de-identified",
    Status.DONEPROCESSING: "on its way out",
    Status.DONE: "delivered and proven",
    Status.EMPTY: "nothing to send",
    Status.ERROR: "stopped",
}
"""What the states of a batch mean, in the order in which it takes them."""


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
    told: str
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
    projects = access.projects()
    urgent = needing_a_person(batches)
    waiting = number_needing_a_person(batches)
    counts = batches_by_status(projects)
    context = {
        "health": health(settings.SENDIT, access, waiting=waiting, now=now),
        "gauges": gauges(settings.SENDIT, access, now=now),
        "urgent": rows(list(urgent[:MOST_URGENT]), access, now=now),
        "waiting": waiting,
        "rows": rows(list(batches.order_by("-pk")[:NEWEST]), access, now=now),
        "counts": [(word.value, counts[word.value], MEANING[word]) for word in MEANING],
        "total": sum(counts.values()),
        "charts": [
            _volume(by_day(projects, days=DAYS, now=now)),
            _images(by_hour(projects, hours=HOURS, now=now)),
        ],
        "now": moment_text(now),
        "refresh": None if request.GET.get("refresh") == "off" else REFRESH_SECONDS,
        "nothing_granted": projects == [],
    }
    return render(request, "web/dashboard.html", context)


def _volume(days: Sequence[Day]) -> Chart:
    total, most = sum(day.size for day in days), max(day.size for day in days)
    return _chart(
        "Delivered a day",
        [
            (
                f"{day.day:%a %d %b}",
                day.size,
                f"{size_text(day.size)} in {count_text(day.batches, 'batch', 'batches')}",
            )
            for day in days
        ],
        told=f"{size_text(total)} in {len(days)} days; at most {size_text(most)} a day",
    )


def _images(hours: Sequence[Hour]) -> Chart:
    total, most = sum(hour.images for hour in hours), max(hour.images for hour in hours)
    return _chart(
        "Images an hour",
        [(f"{hour.began:%H:00}", hour.images, count_text(hour.images, "image")) for hour in hours],
        told=f"{count_text(total, 'image')} in {len(hours)} h; at most {most} an hour",
    )


def _chart(title: str, values: Sequence[tuple[str, int, str]], *, told: str) -> Chart:
    highest = max((value for _, value, _ in values), default=0)
    columns = []
    for place, (label, value, text) in enumerate(values):
        height = max(2, round(HEIGHT * value / highest)) if value else 0
        columns.append(Column(10 * place, HEIGHT - height, height, label, text))
    return Chart(title, columns, told, values[0][0], values[-1][0])
