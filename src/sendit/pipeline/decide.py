"""What a person decides about a batch, on a page or through the API: checked, then done.

The machine says whether it is possible; this says whether the batch is still what the person
has seen.  Both happen in one transaction, with the batch locked, and who did it is written into
the audit log.
"""

import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from django.db import transaction
from django.db.models import Count

from sendit.errors import ChangedMeanwhile, UsageError
from sendit.pipeline import machine
from sendit.pipeline.machine.table import HELD_MANUAL, HELD_RETURN
from sendit.records import audit
from sendit.records.models import Batch, Delivery, Image
from sendit.records.roles import Right
from sendit.terms import DeliveryState, Stage, Status, Verdict

logger = logging.getLogger(__name__)


class Action(StrEnum):
    """What can be decided."""

    RETRY = "retry"
    ACCEPT = "accept"
    REJECT = "reject"
    RELEASE = "release"
    SEND = "upload_finished"


NEEDS: dict[Action, Right] = {
    Action.RETRY: Right.RETRY,
    Action.SEND: Right.RETRY,
    Action.ACCEPT: Right.RESOLVE,
    Action.REJECT: Right.RESOLVE,
    Action.RELEASE: Right.RELEASE,
}
"""The right that each needs; whoever calls ``decide`` has looked."""

NEEDS_REASON = (Action.RELEASE,)


@dataclass(frozen=True, slots=True)
class Decision:
    """Who wants what."""

    action: Action
    by: str
    """Name of the user."""
    reason: str = ""
    image: int | None = None
    """Number of one held image."""
    target: str | None = None


def decide(
    batch_id: int,
    decision: Decision,
    *,
    version: str | None,
    now: datetime,
    head_folder: Path,
) -> None:
    """Carry a decision out.

    Parameters
    ----------
    batch_id
        The batch.
    decision
        What is to be done.
    version
        As ``version_of`` gave it when the person looked; None: whatever has happened since.
    now
        The time.
    head_folder
        Where the end of the audit log is kept (``records/audit.py``).

    Raises
    ------
    sendit.errors.ChangedMeanwhile
        When the batch is not what the person has seen any more.
    sendit.errors.UsageError
        When it is not possible.
    """
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch_id)
        if version is not None and version != version_of(batch):
            raise ChangedMeanwhile(f"Batch {batch_id} has changed since you looked; look again.")
        if decision.action in NEEDS_REASON and not decision.reason.strip():
            raise UsageError("Say why: the reason is kept with the batch.")
        _carry_out(batch, decision, now=now)
        act = audit.Act(
            decision.by,
            f"batch {decision.action}",
            f"batch {batch_id}",
            decision.reason,
            {} if decision.target is None else {"target": decision.target},
        )
        audit.append(act, now=now, head_folder=head_folder)
    logger.info("batch %d: %s by user %s", batch_id, decision.action, decision.by)


def version_of(batch: Batch) -> str:
    """Return what changes whenever something changes that a decision could rest on."""
    images = (
        Image.objects.filter(batch=batch)
        .values_list("verdict", "status")
        .annotate(n=Count("pk"))
        .order_by("verdict", "status")
    )
    deliveries = Delivery.objects.filter(batch=batch).order_by("pk")
    seen = [
        batch.pk,
        batch.status,
        batch.stage,
        batch.held,
        batch.has_error,
        batch.accept_bad,
        batch.turned_down,
        str(batch.retry_at),
        batch.errors,
        batch.alerts,
        list(map(list, images)),
        list(map(list, deliveries.values_list("target", "state", "attempts"))),
    ]
    text = json.dumps(seen, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def possible(batch: Batch) -> list[Action]:
    """Return what can be offered for a batch; the machine has the last word."""
    if batch.turned_down and batch.held != HELD_RETURN:
        return []
    unproven = Delivery.objects.filter(batch=batch).exclude(state=DeliveryState.VERIFIED)
    failed = any(
        state == DeliveryState.FAILED or retry_at is not None
        for state, retry_at in unproven.values_list("state", "retry_at")
    )
    held = Image.objects.filter(batch=batch, verdict=Verdict.HELD).exists()
    offered = []
    stopped = batch.status == Status.ERROR and batch.held in ("", HELD_RETURN)
    if batch.stage and (stopped or batch.retry_at is not None or failed):
        offered.append(Action.RETRY)
    if batch.held == HELD_MANUAL:
        offered.append(Action.SEND)
    if batch.turned_down:
        return offered
    frees = (Stage.DEIDENTIFY, Stage.SEND, Stage.VERIFY, Stage.CLEAN_UP)
    at_rest = (Status.DONE, Status.EMPTY, Status.ERROR)
    if held and batch.stage in frees and batch.status not in at_rest:
        offered.append(Action.RELEASE)
    if batch.has_error or held:
        offered += [Action.ACCEPT, Action.REJECT]
    return offered


def _carry_out(batch: Batch, decision: Decision, *, now: datetime) -> None:
    reason = f"{decision.reason.strip()} ({decision.by})".strip()
    if decision.action == Action.RETRY:
        machine.retry(batch.pk, target=decision.target, now=now)
    elif decision.action == Action.ACCEPT:
        machine.accept(batch.pk, reason=reason, now=now)
    elif decision.action == Action.REJECT:
        machine.turn_down(batch.pk, reason=reason, now=now)
    elif decision.action == Action.RELEASE:
        machine.release(batch.pk, nr=decision.image, reason=reason, now=now)
    elif not machine.upload_finished(batch.pk, now=now):
        raise UsageError(f"Batch {batch.pk} does not wait to be sent.")
