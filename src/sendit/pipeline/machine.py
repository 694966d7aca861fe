"""The only writer of states: every move of a Batch or an Image is made here.

``status``, ``stage``, ``held``, leases, tries and the error list are written by this
module and no other (a test reads the syntax tree of the product to keep it so).  Each
change is one conditional ``UPDATE`` whose row count decides who won; a worker that lost
its lease writes nothing.  The table of moves is ``pipeline/moves.py``.

Why a move happens is the caller's matter; nothing here touches a file or a network.
"""

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q

from sendit.errors import DiskFull, LeaseLost, SenditError, UsageError, VolumeMissing
from sendit.pipeline.moves import (
    BY_EVENT,
    HELD_MANUAL,
    HELD_PERSON,
    HELD_STATIC,
    SHARED,
    STATUS_OF_STAGE,
    Event,
)
from sendit.records.models import Batch, Delivery, Finding, Image, StageRun
from sendit.terms import OUTCOME_OF, DeliveryState, Outcome, Reason, Stage, Status, Verdict

FIRST_DELAY = timedelta(seconds=10)
LONGEST_DELAY = timedelta(hours=1)


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


@dataclass(frozen=True, slots=True)
class NewFinding:
    """Something to be written down about a batch; the message never holds a value."""

    code: str
    message: str
    stage: Stage
    severity: str = Finding.ERROR
    file: str | None = field(default=None, repr=False)
    nr: int | None = None
    image_id: int | None = None
    target: str = ""


@dataclass(frozen=True, slots=True)
class ImageResult:
    """What became of one claimed image."""

    image_id: int
    verdict: Verdict
    reason: str = ""
    detail: str = ""
    sop_instance_uid: str = ""
    series_instance_uid: str = ""
    study_instance_uid: str = ""
    patient_id: str = ""
    study_pseudonym: str = ""
    study_date: str = ""
    file: str = ""
    sha256: str = ""
    result_size: int = 0
    report: dict[str, object] = field(default_factory=dict)


# Coming in


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
    move = BY_EVENT[None, Event.REGISTERED]
    return Batch.objects.create(
        uid=uid,
        uid_digest=uid_digest,
        folder=folder,
        folder_key=folder_key,
        inbox=inbox,
        project=project,
        profile_id=profile_id,
        priority=priority,
        status=move.status,
        stage=move.to_stage,
    )


def admit(batch_id: int, *, now: datetime) -> bool:
    """Let a queued batch in; False when it was not waiting any more."""
    move = BY_EVENT[Stage.IMPORT, Event.ADMITTED]
    return bool(
        Batch.objects.filter(pk=batch_id, status=Status.QUEUE).update(
            status=move.status, started=now, modified=now
        )
    )


# Exclusive stages


def claim(
    batch_id: int, stage: Stage, *, worker: str, lease: timedelta, tries: int, now: datetime
) -> Claim | None:
    """Take the exclusive stage of a batch; None when somebody else has it or nothing is due.

    The try is counted here, so a batch that kills its worker also runs out of tries.
    """
    token = f"{worker}:{uuid.uuid4().hex}"
    with transaction.atomic():
        mine = Batch.objects.due(now).filter(
            Q(lease_token=None) | Q(lease_until__lt=now), pk=batch_id, stage=stage
        )
        if not mine.update(
            lease_token=token,
            lease_until=now + lease,
            attempts=F("attempts") + 1,
            retry_at=None,
            modified=now,
        ):
            return None
        StageRun.objects.filter(batch=batch_id, ended=None).update(ended=now, outcome="lost")
        attempt = Batch.objects.values_list("attempts", flat=True).get(pk=batch_id)
        run = StageRun.objects.create(
            batch_id=batch_id, stage=stage, worker=worker, attempt=attempt, started=now
        )
        made = Claim(batch_id, stage, token, lease, run.pk)
        if attempt > tries:
            _give_up(made, Reason.CRASHED, _crashed(stage, tries), now=now)
            return None
    return made


