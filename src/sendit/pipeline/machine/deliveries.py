"""How far each delivery has come, when it is tried again, and the images that a receipt proves."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from sendit.errors import InstancesMissing, NotYetProven, TargetError, TargetQuotaUsed
from sendit.pipeline.machine.claims import LONGEST_DELAY, delay_after, renew
from sendit.pipeline.machine.steps import Claim
from sendit.records.models import Batch, Delivery, Image
from sendit.records.prepared import Prepared
from sendit.terms import DeliveryState, Status

MOST_QUESTIONS = 60
"""So often a target is asked for a proof that it cannot give yet, or for what a quota forbids yet;
the last ones an hour apart."""
_AGAIN = " What is missing is sent again by itself."
_NO_MORE = (
    " It was sent %d times: find out why the target does not keep what it takes, then run "
    '"sendit retry".'
)

_DELIVERY = Prepared(lambda batch, target: Delivery.objects.filter(batch=batch, target=target))
_ACCEPTED = Prepared(lambda batch: Image.objects.accepted().filter(batch=batch))


def prepared(claim: Claim, told: Mapping[str, object], *, now: datetime) -> None:
    """Write down what sending needs to know of the originals.

    Raises
    ------
    LeaseLost
        When the claim is no longer held; nothing is written then.
    """
    with transaction.atomic():
        renew(claim, now=now)
        Batch.objects.filter(pk=claim.batch_id).update(prepared=told)


def delivery_moved(
    claim: Claim,
    target: str,
    state: DeliveryState,
    *,
    now: datetime,
    receipt: Mapping[str, object] | None = None,
) -> None:
    """Write down how far one delivery has come; ``SENDING`` counts a try."""
    changes: dict[str, object] = {"state": state, "modified": now, "retry_at": None, "error": None}
    if state == DeliveryState.SENDING:
        changes["attempts"] = F("attempts") + 1
    else:
        changes |= {"asked": 0, "failures": None}
    if receipt is not None:
        changes["receipt"] = receipt
    with transaction.atomic():
        renew(claim, now=now)
        _DELIVERY.update(changes, batch=claim.batch_id, target=target)


def delivery_failed(
    claim: Claim,
    target: str,
    error: TargetError,
    *,
    state: DeliveryState,
    tries: int,
    now: datetime,
) -> None:
    """Put one delivery off, or give it up; the others of the batch go their own way.

    An optional one is never given up because its target is away.  What a target has lost is sent
    again: that is a try of sending, and who loses it at every try is given up.  Waiting for a quota
    to be renewed is no try, and ends after days.

    Parameters
    ----------
    claim, target
        Whose.
    error
        What went wrong.
    state
        Where it stays when it is tried again.
    tries
        So many a required delivery has.
    now
        The time.
    """
    with transaction.atomic():
        renew(claim, now=now)
        row = Delivery.objects.select_for_update().get(batch=claim.batch_id, target=target)
        lost = isinstance(error, InstancesMissing)
        if lost:
            state = DeliveryState.PENDING
        waits = isinstance(error, TargetQuotaUsed)
        asked = row.asked + (state == DeliveryState.SENT or waits)
        done = row.attempts if state == DeliveryState.PENDING and not waits else asked
        most = MOST_QUESTIONS if isinstance(error, NotYetProven | TargetQuotaUsed) else tries
        again = error.retryable and (done < most or not (row.required or lost))
        wanted = min(error.again_after, LONGEST_DELAY)
        told = f"{error}{_AGAIN if again else _NO_MORE % done}" if lost else str(error)
        Delivery.objects.filter(pk=row.pk).update(
            state=state if again else DeliveryState.FAILED,
            asked=asked,
            attempts=row.attempts - (waits and state == DeliveryState.PENDING),
            retry_at=now + max(_delay(row, done), wanted) if again else None,
            error={"code": error.code, "message": told},
            # Not reached again, a target still holds what it had proven.
            failures=dict(error.failures) or row.failures,
            modified=now,
        )


def delivery_put_off(
    claim: Claim,
    target: str,
    until: datetime,
    *,
    now: datetime,
    error: TargetError | None = None,
) -> None:
    """Let one delivery wait without having tried it: its target is left alone for a while.

    ``error`` says why, if that is new.
    """
    changes: dict[str, object] = {"retry_at": until, "modified": now}
    if error is not None:
        changes["error"] = {"code": error.code, "message": str(error)}
    with transaction.atomic():
        renew(claim, now=now)
        Delivery.objects.filter(batch=claim.batch_id, target=target).update(**changes)


def mark_sent(claim: Claim, *, now: datetime) -> None:
    """Set the images ``SENT``: every required target was asked and holds them."""
    with transaction.atomic():
        renew(claim, now=now)
        _ACCEPTED.update({"status": Status.SENT, "modified": now}, batch=claim.batch_id)


def _delay(row: Delivery, done: int) -> timedelta:
    """Return how long to wait: longer each time, and not for all batches the same.

    The spread follows from the row, so that nothing is drawn here.
    """
    seed = hashlib.sha256(f"{row.batch_id} {row.target} {done}".encode()).digest()
    return delay_after(done) * (0.75 + seed[0] / 512)
