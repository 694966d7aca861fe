"""Which series of a batch are not whole, through us or by what their sender announced."""

from django.db.models import Count, Max

from sendit.pipeline.work import Work
from sendit.records.models import Image
from sendit.terms import Reason, Verdict


def incomplete_series(work: Work) -> set[str]:
    """Return the series (by digest) of which we miss an instance, or fewer came than announced.

    A second file of one UID is no instance that is missing.  What came in other batches of the
    project counts; gaps that were in the source do not.
    """
    known = Image.objects.filter(batch=work.batch_id).exclude(series_digest="")
    rejected = known.filter(verdict=Verdict.REJECTED).exclude(reason=Reason.SAME_UID)
    incomplete = set(rejected.values_list("series_digest", flat=True))
    announced = known.exclude(announced=None).values_list("series_digest")
    for series, count in announced.annotate(most=Max("announced")).order_by():
        came = Image.objects.filter(batch__project=work.batch.project, series_digest=series)
        distinct = came.exclude(sop_digest="").aggregate(n=Count("sop_digest", distinct=True))
        if distinct["n"] < count:
            incomplete.add(series)
    return incomplete