def renew(claim: Claim, *, now: datetime) -> None:
    """Lengthen the lease of a claim; called on progress.

    Raises
    ------
    LeaseLost
        When the lease lapsed and somebody else took over.
    """
    until = now + claim.lease
    if claim.image_ids:
        mine = Image.objects.filter(pk__in=claim.image_ids, lease_token=claim.token)
        held = mine.update(lease_until=until)
    else:
        held = Batch.objects.filter(pk=claim.batch_id, lease_token=claim.token).update(
            lease_until=until
        )
    if held != max(1, len(claim.image_ids)):
        raise LeaseLost(_lost(claim))


def move(
    claim: Claim, event: Event, *, now: datetime, findings: Sequence[NewFinding] = ()
) -> None:
    """End an exclusive stage: take the batch to where the event leads.

    Raises
    ------
    LeaseLost
        When the claim is no longer held; nothing is written then.
    """
    with transaction.atomic():
        note(claim.batch_id, findings, now=now)
        _make_move(claim.batch_id, claim.stage, event, now=now, token=claim.token)
        _end_run(claim, "done", now=now)


def put_off(claim: Claim, until: datetime | None, *, now: datetime) -> None:
    """End a run of ``clean_up`` that has more to remove later; None: nothing more, ever."""
    if until is None:
        move(claim, Event.CLEANED, now=now)
        return
    with transaction.atomic():
        _write(claim.batch_id, claim.stage, claim.token, now=now, attempts=0, due_at=until)
        _end_run(claim, "done", now=now)


def fail(claim: Claim, error: SenditError, *, tries: int, now: datetime) -> None:
    """End a claim with an error: try again later, or give up.

    A missing volume and a full disk are not the batch's fault and do not use up its tries.
    """
    if isinstance(error, LeaseLost):
        _end_run(claim, "lost", now=now, code=error.code)
        return
    blameless = isinstance(error, DiskFull | VolumeMissing)
    with transaction.atomic():
        _let_go_of_images(claim, attempts=F("attempts") - 1)
        batch = _locked(claim.batch_id)
        attempts = batch.attempts + (1 if claim.image_ids else 0)
        if not error.retryable or (attempts >= tries and not blameless):
            _give_up(claim, getattr(error, "reason", error.code), str(error), now=now)
            return
        spent = max(attempts - 1, 0) if blameless else attempts
        changes = {"attempts": spent, "retry_at": now + _delay(attempts)}
        token = None if claim.image_ids else claim.token
        _write(claim.batch_id, claim.stage, token, now=now, **changes)
        _end_run(claim, "failed", now=now, code=error.code)


# The shared stage


def claim_images(
    batch_id: int, *, worker: str, chunk: int, lease: timedelta, tries: int, now: datetime
) -> Claim | None:
    """Take the next images of a batch; None when all are taken or done.

    An image that was claimed before (its worker died) is claimed alone, so that one
    that kills its worker uses up nobody else's tries; after its last try it is rejected.
    """
    token = f"{worker}:{uuid.uuid4().hex}"
    with transaction.atomic():
        if not Batch.objects.due(now).filter(pk=batch_id, stage=SHARED).exists():
            return None
        free = Image.objects.claimable(now).filter(batch=batch_id).order_by("nr")
        if connection.features.has_select_for_update_skip_locked:
            free = free.select_for_update(skip_locked=True)
        _reject_crashed(batch_id, list(free.filter(attempts__gte=tries)[:chunk]), now=now)
        image_ids = list(free.filter(attempts=0).values_list("pk", flat=True)[:chunk])
        if not image_ids:
            image_ids = list(free.filter(attempts__lt=tries).values_list("pk", flat=True)[:1])
        if not image_ids:
            return None
        Image.objects.filter(pk__in=image_ids).update(
            status=Status.PROCESSING,
            lease_token=token,
            lease_until=now + lease,
            attempts=F("attempts") + 1,
            modified=now,
        )
        run = StageRun.objects.create(
            batch_id=batch_id,
            stage=SHARED,
            worker=worker,
            attempt=1,
            images=len(image_ids),
            started=now,
        )
    return Claim(batch_id, SHARED, token, lease, run.pk, tuple(image_ids))


