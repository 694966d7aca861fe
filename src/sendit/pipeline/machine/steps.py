"""What every move is made of: one conditional ``UPDATE`` whose row count decides who won."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from sendit.errors import LeaseLost, UsageError
from sendit.pipeline.machine.findings import NewFinding, note, open_errors
from sendit.pipeline.machine.table import (
    BY_EVENT,
    HELD_MANUAL,
    HELD_PERSON,
    HELD_RETURN,
    HELD_STATIC,
    Event,
)
from sendit.records.models import Batch, Image, StageRun
from sendit.records.prepared import Prepared
from sendit.terms import Stage, Status, Verdict


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one exclusive stage of one batch, or a chunk of a shared one."""

    batch_id: int
    stage: Stage
    token: str
    lease: timedelta
    run_id: int
    image_ids: tuple[int, ...] = ()
    """The claimed images; empty for an exclusive stage."""
    images: tuple[Image, ...] = field(default=(), repr=False)
    """The same, as far as de-identifying needs them, in order."""
    more: bool = False
    """More images may be waiting: whoever takes the last one settles the batch."""


_BATCH = Prepared(lambda batch: Batch.objects.filter(pk=batch))
_LOCKED = Prepared(
    lambda batch: Batch.objects.defer("uid", "folder").select_for_update().filter(pk=batch)
)
_STANDING = Prepared(
    lambda batch, at, token: Batch.objects.filter(pk=batch, stage=at, lease_token=token)
)
_ACCEPTED = Prepared(lambda batch: Image.objects.accepted().filter(batch=batch))
_HELD = Prepared(
    lambda batch: Image.objects.filter(batch=batch, verdict=Verdict.HELD).values_list("pk")[:1]
)
_RUN = Prepared(lambda run: StageRun.objects.filter(pk=run))
_BYTES = Coalesce(
    Subquery(
        Image.objects.accepted()
        .filter(batch=OuterRef("pk"))
        .order_by()
        .values("batch")
        .annotate(total=Sum("size"))
        .values("total")
    ),
    0,
)
"""Of the originals of a batch's accepted images."""


def make_move(batch_id: int, stage: Stage, event: Event, *, now: datetime, token: str = "") -> None:
    """Take a batch from a stage to where the event leads; the claim, if any, ends with it."""
    step = BY_EVENT[stage, event]
    changes: dict[str, object] = {
        "stage": step.to_stage or "",
        "attempts": 0,
        "retry_at": None,
        "due_at": None,
        "held": _hold(batch_id, step.to_stage, event),
    }
    if step.status is not None:
        changes["status"] = step.status
    if step.status in (Status.DONE, Status.EMPTY, Status.ERROR):
        changes["finished"] = now
    if step.to_stage is None:
        changes["cleaned_at"] = now
    if step.to_stage is Stage.SEND and event is not Event.LOST:
        changes["prepared"] = None  # there are other results now
    write(batch_id, stage, token, now=now, **changes)
    if step.images is not None:
        _ACCEPTED.update({"status": step.images, "modified": now}, batch=batch_id)


def count_bytes(batch_id: int) -> None:
    """Write down how many bytes the originals of the accepted images have."""
    _BATCH.update({"bytes": _BYTES}, batch=batch_id)


def write(batch_id: int, at: Stage, token: str, *, now: datetime, **changes: object) -> None:
    """Change a batch that stands at a stage under a claim (empty: under none), and end the claim.

    Raises
    ------
    LeaseLost
        When it does not stand there any more.
    """
    changes |= {"lease_token": "", "lease_until": None, "modified": now}
    if not _STANDING.update(changes, batch=batch_id, at=at, token=token):
        raise LeaseLost(f"Batch {batch_id}: somebody else took over {at}.")


