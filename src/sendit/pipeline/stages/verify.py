"""Verify: each target is asked what it holds, and its answer compared with the package.

``SENT`` is earned here, and only here: by every required target proving the same content.
"""

from sendit.errors import TargetError, VerificationFailed
from sendit.pipeline import machine
from sendit.pipeline.machine import Event
from sendit.pipeline.stages import packages
from sendit.pipeline.work import Outcome, Work
from sendit.records.models import Delivery
from sendit.storage import Receipt, Target
from sendit.terms import DeliveryState


def run(work: Work) -> Outcome:
    """Prove every delivery of the batch."""
    failures = prove(work, required=True)
    prove(work, required=False)
    if failures:
        raise next((error for error in failures if not error.retryable), failures[0])
    unproven = Delivery.objects.filter(batch=work.batch_id, required=True).exclude(
        state=DeliveryState.VERIFIED
    )
    if unproven.exists():
        raise VerificationFailed(
            'A required target has not proven that it holds the batch; run "sendit retry".'
        )
    machine.mark_sent(work.claim, now=work.now())
    return Outcome(Event.PROVEN)


def prove(work: Work, *, required: bool) -> list[TargetError]:
    """Ask the targets that have taken the package; return what went wrong."""
    targets = packages.targets_of(work)
    failures: list[TargetError] = []
    for delivery in Delivery.objects.filter(
        batch=work.batch_id, required=required, state=DeliveryState.SENT
    ).order_by("pk"):
        try:
            _verify(work, delivery, targets[delivery.target])
        except TargetError as error:
            error.target = delivery.target
            state = DeliveryState.SENT if error.retryable else DeliveryState.FAILED
            machine.delivery_moved(work.claim, delivery.target, state, now=work.now(), error=error)
            failures.append(error)
    return failures


def _verify(work: Work, delivery: Delivery, target: Target) -> None:
    packages.require_volume(work, delivery.target, target)
    packages.verify(work, target, Receipt.from_json(delivery.receipt or {}))
    machine.delivery_moved(work.claim, delivery.target, DeliveryState.VERIFIED, now=work.now())