_RESULT_COLUMNS = (
    "verdict",
    "reason",
    "detail",
    "sop_instance_uid",
    "series_instance_uid",
    "study_instance_uid",
    "patient_id",
    "study_pseudonym",
    "study_date",
    "file",
    "sha256",
    "result_size",
)


def finish_images(
    claim: Claim,
    results: Sequence[ImageResult],
    *,
    elements: list[list[object]],
    findings: Sequence[NewFinding],
    now: datetime,
) -> None:
    """Write down the results of a claimed chunk, all or nothing.

    Raises
    ------
    LeaseLost
        When any of the images is no longer held.
    """
    columns = (*_RESULT_COLUMNS, "report", "status", "lease_token", "lease_until", "modified")
    table = connection.ops.quote_name(Image._meta.db_table)
    stamp = connection.ops.adapt_datetimefield_value(now)
    rows = [
        (
            *(getattr(result, column) for column in _RESULT_COLUMNS),
            json.dumps(result.report),
            Status.DONEPROCESSING if result.verdict == Verdict.ACCEPTED else Status.PROCESSING,
            None,
            None,
            stamp,
            result.image_id,
            claim.token,
        )
        for result in results
    ]
    with transaction.atomic():
        with connection.cursor() as cursor:
            # One statement for the chunk: a model update for each image costs more than its header.
            cursor.executemany(
                f"UPDATE {table} SET {', '.join(f'{c} = %s' for c in columns)} "  # noqa: S608
                "WHERE id = %s AND lease_token = %s",
                rows,
            )
            if cursor.rowcount != len(rows):
                raise LeaseLost(_lost(claim))
        note(claim.batch_id, findings, now=now)
        StageRun.objects.filter(pk=claim.run_id).update(
            ended=now, outcome="done", elements=elements
        )


def settle(batch_id: int, *, stop_on_bad: bool, now: datetime) -> bool:
    """Move a batch whose last image is done on from the shared stage; True for the one mover."""
    images = Image.objects.filter(batch=batch_id)
    with transaction.atomic():
        batch = _locked(batch_id)
        if batch.stage != SHARED or batch.status != Status.PROCESSING or batch.held:
            return False
        if images.open().exists():
            return False
        if stop_on_bad and batch.has_error and not batch.accept_bad:
            _stop_on_bad(batch, now=now)
        elif images.accepted().exists():
            _make_move(batch_id, SHARED, Event.DEIDENTIFIED, now=now)
        elif images.filter(verdict=Verdict.HELD).exists():
            _write(batch_id, SHARED, None, now=now, held=HELD_PERSON, attempts=0)
        else:
            _make_move(batch_id, SHARED, Event.EMPTIED, now=now)
    return True


# Deliveries and receipts


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


# What a person decides


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
        batch = _locked(batch_id)
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
            batch=batch_id, severity=Finding.ERROR, resolved=None, image=None, nr=None
        ).update(resolved="retried")
        Image.objects.open().filter(batch=batch_id, lease_token=None).update(attempts=0)
        changes = {"attempts": 0, "retry_at": None, "due_at": None, "stage": stage}
        if stopped:
            changes |= {"status": _implied_status(batch_id, stage), "finished": None}
        Batch.objects.filter(pk=batch_id).update(**changes, modified=now)
        _write_errors(batch_id)


def accept(batch_id: int, *, reason: str, now: datetime) -> None:
    """Go on without the bad and the held files: open errors are closed, held images left out.

    Raises
    ------
    UsageError
        When nothing of the batch is open.
    """
    with transaction.atomic():
        batch = _locked(batch_id)
        held = Image.objects.filter(batch=batch_id, verdict=Verdict.HELD)
        if batch.turned_down or not (_open_errors(batch_id).exists() or held.exists()):
            raise UsageError(f"Batch {batch_id} has nothing open to accept.")
        _open_errors(batch_id).update(resolved=_decision("accepted", reason))
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
        _write_errors(batch_id)
        if batch.stage == Stage.CLEAN_UP and batch.status == Status.DONEPROCESSING:
            _make_move(batch_id, Stage.CLEAN_UP, Event.ACCEPTED, now=now)


