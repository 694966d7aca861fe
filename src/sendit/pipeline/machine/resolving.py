"""How a person settles what is open: held images on, on without them, or all of it back."""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import transaction

from sendit.errors import UsageError
from sendit.pipeline.machine.claims import renew
from sendit.pipeline.machine.findings import ACCEPTED, NewFinding, note, unsettled, write_errors
from sendit.pipeline.machine.steps import (
    Claim,
    count_bytes,
    is_open,
    locked,
    make_move,
    refuse_if_busy,
    restart,
)
from sendit.pipeline.machine.table import BY_EVENT, HELD_PERSON, Event, Move
from sendit.records.models import Batch, Delivery, Finding, Image
from sendit.terms import DeliveryState, Reason, Stage, Status, Verdict


def accept(batch_id: int, *, reason: str, now: datetime) -> None:
    """Go on without the bad and the held files: open errors are closed, held images left out.

    Raises
    ------
    UsageError
        When nothing of the batch is open.
    """
    with transaction.atomic():
        batch = locked(batch_id)
        if batch.turned_down or not is_open(batch_id):
            raise UsageError(f"Batch {batch_id} has nothing open to accept.")
        unsettled(batch_id).update(resolved=ACCEPTED, decision=reason or None)
        Image.objects.filter(batch=batch_id, verdict=Verdict.HELD).update(
            verdict=Verdict.EXCLUDED, reason=Reason.REVIEW, modified=now
        )
        held = "" if batch.held == HELD_PERSON else batch.held
        Batch.objects.filter(pk=batch_id).update(accept_bad=True, held=held, modified=now)
        write_errors(batch_id)
        if batch.status == Status.ERROR:
            restart(batch, now=now)
        elif batch.stage == Stage.CLEAN_UP and batch.status == Status.DONEPROCESSING:
            make_move(batch_id, Stage.CLEAN_UP, Event.ACCEPTED, now=now)


def release(batch_id: int, *, nr: int | None, reason: str, now: datetime) -> int:
    """Let held images go on, as a line of the recipe that releases their reason would.

    They are de-identified and checked like any other; where the rest of the batch was
    delivered already, they follow as a supplement.

    Parameters
    ----------
    batch_id
        The batch.
    nr
        Number of one image; None: all that are held.
    reason
        What the person says; kept with the alerts.
    now
        The time.

    Returns
    -------
    int
        How many go on.

    Raises
    ------
    UsageError
        When nothing is held, no reason is given, or the batch cannot go back to its images now.
    """
    if not reason.strip():
        raise UsageError("A reason is needed; it is kept with the alerts. Nothing was released.")
    with transaction.atomic():
        batch = locked(batch_id)
        held = Image.objects.filter(batch=batch_id, verdict=Verdict.HELD)
        if nr is not None:
            held = held.filter(nr=nr)
        images = list(held)
        if not images:
            what = f"Batch {batch_id}" if nr is None else f"Image {nr} of batch {batch_id}"
            raise UsageError(f"{what} has nothing held that could be released.")
        move = BY_EVENT.get((Stage(batch.stage), Event.FREED)) if batch.stage else None
        if move is None or batch.turned_down or batch.status in (Status.DONE, Status.ERROR):
            raise UsageError(
                f"Batch {batch_id} is {batch.status}; its held images cannot be released now."
            )
        if batch.stage != move.to_stage:
            refuse_if_busy(batch, now=now)
        for image in images:
            Image.objects.filter(pk=image.pk).update(
                released=f"{image.released} {image.reason}".strip()
            )
        Finding.objects.filter(batch=batch_id, image__in=images, resolved="").update(
            resolved="released", decision=reason
        )
        _set_free(batch_id, images, move, now=now)
    return len(images)


