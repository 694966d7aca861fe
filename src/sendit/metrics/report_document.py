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
from sendit.terms import OUTCOME_OF, Outcome, Reason, Status, Verdict

_OUTCOMES = {
    Verdict.EXCLUDED: Outcome.EXCLUDED,
    Verdict.HELD: Outcome.HELD,
    Verdict.REJECTED: Outcome.REJECTED,
}
FINISHED = (Status.DONEPROCESSING, Status.SENT, Status.DONE)
GIVEN_BACK = "rejected by a person with its batch; the original went back to the inbox"
STOPPED = "not processed: the batch stopped"
NOT_YET = "not processed yet"


def report_document(batch: Batch) -> dict[str, Any]:
    """Return the report of a batch.

    An image without an outcome, since the batch is on its way, stopped or was given back, has
    none (null), says why in ``detail``, and is counted as ``open``.
    """
    project = Project.from_snapshot(batch.profile.content)
    recipe = project.recipe()
    totals = Totals(recipe, started=batch.started or batch.created, batch=batch.pk)
    for number, report in sorted(
        [*_images(batch, project), *_unreadable(batch)], key=lambda row: row[0]
    ):
        totals.add(report, source=number)
    document = totals.as_json(finished=batch.finished)
    if batch.finished is None:
        document["finished"] = None
    document["totals"]["open"] = totals.open
    document["elements"] = [
        {"path": path, "action": action, "rule": rule, "count": count}
        for (path, action, rule), count in sorted(elements_of(batch).items())
    ]
    return document


def _images(batch: Batch, project: Project) -> Iterator[tuple[int, Report]]:
    for image in Image.objects.filter(batch=batch).defer("source").order_by("nr").iterator():
        if image.verdict != Verdict.ACCEPTED:
            yield image.nr, _left_out(image)
        elif batch.turned_down:
            yield image.nr, Report(None, detail=GIVEN_BACK, bytes_in=image.size)
        elif image.file:
            yield image.nr, _written(image)
        elif not project.anonymize and image.status in FINISHED:
            # It goes as it is, so what names it would name somebody.
            yield image.nr, Report(Outcome.WRITTEN, bytes_in=image.size, bytes_out=image.size)
        else:
            detail = STOPPED if batch.status == Status.ERROR else NOT_YET
            yield image.nr, Report(None, detail=detail, bytes_in=image.size)


def _left_out(image: Image) -> Report:
    return Report(
        outcome=_OUTCOMES[Verdict(image.verdict)],
        reason=Reason(image.reason) if image.reason else None,
        detail=image.detail or None,
        bytes_in=image.size,
        actions=image.report.get("actions", {}),
        rules=image.report.get("rules", {}),
        regions=tuple(image.report.get("regions", ())),
    )


def _written(image: Image) -> Report:
    return Report(
        outcome=Outcome.WRITTEN,
        detail=image.detail or None,
        sop_instance_uid=image.sop_instance_uid,
        file=image.file,
        sha256=image.sha256,
        bytes_in=image.size,
        bytes_out=image.result_size,
        actions=image.report.get("actions", {}),
        rules=image.report.get("rules", {}),
        regions=tuple(image.report.get("regions", ())),
    )


def _unreadable(batch: Batch) -> Iterator[tuple[int, Report]]:
    rows = Finding.objects.filter(batch=batch, nr__isnull=False).defer("file")
    for finding in rows:
        reason = Reason(finding.code)
        yield finding.nr or 0, Report(OUTCOME_OF[reason], reason)
