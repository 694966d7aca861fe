"""Verify: each target is asked what it holds, and its answer compared with the package.

``SENT`` is earned here, and only here: by every required target proving the same content.
What a target took and does not hold goes back to be sent, and nothing else of it.
"""

from sendit.pipeline import machine
from sendit.pipeline.machine import Event
from sendit.pipeline.stages import ledger, packages
from sendit.pipeline.stages.attempts import attempt, due, standing
from sendit.pipeline.work import Outcome, Work
from sendit.records.models import Delivery
from sendit.storage import Receipt, Target
from sendit.terms import DeliveryState

_TAKEN = (DeliveryState.SENT,)


def run(work: Work) -> Outcome:
    """Prove every delivery of the batch."""
    if work.project.anonymize:
        ledger.require_not_recalled(work)
    prove(work, required=True)
    prove(work, required=False)
    required = Delivery.objects.filter(batch=work.batch_id, required=True)
    if required.filter(state=DeliveryState.PENDING).exists():
        return Outcome(Event.LOST)
    outcome = standing(work, (DeliveryState.VERIFIED,))
    if outcome is not None:
        return outcome
    machine.mark_sent(work.claim, now=work.now())
    return Outcome(Event.PROVEN)


def prove(work: Work, *, required: bool) -> None:
    """Ask the targets that have taken the package and are due."""
    targets = packages.targets_of(work)
    for delivery in due(work, _TAKEN, required=required):
        target = targets[delivery.target]
        attempt(
            work,
            delivery,
            lambda delivery=delivery, target=target: _verify(work, delivery, target),  # type: ignore[misc]
            state=DeliveryState.SENT,
        )


def _verify(work: Work, delivery: Delivery, target: Target) -> None:
    packages.require_volume(work, delivery.target, target)
    packages.verify(work, delivery, target, Receipt.from_json(delivery.receipt or {}))
    if work.project.anonymize:
        ledger.mark_proven(work, delivery.target)
    machine.delivery_moved(work.claim, delivery.target, DeliveryState.VERIFIED, now=work.now())
