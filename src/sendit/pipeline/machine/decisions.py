"""What the intake or a person decides: in, on, again.  What is bad is resolved next door."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from sendit.errors import UsageError
from sendit.pipeline import breaker
from sendit.pipeline.machine.findings import write_errors
from sendit.pipeline.machine.steps import locked, refuse_if_busy, restart
from sendit.pipeline.machine.table import BY_EVENT, HELD_MANUAL, HELD_RETURN, SHARED, Event
from sendit.records.models import Batch, BatchIdentifiers, Delivery, Finding, Image
from sendit.terms import DeliveryState, Stage, Status


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
    expected_bytes: int = 0,
    expected_files: int = 0,
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
        expected_bytes=expected_bytes,
        expected_files=expected_files,
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
    move = BY_EVENT[Stage.SEND, Event.RELEASED]
    waiting = Batch.objects.filter(pk=batch_id, stage=Stage.SEND, held=HELD_MANUAL)
    return bool(waiting.update(status=move.status, held="", modified=now))


def wait(batch_id: int, stage: Stage, *, until: datetime, now: datetime) -> None:
    """Let a batch that nobody holds wait at its stage until a moment."""
    Batch.objects.filter(pk=batch_id, stage=stage, lease_token="").update(
        due_at=until, modified=now
    )


def wait_no_longer(stages: Collection[Stage], *, now: datetime) -> None:
    """Let the batches that wait at some stages look anew whether they may go on."""
    waiting = Batch.objects.filter(stage__in=stages, due_at__gt=now)
    waiting.update(due_at=None, modified=now)


def retry(batch_id: int, *, target: str | None, now: datetime) -> None:
    """Give a stopped or waiting batch its stage again, with all its tries.

    Raises
    ------
    UsageError
        When there is nothing to retry, or somebody is working on the batch.
    """
    with transaction.atomic():
        batch = locked(batch_id)
        waiting = Delivery.objects.filter(batch=batch_id).exclude(state=DeliveryState.VERIFIED)
        waiting = waiting.exclude(state=DeliveryState.PENDING, retry_at=None)
        if target is not None:
            waiting = waiting.filter(target=target)
            if not waiting.exists():
                raise UsageError(
                    f"Batch {batch_id} has no failed delivery to that target, and none that waits."
                )
        stopped = batch.status == Status.ERROR and batch.held in ("", HELD_RETURN)
        failed = waiting.filter(state=DeliveryState.FAILED)
        put_off = waiting.exclude(retry_at=None)
        if not batch.stage or not (
            stopped or batch.retry_at or failed.exists() or put_off.exists()
        ):
            raise UsageError(f"Batch {batch_id} has nothing to retry.")
        refuse_if_busy(batch, now=now)
        targets = list(waiting.values_list("target", flat=True))
        breaker.let_try(batch.project, targets, now=now)
        put_off.update(retry_at=None, attempts=0, asked=0, modified=now)
        if failed.update(state=DeliveryState.PENDING, attempts=0, asked=0, modified=now):
            _back_to_send(batch)
        Finding.objects.filter(
            batch=batch_id, severity=Finding.ERROR, resolved="", image=None, nr=None
        ).update(resolved="retried")
        Image.objects.open().filter(batch=batch_id).update(attempts=0)
        restart(batch, now=now)
        write_errors(batch_id)


def _back_to_send(batch: Batch) -> None:
    """Let what a target could not prove be sent again."""
    if batch.stage == Stage.VERIFY:
        batch.stage = Stage.SEND
        Batch.objects.filter(pk=batch.pk).update(stage=Stage.SEND)


def rerun(image_id: int, *, now: datetime) -> bool:
    """Send one processed image back to be processed again; only before any delivery."""
    move = BY_EVENT[Stage.SEND, Event.RERUN]
    with transaction.atomic():
        batch = locked(Image.objects.values_list("batch", flat=True).get(pk=image_id))
        delivered = Delivery.objects.filter(batch=batch).exclude(
            state=DeliveryState.PENDING, receipt=None
        )
        anonymizes = BatchIdentifiers.objects.filter(batch=batch).exists()
        if batch.stage != move.stage or batch.lease_token or delivered.exists() or not anonymizes:
            return False
        image = Image.objects.accepted().filter(pk=image_id, status=Status.DONEPROCESSING)
        if not image.update(status=Status.NEW, attempts=0, modified=now):
            return False
        Batch.objects.filter(pk=batch.pk).update(
            stage=SHARED,
            status=move.status,
            held="",
            attempts=0,
            retry_at=None,
            finished=None,
            modified=now,
        )
    return True
