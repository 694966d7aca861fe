"""What a person or the intake decides: in, on, again, without the bad files, or back."""

from datetime import datetime

from django.db import transaction

from sendit.errors import UsageError
from sendit.pipeline.machine.findings import open_errors, write_errors
from sendit.pipeline.machine.steps import locked, make_move
from sendit.pipeline.machine.table import (
    BY_EVENT,
    HELD_MANUAL,
    HELD_PERSON,
    SHARED,
    STATUS_OF_STAGE,
    Event,
)
from sendit.records.models import Batch, Delivery, Finding, Image
from sendit.terms import DeliveryState, Reason, Stage, Status, Verdict


def register(
    *,
    uid: str,
    uid_digest: str,
    folder: str,
    folder_key: str,
    inbox: str,
    project: str,
    profile_id: str,
    priority: int,
) -> Batch:
    """Create the batch of a finished folder; a second one with the same uid is refused.

    Raises
    ------
    django.db.IntegrityError
        When the uid is known.
    """
    return Batch.objects.create(
        uid=uid,
        uid_digest=uid_digest,
        folder=folder,
        folder_key=folder_key,
        inbox=inbox,
        project=project,
        profile_id=profile_id,
        priority=priority,
        status=Status.QUEUE,
        stage=Stage.IMPORT,
    )


def admit(batch_id: int, *, now: datetime) -> bool:
    """Let a queued batch in; False when it was not waiting any more."""
    move = BY_EVENT[Stage.IMPORT, Event.ADMITTED]
    return bool(
        Batch.objects.filter(pk=batch_id, status=Status.QUEUE).update(
            status=move.status, started=now, modified=now
        )
    )


def upload_finished(batch_id: int, *, now: datetime) -> bool:
    """Let a batch that waits for it go on to its targets; False when it does not wait."""
    return bool(
        Batch.objects.filter(pk=batch_id, stage=Stage.SEND, held=HELD_MANUAL).update(
            held="", modified=now
        )
    )


def retry(batch_id: int, *, target: str | None, now: datetime) -> None:
    """Give a stopped or waiting batch its stage again, with all its tries.

    Raises
    ------
    UsageError
        When there is nothing to retry.
    """
    with transaction.atomic():
        batch = locked(batch_id)
        failed = Delivery.objects.filter(batch=batch_id, state=DeliveryState.FAILED)
        if target is not None:
            failed = failed.filter(target=target)
            if not failed.exists():
                raise UsageError(f"Batch {batch_id} has no failed delivery to that target.")
        stopped = batch.status == Status.ERROR and not batch.turned_down
        if not (stopped or batch.retry_at or failed.exists()):
            raise UsageError(f"Batch {batch_id} has nothing to retry.")
        stage = Stage(batch.stage) if batch.stage else Stage.CLEAN_UP
        if failed.update(state=DeliveryState.PENDING, attempts=0, modified=now):
            stage = Stage.SEND if stage == Stage.VERIFY else stage
        Finding.objects.filter(
            batch=batch_id, severity=Finding.ERROR, resolved="", image=None, nr=None
        ).update(resolved="retried")
        Image.objects.open().filter(batch=batch_id, lease_token="").update(attempts=0)
        changes: dict[str, object] = {
            "attempts": 0,
            "retry_at": None,
            "due_at": None,
            "stage": stage,
        }
        if stopped:
            changes |= {"status": _implied_status(batch_id, stage), "finished": None}
        Batch.objects.filter(pk=batch_id).update(**changes, modified=now)
        write_errors(batch_id)


def accept(batch_id: int, *, reason: str, now: datetime) -> None:
    """Go on without the bad and the held files: open errors are closed, held images left out.

    Raises
    ------
    UsageError
        When nothing of the batch is open.
    """
    with transaction.atomic():
        batch = locked(batch_id)
        held = Image.objects.filter(batch=batch_id, verdict=Verdict.HELD)
        if batch.turned_down or not (open_errors(batch_id).exists() or held.exists()):
            raise UsageError(f"Batch {batch_id} has nothing open to accept.")
        open_errors(batch_id).update(resolved=_decision("accepted", reason))
        held.update(verdict=Verdict.EXCLUDED, reason=Reason.REVIEW, modified=now)
        changes: dict[str, object] = {"accept_bad": True, "modified": now, "retry_at": None}
        if batch.held == HELD_PERSON:
            changes["held"] = ""
        if batch.status == Status.ERROR:
            changes |= {
                "status": _implied_status(batch_id, Stage(batch.stage)),
                "attempts": 0,
                "finished": None,
            }
        Batch.objects.filter(pk=batch_id).update(**changes)
        write_errors(batch_id)
        if batch.stage == Stage.CLEAN_UP and batch.status == Status.DONEPROCESSING:
            make_move(batch_id, Stage.CLEAN_UP, Event.ACCEPTED, now=now)


def turn_down(batch_id: int, *, reason: str, now: datetime) -> None:
    """Send nothing more of a batch: its results go and its originals go back.

    Raises
    ------
    UsageError
        When nothing of the batch is open, or somebody is working on it.
    """
    with transaction.atomic():
        batch = locked(batch_id)
        held = Image.objects.filter(batch=batch_id, verdict=Verdict.HELD).exists()
        if batch.turned_down or not (open_errors(batch_id).exists() or held):
            raise UsageError(f"Batch {batch_id} has nothing open to reject.")
        busy = Image.objects.filter(batch=batch_id, lease_until__gt=now).exists()
        if busy or (batch.lease_until and batch.lease_until > now):
            raise UsageError(f"Batch {batch_id} is being worked on; try again in a minute.")
        open_errors(batch_id).update(resolved=_decision("rejected", reason))
        event = BY_EVENT[Stage(batch.stage or Stage.CLEAN_UP), Event.TURNED_DOWN]
        Batch.objects.filter(pk=batch_id).update(
            turned_down=True,
            status=event.status,
            stage=event.to_stage,
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


def rerun(image_id: int, *, now: datetime) -> bool:
    """Send one processed image back to be processed again; only before any delivery."""
    with transaction.atomic():
        image = Image.objects.select_related("batch").get(pk=image_id)
        batch = locked(image.batch_id)
        delivered = Delivery.objects.filter(batch=batch).exclude(state=DeliveryState.PENDING)
        if batch.stage != Stage.SEND or batch.lease_token or delivered.exists():
            return False
        Image.objects.filter(pk=image_id, status=Status.DONEPROCESSING).update(
            status=Status.NEW, attempts=0, modified=now
        )
        Batch.objects.filter(pk=batch.pk).update(
            stage=SHARED, status=Status.PROCESSING, held="", modified=now
        )
    return True


def _implied_status(batch_id: int, stage: Stage) -> Status:
    if stage != Stage.CLEAN_UP:
        return STATUS_OF_STAGE[stage]
    accepted = Image.objects.accepted().filter(batch=batch_id)
    if not accepted.exists():
        return Status.EMPTY
    return Status.DONEPROCESSING if accepted.exclude(status=Status.DONE).exists() else Status.DONE


def _decision(word: str, reason: str) -> str:
    return f"{word}: {reason}" if reason else word
