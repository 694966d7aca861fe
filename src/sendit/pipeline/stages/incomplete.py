"""Which series of a batch are not whole, through us or by what their sender announced.

What makes them whole may come later, in another batch; then what was held goes on by itself.
"""

from datetime import datetime

from django.db.models import Count, Max, Q, QuerySet

from sendit.pipeline import machine
from sendit.pipeline.machine import HELD_PERSON
from sendit.records.models import Batch, Image
from sendit.terms import Reason, Verdict


def incomplete_series(batch: Batch) -> set[str]:
    """Return the series (by digest) of which we miss an instance, or fewer came than announced.

    A second file of one UID is no instance that is missing.  What came in other batches of the
    project counts; gaps that were in the source do not.
    """
    known = Image.objects.filter(batch=batch).exclude(series_digest="")
    came = _came(batch.project)
    rejected = known.filter(verdict=Verdict.REJECTED).exclude(reason=Reason.SAME_UID)
    incomplete: set[str] = set()
    for uid, series in rejected.values_list("sop_digest", "series_digest"):
        if series not in incomplete and not came.filter(sop_digest=uid).exists():
            incomplete.add(series)
    announced = known.exclude(announced=None).values_list("series_digest")
    for series, count in announced.annotate(most=Max("announced")).order_by():
        distinct = came.filter(series_digest=series).aggregate(n=Count("sop_digest", distinct=True))
        if distinct["n"] < count:
            incomplete.add(series)
    return incomplete


def let_whole_series_go_on(batch: Batch, *, now: datetime) -> None:
    """Let go on what this batch, or another that rests, holds back of series that are whole now."""
    series = Image.objects.filter(batch=batch).exclude(series_digest="")
    held = Image.objects.filter(verdict=Verdict.HELD, reason=Reason.INCOMPLETE)
    here = held.filter(
        batch__project=batch.project,
        batch__held=HELD_PERSON,
        series_digest__in=series.values("series_digest"),
    )
    for one in Batch.objects.filter(pk__in=here.values("batch")).only("project").order_by("pk"):
        back = set(held.filter(batch=one).values_list("series_digest", flat=True))
        machine.go_on(one.pk, back - incomplete_series(one), now=now)


def _came(project: str) -> QuerySet[Image]:
    """Return the instances of a project that are no gap: sent, on their way, or set aside.

    What was left out because its series was not whole stays a gap: the rest would go alone.
    """
    images = Image.objects.filter(batch__project=project, batch__turned_down=False)
    dropped = Q(verdict=Verdict.EXCLUDED, reason=Reason.INCOMPLETE)
    return images.exclude(dropped | Q(verdict=Verdict.REJECTED)).exclude(sop_digest="")
