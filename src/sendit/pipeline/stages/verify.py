"""Verify: each target is asked what it holds, and its answer compared with the package.

``SENT`` is earned here, and only here: by every required target proving the same content.
What a target took and does not hold goes back to be sent, and nothing else of it.
"""

from sendit.pipeline import machine
from sendit.pipeline.machine import Event
from sendit.pipeline.stages import ledger, packages
from sendit.pipeline.stages.attempts import serve, standing
from sendit.pipeline.stages.side_by_side import Talk
from sendit.pipeline.work import Outcome, Work
from sendit.records.models import Delivery
from sendit.storage import Receipt, Target
from sendit.terms import DeliveryState

_TAKEN = (DeliveryState.SENT,)


def run(work: Work) -> Outcome:
    """Prove every delivery of the batch."""
    if work.project.anonymize:
        ledger.require_not_recalled(work)
    prove(work)
    outcome = standing(work, (DeliveryState.VERIFIED,))
    if outcome is not None:
        required = Delivery.objects.filter(batch=work.batch_id, required=True)
        again = required.filter(state=DeliveryState.PENDING).exists()
        return Outcome(Event.LOST) if again else outcome
    machine.mark_sent(work.claim, now=work.now())
    return Outcome(Event.PROVEN)


def prove(work: Work, *, optional_alone: bool = False) -> None:
    """Ask the targets that have taken the package and are due."""
    serve(work, _verify, _TAKEN, stays=DeliveryState.SENT, optional_alone=optional_alone)


def _verify(work: Work, delivery: Delivery, target: Target) -> Talk[None]:
    packages.require_volume(work, delivery.target, target)
    call = packages.verify(work, delivery, target, Receipt.from_json(delivery.receipt or {}))
    if call is not None:
        yield call
    if work.project.anonymize:
        ledger.mark_proven(work, delivery.target)
    machine.delivery_moved(work.claim, delivery.target, DeliveryState.VERIFIED, now=work.now())
