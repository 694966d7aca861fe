"""Which series of a batch are not whole, through us or by what their sender announced.

What makes them whole may come later, in another batch; then what was held goes on by itself.
"""

from datetime import datetime

from django.db.models import Count, Max, Q, QuerySet

from sendit.pipeline import machine
from sendit.pipeline.machine import HELD_PERSON
from sendit.records.models import Batch, Image
from sendit.records.prepared import Prepared
from sendit.terms import Reason, Verdict


def incomplete_series(batch_id: int, *, project: str) -> set[str]:
    """Return the series (by digest) of which we miss an instance, or fewer came than announced.

    A second file of one UID is no instance that is missing.  What came in other batches of the
    project counts; gaps that were in the source do not.
    """
    known = Image.objects.filter(batch=batch_id).exclude(series_digest="")
    came = _came(project)
    rejected = known.filter(verdict=Verdict.REJECTED).exclude(reason=Reason.SAME_UID)
    incomplete: set[str] = set()
    for uid, series in rejected.values_list("sop_digest", "series_digest"):
        again = came.filter(series_digest=series, sop_digest=uid)
        if series not in incomplete and not again.exists():
            incomplete.add(series)
    announced = known.exclude(announced=None).values_list("series_digest")
    for series, count in announced.annotate(most=Max("announced")).order_by():
        distinct = came.filter(series_digest=series).aggregate(n=Count("sop_digest", distinct=True))
        if distinct["n"] < count:
            incomplete.add(series)
    return incomplete


def let_whole_series_go_on(batch: Batch, *, now: datetime) -> None:
    """Let go on what this batch, or another that rests, holds back of series that are whole now."""
    held_back: dict[int, set[str]] = {}
    # In steps, each by an index over few rows: most projects hold nothing.
    if numbers := [number for (number,) in _RESTING.rows(project=batch.project)]:
        held = Image.objects.filter(
            batch__in=numbers, verdict=Verdict.HELD, reason=Reason.INCOMPLETE
        )
        for number, digest in held.values_list("batch", "series_digest").distinct():
            held_back.setdefault(number, set()).add(digest)
    if not held_back:
        return
    brought = set(Image.objects.filter(batch=batch).values_list("series_digest", flat=True))
    for number, series in sorted(held_back.items()):
        if series & brought:
            missing = incomplete_series(number, project=batch.project)
            machine.go_on(number, series - missing, now=now)


_RESTING = Prepared(
    lambda project: (
        Batch.objects.filter(held=HELD_PERSON, project=project).exclude(held="").values_list("pk")
    )
)


def _came(project: str) -> QuerySet[Image]:
    """Return the instances of a project that are no gap: sent, on their way, or set aside.

    What was left out because its series was not whole stays a gap: the rest would go alone.
    """
    images = Image.objects.filter(batch__project=project, batch__turned_down=False)
    dropped = Q(verdict=Verdict.EXCLUDED, reason=Reason.INCOMPLETE)
    return images.exclude(dropped | Q(verdict=Verdict.REJECTED)).exclude(sop_digest="")