def turn_down(batch_id: int, *, reason: str, now: datetime) -> None:
    """Send nothing more of a batch: its results go and its originals go back.

    Raises
    ------
    UsageError
        When nothing of the batch is open, or somebody is working on it.
    """
    with transaction.atomic():
        batch = _locked(batch_id)
        held = Image.objects.filter(batch=batch_id, verdict=Verdict.HELD).exists()
        if batch.turned_down or not (_open_errors(batch_id).exists() or held):
            raise UsageError(f"Batch {batch_id} has nothing open to reject.")
        busy = Image.objects.filter(batch=batch_id, lease_until__gt=now).exists()
        if busy or (batch.lease_until and batch.lease_until > now):
            raise UsageError(f"Batch {batch_id} is being worked on; try again in a minute.")
        _open_errors(batch_id).update(resolved=_decision("rejected", reason))
        event = BY_EVENT[Stage(batch.stage or Stage.CLEAN_UP), Event.TURNED_DOWN]
        Batch.objects.filter(pk=batch_id).update(
            turned_down=True,
            status=event.status,
            stage=event.to_stage,
            held="",
            attempts=0,
            retry_at=None,
            due_at=None,
            lease_token=None,
            lease_until=None,
            finished=now,
            modified=now,
        )
        _write_errors(batch_id)


def rerun(image_id: int, *, now: datetime) -> bool:
    """Send one processed image back to be processed again; only before any delivery."""
    with transaction.atomic():
        image = Image.objects.select_related("batch").get(pk=image_id)
        batch = _locked(image.batch_id)
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


# Findings, and claims of the dead


def note(batch_id: int, findings: Iterable[NewFinding], *, now: datetime) -> None:
    """Write findings down: the rows, the batch's list, and its flag, together."""
    rows = [
        Finding(
            batch_id=batch_id,
            image_id=finding.image_id,
            severity=finding.severity,
            stage=finding.stage,
            code=finding.code,
            message=finding.message,
            file=finding.file,
            nr=finding.nr,
            target=finding.target,
            time=now,
        )
        for finding in findings
    ]
    if rows:
        with transaction.atomic():
            _locked(batch_id)
            Finding.objects.bulk_create(rows)
            _write_errors(batch_id)


def release_claims(worker: str, *, now: datetime) -> None:
    """Let go of everything that a worker held; only for one that is known to be dead.

    ``worker`` is the whole name, as in its claims' tokens.
    """
    lapsed = now - timedelta(microseconds=1)
    for model in (Batch, Image):
        model.objects.filter(lease_token__startswith=f"{worker}:").update(lease_until=lapsed)


# Inside


def _locked(batch_id: int) -> Batch:
    return Batch.objects.select_for_update().select_related(None).get(pk=batch_id)


def _make_move(
    batch_id: int, stage: Stage, event: Event, *, now: datetime, token: str | None = None
) -> None:
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
    if step.status in (Status.DONE, Status.EMPTY):
        changes["finished"] = now
    if step.to_stage is None:
        changes["cleaned_at"] = now
    _write(batch_id, stage, token, now=now, **changes)
    if step.images is not None:
        Image.objects.accepted().filter(batch=batch_id).update(status=step.images, modified=now)


def _hold(batch_id: int, stage: Stage | None, event: Event) -> str:
    if stage == Stage.SEND:
        batch = Batch.objects.select_related("profile").get(pk=batch_id)
        if not batch.profile.content["targets"]:
            return HELD_STATIC
        return HELD_MANUAL if batch.profile.content["send"] == "manual" else ""
    if event == Event.PROVEN_IN_PART:
        return HELD_PERSON
    if event == Event.EMPTIED and _open_errors(batch_id).exists():
        return HELD_PERSON
    return ""


def _write(
    batch_id: int, stage: Stage, token: str | None, *, now: datetime, **changes: object
) -> None:
    moved = Batch.objects.filter(pk=batch_id, stage=stage, lease_token=token).update(
        lease_token=None, lease_until=None, modified=now, **changes
    )
    if not moved:
        raise LeaseLost(f"Batch {batch_id}: somebody else took over {stage}.")