def go_on(batch_id: int, series: Collection[str], *, now: datetime) -> int:
    """Let go on what was held because its series was not whole, which it is now.

    Whether it is whole is asked again when the images come to be sent.

    Parameters
    ----------
    batch_id
        The batch; one that does not rest is left alone.
    series
        By digest.
    now
        The time.

    Returns
    -------
    int
        How many go on.
    """
    with transaction.atomic():
        batch = locked(batch_id)
        held = Image.objects.filter(batch=batch_id, verdict=Verdict.HELD, reason=Reason.INCOMPLETE)
        images = list(held.filter(series_digest__in=series))
        move = BY_EVENT.get((Stage(batch.stage), Event.FREED)) if batch.stage else None
        rests = batch.held == HELD_PERSON and not batch.turned_down and not batch.lease_token
        if not images or move is None or not rests:
            return 0
        _set_free(batch_id, images, move, now=now)
        if not held.exists():
            Finding.objects.filter(batch=batch_id, code=Reason.INCOMPLETE, resolved="").update(
                resolved="whole now"
            )
            write_errors(batch_id)
    return len(images)


def _set_free(batch_id: int, images: Sequence[Image], move: Move, *, now: datetime) -> None:
    """Send images back to be processed, and their batch with them."""
    Image.objects.filter(pk__in=[image.pk for image in images]).update(
        verdict=Verdict.ACCEPTED,
        status=Status.NEW,
        reason="",
        detail="",
        attempts=0,
        modified=now,
    )
    Delivery.objects.filter(batch=batch_id).update(
        state=DeliveryState.PENDING, attempts=0, asked=0, retry_at=None, modified=now
    )
    Batch.objects.filter(pk=batch_id).update(
        stage=move.to_stage,
        status=move.status,
        held="",
        attempts=0,
        retry_at=None,
        due_at=None,
        modified=now,
    )
    write_errors(batch_id)
    count_bytes(batch_id)


def set_aside(
    claim: Claim,
    image_ids: Collection[int],
    reason: Reason,
    *,
    verdict: Verdict,
    findings: Sequence[NewFinding],
    now: datetime,
) -> None:
    """Take images out of what is sent: held for a person, or left out.

    Raises
    ------
    LeaseLost
        When the claim is no longer held; nothing is written then.
    """
    with transaction.atomic():
        renew(claim, now=now)
        images = Image.objects.accepted().filter(batch=claim.batch_id, pk__in=image_ids)
        images.update(verdict=verdict, reason=reason, modified=now)
        note(claim.batch_id, findings, now=now)
        count_bytes(claim.batch_id)


def turn_down(batch_id: int, *, reason: str, now: datetime) -> None:
    """Send nothing more of a batch: its results go and its originals go back.

    Raises
    ------
    UsageError
        When nothing of the batch is open, somebody is working on it, or its originals may be
        gone already.
    """
    with transaction.atomic():
        batch = locked(batch_id)
        if batch.turned_down or not is_open(batch_id):
            raise UsageError(f"Batch {batch_id} has nothing open to reject.")
        if _is_done(batch):
            raise UsageError(
                f"Batch {batch_id} was delivered whole, only its clean-up failed; "
                f'run "sendit retry {batch_id}" instead.'
            )
        refuse_if_busy(batch, now=now)
        unsettled(batch_id).update(resolved="rejected", decision=reason or None)
        # Whoever was paused with a lapsed claim on some of its images writes nothing any more.
        Image.objects.filter(batch=batch_id).update(lease_token="", lease_until=None)
        move = BY_EVENT[Stage(batch.stage), Event.TURNED_DOWN]
        Batch.objects.filter(pk=batch_id).update(
            turned_down=True,
            status=move.status,
            stage=move.to_stage,
            held="",
            attempts=0,
            retry_at=None,
            due_at=None,
            lease_token="",
            lease_until=None,
            finished=now,
            modified=now,
        )
        write_errors(batch_id)


def _is_done(batch: Batch) -> bool:
    images = Image.objects.accepted().filter(batch=batch)
    return batch.stage in ("", Stage.CLEAN_UP) and images.filter(status=Status.DONE).exists()