def give_up(claim: Claim, code: str, message: str, *, now: datetime, target: str = "") -> None:
    """Set a batch ``ERROR`` at its stage, with the finding that says why."""
    token = "" if claim.image_ids else claim.token
    step = BY_EVENT[claim.stage, Event.GIVEN_UP]
    changes: dict[str, object] = {"status": step.status, "finished": now}
    if locked(claim.batch_id).turned_down:
        # It is ERROR already and still worked on; without this it would be claimed for ever.
        changes["held"] = HELD_RETURN
    write(claim.batch_id, claim.stage, token, now=now, **changes)
    note(claim.batch_id, [NewFinding(code, message, claim.stage, target=target)], now=now)
    end_run(claim, "failed", now=now, code=code)


def forget(claim: Claim) -> None:
    """Delete a batch and all that is known of it.

    Raises
    ------
    LeaseLost
        When the claim is no longer held.
    """
    deleted, _ = Batch.objects.filter(pk=claim.batch_id, lease_token=claim.token).delete()
    if not deleted:
        raise LeaseLost(lost(claim))


def end_run(claim: Claim, outcome: str, *, now: datetime, code: str = "") -> None:
    """Write the end of a claim into the audit trail."""
    _RUN.update({"ended": now, "outcome": outcome, "code": code}, run=claim.run_id)


def locked(batch_id: int) -> Batch:
    """Return a batch, locked until the transaction ends; what identifies is not read."""
    found: list[Batch] = _LOCKED.objects(batch=batch_id)
    if not found:
        raise Batch.DoesNotExist
    return found[0]


def restart(batch: Batch, *, now: datetime) -> None:
    """Give a batch its stage again now, with all its tries, in nobody's hands.

    One in ``ERROR`` takes the status that its stage implies; one that was turned down stays.
    """
    changes: dict[str, object] = {"held": "" if batch.held == HELD_RETURN else batch.held}
    if batch.status == Status.ERROR and not batch.turned_down:
        status = BY_EVENT[Stage(batch.stage), Event.RETRIED].status or _cleaned_status(batch)
        changes["status"] = status
        if status not in (Status.DONE, Status.EMPTY):  # from whose moment retention counts
            changes["finished"] = None
    Batch.objects.filter(pk=batch.pk).update(
        attempts=0,
        retry_at=None,
        due_at=None,
        lease_token="",
        lease_until=None,
        modified=now,
        **changes,
    )


def refuse_if_busy(batch: Batch, *, now: datetime) -> None:
    """Return if nobody is working on a batch.

    Raises
    ------
    UsageError
        When a claim on it, or on one of its images, has not lapsed.
    """
    busy = Image.objects.filter(batch=batch, lease_until__gt=now).exists()
    if busy or (batch.lease_until and batch.lease_until > now):
        raise UsageError(f"Batch {batch.pk} is being worked on; try again in a minute.")


def _cleaned_status(batch: Batch) -> Status:
    """Return what a batch at ``clean_up`` was before its clean-up failed."""
    accepted = Image.objects.accepted().filter(batch=batch)
    if not accepted.exists():
        return Status.EMPTY
    return Status.DONEPROCESSING if accepted.exclude(status=Status.DONE).exists() else Status.DONE


def is_open(batch_id: int) -> bool:
    """Say whether something of a batch waits for a person: an open error or a held image."""
    return open_errors(batch_id).exists() or _HELD.row(batch=batch_id) is not None


def _hold(batch_id: int, stage: Stage | None, event: Event) -> str:
    if event == Event.WITHHELD:
        return HELD_PERSON
    if stage == Stage.SEND and event not in (Event.GIVEN_UP, Event.LOST):
        project = Batch.objects.values_list("profile__content", flat=True).get(pk=batch_id)
        if not project["targets"]:
            return HELD_STATIC
        return HELD_MANUAL if project["send"] == "manual" else ""
    if event == Event.PROVEN_IN_PART:
        return HELD_PERSON
    if event == Event.EMPTIED and open_errors(batch_id).exists():
        return HELD_PERSON
    return ""


def lost(claim: Claim) -> str:
    """Return the message of a lost lease."""
    return f"Batch {claim.batch_id}: the lease on {claim.stage} lapsed and was taken over."
