"""The circuit breaker of each target: one that is away is not asked by every batch.

After a few failures in a row nobody asks it for a while, longer each time; then one delivery
tries, and its answer counts for all.  Why a target failed is the delivery's matter; only being
away or full counts here, since a refusal says nothing about the next batch.
"""

from datetime import datetime, timedelta
from typing import cast

from django.db.models import F, Q

from sendit.errors import TargetError, TargetFull, TargetUnavailable
from sendit.records.models import TargetHealth
from sendit.records.prepared import Prepared

PATIENCE = 3
"""So many failures in a row open the circuit."""
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=15)
TRIAL = timedelta(minutes=5)
"""How long the others wait for the one that tries."""

_HEALTH = Prepared(
    lambda project, target: TargetHealth.objects.filter(project=project, target=target)
)
_OPENED = Prepared(
    lambda project, target: (
        TargetHealth.objects.filter(project=project, target=target)
        .exclude(open_until=None)
        .values_list("open_until")
    )
)


def closed_until(project: str, target: str, *, now: datetime) -> datetime | None:
    """Return until when the target is left alone; None: whoever asks may try it now."""
    opened = _OPENED.row(project=project, target=target)
    if opened is None:
        return None
    [until] = opened
    if until > now:
        return cast("datetime", until)
    rows = TargetHealth.objects.filter(project=project, target=target)
    tries = rows.filter(open_until=until).update(open_until=now + TRIAL)
    return None if tries else now + TRIAL


def failed(project: str, target: str, error: TargetError, *, now: datetime) -> None:
    """Count a failure, and open the circuit when there were enough."""
    if not isinstance(error, TargetUnavailable | TargetFull):
        return
    health, _ = TargetHealth.objects.get_or_create(project=project, target=target)
    rows = TargetHealth.objects.filter(pk=health.pk)
    rows.update(failures=F("failures") + 1, error={"code": error.code, "message": str(error)})
    failures = rows.values_list("failures", flat=True).get()
    if failures >= PATIENCE:
        factor: int = 2 ** min(failures - PATIENCE, 10)
        rows.update(open_until=now + min(FIRST_PAUSE * factor, LONGEST_PAUSE))


def answered(project: str, target: str, *, now: datetime) -> None:
    """Close the circuit: the target took something, or gave a proof."""
    if not _HEALTH.rows(project=project, target=target):
        TargetHealth.objects.get_or_create(project=project, target=target)
    _HEALTH.update(
        {"failures": 0, "open_until": None, "error": None, "answered": now},
        project=project,
        target=target,
    )


def let_try(project: str, targets: list[str], *, now: datetime) -> None:
    """Let the next delivery try these targets: somebody says that they are back."""
    TargetHealth.objects.filter(Q(open_until__gt=now), project=project, target__in=targets).update(
        open_until=now
    )
