"""How far each delivery has come, and the images that a receipt proves."""

from datetime import datetime

from django.db import transaction
from django.db.models import F

from sendit.errors import SenditError
from sendit.pipeline.machine.claims import renew
from sendit.pipeline.machine.steps import Claim
from sendit.records.models import Delivery, Image
from sendit.terms import DeliveryState, Status


def delivery_moved(
    claim: Claim,
    target: str,
    state: DeliveryState,
    *,
    now: datetime,
    receipt: dict[str, object] | None = None,
    error: SenditError | None = None,
) -> None:
    """Write down how far one delivery has come; ``SENDING`` counts a try."""
    changes: dict[str, object] = {"state": state, "modified": now}
    if state == DeliveryState.SENDING:
        changes |= {"attempts": F("attempts") + 1, "error": None}
    if receipt is not None:
        changes["receipt"] = receipt
    if error is not None:
        changes["error"] = {"code": error.code, "message": str(error)}
    with transaction.atomic():
        renew(claim, now=now)
        Delivery.objects.filter(batch=claim.batch_id, target=target).update(**changes)


def mark_sent(claim: Claim, *, now: datetime) -> None:
    """Set the images ``SENT``: every required target was asked and holds them."""
    with transaction.atomic():
        renew(claim, now=now)
        Image.objects.accepted().filter(batch=claim.batch_id).update(
            status=Status.SENT, modified=now
        )
