"""Findings: the rows, the batch's list and its flag, always written together."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from sendit.records.models import Batch, Finding
from sendit.terms import OUTCOME_OF, Outcome, Reason, Stage


@dataclass(frozen=True, slots=True)
class NewFinding:
    """Something to be written down about a batch; the message never holds a value."""

    code: str
    message: str
    stage: Stage
    severity: str = Finding.ERROR
    file: str | None = field(default=None, repr=False)
    nr: int | None = None
    image_id: int | None = None
    target: str = ""


def note(batch_id: int, findings: Iterable[NewFinding], *, now: datetime) -> None:
    """Write findings down: the rows, the batch's list, and its flag, together."""
    rows = [
        Finding(
            batch_id=batch_id,
            image_id=finding.image_id,
            severity=finding.severity,
            stage=finding.stage,
            code=finding.code,
            message=finding.message,
            file=finding.file,
            nr=finding.nr,
            target=finding.target,
            time=now,
        )
        for finding in findings
    ]
    if rows:
        with transaction.atomic():
            Batch.objects.only("pk").select_for_update().get(pk=batch_id)
            Finding.objects.bulk_create(rows)
            write_errors(batch_id)


def open_errors(batch_id: int) -> QuerySet[Finding]:
    """Return the errors of a batch that nothing and nobody has settled."""
    return Finding.objects.filter(batch=batch_id, severity=Finding.ERROR, resolved="")


def write_errors(batch_id: int) -> None:
    """Write the batch's own list, counts and flag anew from its findings."""
    listed: dict[str, list[dict[str, object]]] = {Finding.ERROR: [], Finding.ALERT: []}
    unreadable = 0
    open_error = False
    for row in Finding.objects.filter(batch=batch_id).defer("file").order_by("pk"):
        listed[row.severity].append(
            {
                "time": row.time.isoformat().replace("+00:00", "Z"),
                "stage": row.stage,
                "code": row.code,
                "message": row.message,
                "file": None,
                "image": row.image_id,
                "target": row.target or None,
                "resolved": row.resolved or None,
                "finding": row.pk,
            }
        )
        open_error |= row.severity == Finding.ERROR and not row.resolved
        known = Reason.__members__.get(row.code)
        # An image that turned out unreadable later is counted among the rejected.
        unreadable += (
            row.nr is not None and known is not None and OUTCOME_OF[known] == Outcome.UNREADABLE
        )
    Batch.objects.filter(pk=batch_id).update(
        errors=listed[Finding.ERROR],
        alerts=listed[Finding.ALERT],
        unreadable=unreadable,
        has_error=open_error,
    )
