"""Send: each target gets what it does not have yet; one that fails does not hold back the others.

What may not go, or not now, is set aside first (``setting_aside``); what each target has
already is looked up in the ledger (``ledger``), and only the rest is sent.
"""

from collections.abc import Iterator

from sendit.errors import TargetError
from sendit.pipeline import machine
from sendit.pipeline.machine import Event, NewFinding
from sendit.pipeline.stages import ledger, manifests, packages, preparing, setting_aside, verify
from sendit.pipeline.stages.attempts import serve, standing
from sendit.pipeline.stages.holding import held_until
from sendit.pipeline.stages.side_by_side import Talk
from sendit.pipeline.stages.spoiled import spoiled_images
from sendit.pipeline.work import Outcome, Work
from sendit.records.models import Delivery, Finding, Image
from sendit.storage import Target
from sendit.terms import DeliveryState, Stage, Verdict, Zone

_AGAIN = " It is tried again every few minutes."
_HOW_AGAIN = ' Run "sendit retry" with --target when it can.'
_OPEN = (DeliveryState.PENDING, DeliveryState.SENDING)
_TAKEN = (DeliveryState.SENT, DeliveryState.VERIFIED)


def run(work: Work) -> Outcome:
    """Hand the batch to every target that does not have it yet."""
    if work.zone is not Zone.OUT:
        if (until := held_until(work)) is not None:
            return Outcome(None, again_at=until, waits=True)
        if work.project.anonymize and work.batch.prepared is None:
            preparing.prepare(work)
            if work.zone is Zone.PHI:
                return Outcome(None, again_at=work.now())  # the other zone goes on
            work.batch.refresh_from_db(fields=["prepared"])
    if work.project.anonymize:
        setting_aside.set_aside(work)
        if (nothing_left := _nothing_left(work)) is not None:
            return Outcome(nothing_left)
    Delivery.objects.bulk_create(
        [
            Delivery(
                batch=work.batch, target=target.name, kind=target.kind, required=target.required
            )
            for target in work.project.targets
        ],
        ignore_conflicts=True,
    )
    if work.project.anonymize and (spoiled := spoiled_images(work)):
        return Outcome(Event.SPOILED, again=spoiled)
    deliver(work)
    outcome = standing(work, _TAKEN)
    if outcome is None:
        return Outcome(Event.DELIVERED, tuple(_lagging(work)))
    verify.prove(work)  # the others need not wait for the one that is away
    return standing(work, _TAKEN) or outcome


def deliver(work: Work, *, optional_alone: bool = False) -> None:
    """Send to the targets whose delivery is open and due."""
    serve(work, _send, _OPEN, stays=DeliveryState.PENDING, optional_alone=optional_alone)


def _send(work: Work, delivery: Delivery, target: Target) -> Talk[None]:
    name = delivery.target
    machine.delivery_moved(work.claim, name, DeliveryState.SENDING, now=work.now())
    packages.require_volume(work, name, target)
    there = (yield from ledger.plan(work, name, target)) if work.project.anonymize else 0
    if work.project.anonymize:
        manifests.write(work, ledger.unproven(work, name))
    receipt = yield packages.send(work, delivery, target)
    if work.project.anonymize:
        ledger.keep_receipt(work, name, receipt)
    kept = {**receipt.as_json(), "there_already": there}
    machine.delivery_moved(work.claim, name, DeliveryState.SENT, now=work.now(), receipt=kept)


def _nothing_left(work: Work) -> Event | None:
    """Return where a batch goes of which no image may be sent; None when there is one."""
    images = Image.objects.filter(batch=work.batch_id)
    if images.accepted().exists():
        return None
    held = images.filter(verdict=Verdict.HELD).exists()
    return Event.WITHHELD if held else Event.EMPTIED


def _lagging(work: Work) -> Iterator[NewFinding]:
    lagging = Delivery.objects.filter(batch=work.batch_id, required=False).exclude(error=None)
    for delivery in lagging.order_by("pk"):
        yield NewFinding(
            (delivery.error or {"code": TargetError.code})["code"],
            "An optional target did not take the batch; its results are kept until it has."
            + (_HOW_AGAIN if delivery.state == DeliveryState.FAILED else _AGAIN),
            Stage.SEND,
            severity=Finding.ALERT,
            target=delivery.target,
        )
