"""Send: each target gets the package; one that fails does not hold back the others."""

from collections.abc import Iterator

from sendit.errors import TargetError
from sendit.pipeline import machine
from sendit.pipeline.machine import Event, NewFinding
from sendit.pipeline.stages import packages
from sendit.pipeline.stages.holding import held_until
from sendit.pipeline.work import Outcome, Work
from sendit.records.models import Delivery, Finding
from sendit.storage import Target
from sendit.terms import DeliveryState, Stage

_AGAIN = " It is tried again every few minutes."
_HOW_AGAIN = ' Run "sendit retry" with --target when it can.'


def run(work: Work) -> Outcome:
    """Hand the batch to every target that does not have it yet."""
    if (until := held_until(work)) is not None:
        return Outcome(None, again_at=until)
    # What workers that were killed left of results; whoever is only slow has lost its claim.
    work.workspace.remove(work.workspace.phi(work.batch_id) / "new")
    Delivery.objects.bulk_create(
        [
            Delivery(
                batch=work.batch, target=target.name, kind=target.kind, required=target.required
            )
            for target in work.project.targets
        ],
        ignore_conflicts=True,
    )
    failures = deliver(work, required=True)
    deliver(work, required=False)
    if failures:
        raise next((error for error in failures if not error.retryable), failures[0])
    return Outcome(Event.DELIVERED, tuple(_lagging(work)))


def _lagging(work: Work) -> Iterator[NewFinding]:
    lagging = Delivery.objects.filter(batch=work.batch_id).exclude(error=None)
    for delivery in lagging.order_by("pk"):
        yield NewFinding(
            (delivery.error or {"code": TargetError.code})["code"],
            "An optional target did not take the batch; its results are kept until it has."
            + (_HOW_AGAIN if delivery.state == DeliveryState.FAILED else _AGAIN),
            Stage.SEND,
            severity=Finding.ALERT,
            target=delivery.target,
        )


def deliver(work: Work, *, required: bool) -> list[TargetError]:
    """Send to the targets whose delivery is open; return what went wrong."""
    targets = packages.targets_of(work)
    open_states = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.FAILED)
    failures: list[TargetError] = []
    for delivery in Delivery.objects.filter(
        batch=work.batch_id, required=required, state__in=open_states
    ).order_by("pk"):
        try:
            _send(work, delivery.target, targets[delivery.target])
        except TargetError as error:
            error.target = delivery.target
            # An optional target that is only away is asked again while the batch is cleaned up.
            later = error.retryable and not required
            state = DeliveryState.PENDING if later else DeliveryState.FAILED
            machine.delivery_moved(work.claim, delivery.target, state, now=work.now(), error=error)
            failures.append(error)
    return failures


def _send(work: Work, name: str, target: Target) -> None:
    machine.delivery_moved(work.claim, name, DeliveryState.SENDING, now=work.now())
    packages.require_volume(work, name, target)
    receipt = packages.send(work, target)
    machine.delivery_moved(
        work.claim, name, DeliveryState.SENT, now=work.now(), receipt=receipt.as_json()
    )
