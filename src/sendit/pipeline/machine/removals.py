"""What retention has decided to remove, and what is gone; written before and after the removal."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from sendit.pipeline.machine.claims import renew
from sendit.pipeline.machine.steps import Claim
from sendit.records.models import Batch


def decide_removals(claim: Claim, things: Collection[str], *, now: datetime) -> None:
    """Write down what is to go; it goes in a later step.

    Raises
    ------
    LeaseLost
        When the claim is no longer held; nothing is written then.
    """
    _write(claim, things, {"decided": _iso(now), "gone": None}, now=now)


def removals_done(claim: Claim, things: Collection[str], *, now: datetime) -> None:
    """Write down that what was decided to go is gone.

    Raises
    ------
    LeaseLost
        When the claim is no longer held; nothing is written then.
    """
    _write(claim, things, {"gone": _iso(now)}, now=now)


def _write(
    claim: Claim, things: Collection[str], change: dict[str, str | None], *, now: datetime
) -> None:
    with transaction.atomic():
        renew(claim, now=now)  # which also locks the row
        row = Batch.objects.filter(pk=claim.batch_id)
        removals = row.values_list("removals", flat=True).get()
        changed = {thing: {**removals.get(thing, {}), **change} for thing in things}
        row.update(removals={**removals, **changed})


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
