"""What retention has decided to remove, and what is gone; written before and after the removal."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from sendit.pipeline.machine.claims import renew
from sendit.pipeline.machine.steps import Claim, locked
from sendit.records.models import Batch


def decide_removals(claim: Claim, things: Sequence[str], *, now: datetime) -> None:
    """Write down what is to go; it goes in a later step.

    Raises
    ------
    LeaseLost
        When the claim is no longer held; nothing is written then.
    """
    _write(claim, {what: {"decided": _iso(now), "gone": None} for what in things}, now=now)


def removal_done(claim: Claim, what: str, *, now: datetime) -> None:
    """Write down that something is gone."""
    decided = removals_of(claim)[what]["decided"]
    _write(claim, {what: {"decided": decided, "gone": _iso(now)}}, now=now)


def removals_of(claim: Claim) -> dict[str, dict[str, str | None]]:
    """Return what was decided of a batch so far."""
    removals: dict[str, dict[str, str | None]] = Batch.objects.values_list(
        "removals", flat=True
    ).get(pk=claim.batch_id)
    return removals


def _write(claim: Claim, changes: dict[str, dict[str, str | None]], *, now: datetime) -> None:
    with transaction.atomic():
        renew(claim, now=now)
        batch = locked(claim.batch_id)
        Batch.objects.filter(pk=batch.pk).update(removals={**batch.removals, **changes})


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
