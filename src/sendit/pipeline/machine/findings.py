"""Findings: the rows, the batch's list and its flag, always written together."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from sendit.records.models import Batch, Finding
from sendit.terms import OUTCOME_OF, Outcome, Reason, Stage

ACCEPTED = "accepted"
"""How an error is settled that a person goes on without."""
_HELD = [reason for reason, outcome in OUTCOME_OF.items() if outcome is Outcome.HELD]


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
    resolved: str = ""
    """``accepted`` when a person has settled it before it was found."""


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
            resolved=finding.resolved,
            time=now,
        )
        for finding in findings
    ]
    if rows:
        with transaction.atomic():
            batch = (
                Batch.objects.only("errors", "alerts", "unreadable", "has_error")
                .select_for_update()
                .get(pk=batch_id)
            )
            # What is written already stays as it is: a batch may have thousands of findings.
            _write(batch, Finding.objects.bulk_create(rows))


def open_errors(batch_id: int) -> QuerySet[Finding]:
    """Return the errors of a batch that nothing and nobody has settled."""
    return Finding.objects.filter(batch=batch_id, severity=Finding.ERROR, resolved="")


def unsettled(batch_id: int) -> QuerySet[Finding]:
    """Return what of a batch waits for a person: its open errors, and what images are held for."""
    waits = Q(severity=Finding.ERROR) | Q(code__in=_HELD)
    return Finding.objects.filter(waits, batch=batch_id, resolved="")


def write_errors(batch_id: int) -> None:
    """Write the batch's own list, counts and flag anew from its findings."""
    batch = Batch(pk=batch_id, errors=[], alerts=[], unreadable=0, has_error=False)
    _write(batch, Finding.objects.filter(batch=batch_id).defer("file", "decision").order_by("pk"))


def _write(batch: Batch, rows: Iterable[Finding]) -> None:
    """Add findings to what the batch says of itself, and write that down."""
    listed = {Finding.ERROR: batch.errors, Finding.ALERT: batch.alerts}
    unreadable, open_error = batch.unreadable, batch.has_error
    for row in rows:
        listed[row.severity].append(_entry(row))
        open_error |= row.severity == Finding.ERROR and not row.resolved
        known = Reason.__members__.get(row.code)
        # An image that turned out unreadable later is counted among the rejected.
        unreadable += (
            row.nr is not None and known is not None and OUTCOME_OF[known] == Outcome.UNREADABLE
        )
    Batch.objects.filter(pk=batch.pk).update(
        errors=batch.errors, alerts=batch.alerts, unreadable=unreadable, has_error=open_error
    )


def _entry(row: Finding) -> dict[str, object]:
    return {
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