def _end_run(claim: Claim, outcome: str, *, now: datetime, code: str = "") -> None:
    StageRun.objects.filter(pk=claim.run_id).update(ended=now, outcome=outcome, code=code)


def _let_go_of_images(claim: Claim, *, attempts: object) -> None:
    Image.objects.filter(pk__in=claim.image_ids, lease_token=claim.token).update(
        lease_token=None, lease_until=None, status=Status.NEW, attempts=attempts
    )


def _give_up(claim: Claim, code: str, message: str, *, now: datetime) -> None:
    token = None if claim.image_ids else claim.token
    step = BY_EVENT[claim.stage, Event.GIVEN_UP]
    _write(claim.batch_id, claim.stage, token, now=now, status=step.status, finished=now)
    note(claim.batch_id, [NewFinding(code, message, claim.stage)], now=now)
    _end_run(claim, "failed", now=now, code=code)


def _stop_on_bad(batch: Batch, *, now: datetime) -> None:
    step = BY_EVENT[SHARED, Event.GIVEN_UP]
    _write(batch.pk, SHARED, None, now=now, status=step.status, finished=now)


def _reject_crashed(batch_id: int, images: Sequence[Image], *, now: datetime) -> None:
    for image in images:
        Image.objects.filter(pk=image.pk).update(
            verdict=Verdict.REJECTED, reason=Reason.CRASHED, lease_token=None, lease_until=None
        )
    note(
        batch_id,
        [
            NewFinding(
                Reason.CRASHED,
                "The worker died or was stopped each time it processed this image; "
                "the image is kept and was not sent.",
                SHARED,
                file=image.source,
                image_id=image.pk,
            )
            for image in images
        ],
        now=now,
    )


def _open_errors(batch_id: int) -> "models.QuerySet[Finding]":
    return Finding.objects.filter(batch=batch_id, severity=Finding.ERROR, resolved=None)


def _write_errors(batch_id: int) -> None:
    listed: dict[str, list[dict[str, object]]] = {Finding.ERROR: [], Finding.ALERT: []}
    unreadable = 0
    open_error = False
    for row in Finding.objects.filter(batch=batch_id).defer("file").order_by("pk"):
        listed[row.severity].append(
            {
                "time": row.time.isoformat().replace("+00:00", "Z"),
                "stage": row.stage,
                "code": row.code,
                "message": row.message,
                "file": None,
                "image": row.image_id,
                "target": row.target or None,
                "resolved": row.resolved,
                "finding": row.pk,
            }
        )
        open_error |= row.severity == Finding.ERROR and row.resolved is None
        known = Reason.__members__.get(row.code)
        unreadable += known is not None and OUTCOME_OF[known] == Outcome.UNREADABLE
    Batch.objects.filter(pk=batch_id).update(
        errors=listed[Finding.ERROR],
        alerts=listed[Finding.ALERT],
        unreadable=unreadable,
        has_error=open_error,
    )


def _implied_status(batch_id: int, stage: Stage) -> Status:
    if stage != Stage.CLEAN_UP:
        return STATUS_OF_STAGE[stage]
    accepted = Image.objects.accepted().filter(batch=batch_id)
    if not accepted.exists():
        return Status.EMPTY
    return Status.DONEPROCESSING if accepted.exclude(status=Status.DONE).exists() else Status.DONE


def _delay(attempts: int) -> timedelta:
    return min(FIRST_DELAY * 4 ** max(attempts - 1, 0), LONGEST_DELAY)


def _decision(word: str, reason: str) -> str:
    return f"{word}: {reason}" if reason else word


def _crashed(stage: Stage, tries: int) -> str:
    return (
        f"The worker died or was stopped each time it ran {stage} ({tries} tries). "
        'Find the cause in the log, then run "sendit retry".'
    )


def _lost(claim: Claim) -> str:
    return f"Batch {claim.batch_id}: the lease on {claim.stage} lapsed and was taken over."
