"""The report of a batch as JSON: the document that ``sendit deid --report`` writes, from rows.

Every file that the batch had has one entry, under its running number instead of its path,
so the document may be handed on.
"""

from collections.abc import Iterator
from typing import Any  # a JSON document, whose values are of many types

from sendit.config import Project
from sendit.deid import Report, Totals
from sendit.metrics.report_facts import elements_of
from sendit.records.models import Batch, Finding, Image
from sendit.terms import OUTCOME_OF, Outcome, Reason, Verdict

_OUTCOMES = {
    Verdict.ACCEPTED: Outcome.WRITTEN,
    Verdict.EXCLUDED: Outcome.EXCLUDED,
    Verdict.HELD: Outcome.HELD,
    Verdict.REJECTED: Outcome.REJECTED,
}


def report_document(batch: Batch) -> dict[str, Any]:
    """Return the report of a batch; images that are not processed yet are not in it."""
    recipe = Project.from_snapshot(batch.profile.content).recipe()
    totals = Totals(recipe, started=batch.started or batch.created, batch=batch.pk)
    for number, report in sorted([*_images(batch), *_unreadable(batch)], key=lambda row: row[0]):
        totals.add(report, source=number)
    document = totals.as_json(finished=batch.finished)
    if batch.finished is None:
        document["finished"] = None
    document["elements"] = [
        {"path": path, "action": action, "rule": rule, "count": count}
        for (path, action, rule), count in sorted(elements_of(batch).items())
    ]
    return document


def _images(batch: Batch) -> Iterator[tuple[int, Report]]:
    for image in Image.objects.filter(batch=batch).defer("source").order_by("nr").iterator():
        if image.verdict != Verdict.ACCEPTED or image.file:
            yield image.nr, _report(image)


def _report(image: Image) -> Report:
    written = image.verdict == Verdict.ACCEPTED
    return Report(
        outcome=_OUTCOMES[Verdict(image.verdict)],
        reason=Reason(image.reason) if image.reason else None,
        detail=image.detail or None,
        sop_instance_uid=image.sop_instance_uid if written else None,
        file=image.file if written else None,
        sha256=image.sha256 if written else None,
        bytes_in=image.size,
        bytes_out=image.result_size if written else 0,
        actions=image.report.get("actions", {}),
        rules=image.report.get("rules", {}),
        regions=tuple(image.report.get("regions", ())),
    )


def _unreadable(batch: Batch) -> Iterator[tuple[int, Report]]:
    rows = Finding.objects.filter(batch=batch, nr__isnull=False).defer("file")
    for finding in rows:
        reason = Reason(finding.code)
        yield finding.nr or 0, Report(OUTCOME_OF[reason], reason)
