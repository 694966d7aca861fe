"""Claims: the right to run a stage, taken, lengthened, ended or lost.

A try is counted at the claim, so a batch that kills its worker also runs out of tries.
"""

import logging
import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from sendit.errors import DiskFull, Interrupted, LeaseLost, SenditError, VolumeMissing
from sendit.pipeline.machine.findings import NewFinding, note
from sendit.pipeline.machine.steps import (
    Claim,
    end_run,
    forget,
    give_up,
    is_open,
    locked,
    lost,
    make_move,
    write,
)
from sendit.pipeline.machine.table import Event
from sendit.records.models import Batch, Delivery, Image, StageRun, TargetHealth
from sendit.records.passing import passing
from sendit.records.prepared import Prepared, insert
from sendit.terms import Reason, Stage, Status

logger = logging.getLogger(__name__)

FIRST_DELAY = timedelta(seconds=10)
LONGEST_DELAY = timedelta(hours=1)
LONGEST_LEASE = timedelta(hours=1)
"""No claim reaches further, however large its images are."""

_FREE = Prepared(
    lambda batch, stage, now: Batch.objects.due(now).filter(
        Q(lease_token="") | Q(lease_until__lt=now), pk=batch, stage=stage
    )
)
_ATTEMPTS = Prepared(lambda batch: Batch.objects.filter(pk=batch).values_list("attempts", "status"))
_MINE = Prepared(lambda batch, token: Batch.objects.filter(pk=batch, lease_token=token))
_OPEN_RUNS = Prepared(lambda batch: StageRun.objects.filter(batch=batch, ended=None))


def claim(
    batch_id: int, stage: Stage, *, worker: str, lease: timedelta, tries: int, now: datetime
) -> Claim | None:
    """Take the exclusive stage of a batch; None when somebody else has it or nothing is due.

    The try is counted here, so a batch that kills its worker also runs out of tries; one that is
    ``DONE`` or ``EMPTY`` keeps that word, and is cleaned up later.
    """
    token = f"{worker}:{uuid.uuid4().hex}"
    taken = {
        "lease_token": token,
        "lease_until": now + lease,
        "attempts": F("attempts") + 1,
        "retry_at": None,
        "modified": now,
    }
    with passing(), transaction.atomic():
        if not _FREE.update(taken, batch=batch_id, stage=stage, now=now):
            return None
        _OPEN_RUNS.update({"ended": now, "outcome": "lost"}, batch=batch_id)
        [(attempt, status)] = _ATTEMPTS.rows(batch=batch_id)
        run = StageRun(batch_id=batch_id, stage=stage, worker=worker, attempt=attempt, started=now)
        insert(run)
        made = Claim(batch_id, stage, token, lease, run.pk)
        if attempt > tries:
            if status in (Status.DONE, Status.EMPTY):  # all that matters of it is done
                _clean_up_later(made, now=now)
            else:
                give_up(made, Reason.CRASHED, _crashed(stage, tries), now=now)
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
    if not claim.image_ids:
        if not _MINE.update({"lease_until": until}, batch=claim.batch_id, token=claim.token):
            raise LeaseLost(lost(claim))
        return
    with transaction.atomic():
        mine = Image.objects.filter(pk__in=claim.image_ids, lease_token=claim.token)
        if mine.update(lease_until=until) != len(claim.image_ids):
            raise LeaseLost(lost(claim))


def move(
    claim: Claim,
    event: Event,
    *,
    now: datetime,
    findings: Sequence[NewFinding] = (),
    again: Collection[int] = (),
) -> None:
    """End an exclusive stage: take the batch to where the event leads.

    ``again`` are images that are to be processed again.

    Whether a proven batch is done or waits for a person is decided here and not in the stage,
    since somebody may resolve it in the meantime.

    Raises
    ------
    LeaseLost
        When the claim is no longer held; nothing is written then.
    """
    with transaction.atomic():
        locked(claim.batch_id)
        if event is Event.FORGOTTEN:
            forget(claim)
            return
        note(claim.batch_id, findings, now=now)
        if again:
            Image.objects.filter(pk__in=again).update(status=Status.NEW, attempts=0, modified=now)
        if event is Event.PROVEN and is_open(claim.batch_id):
            event = Event.PROVEN_IN_PART
        make_move(claim.batch_id, claim.stage, event, now=now, token=claim.token)
        end_run(claim, "done", now=now)


def put_off(claim: Claim, until: datetime | None, *, now: datetime, waits: bool = False) -> None:
    """End a run that has more to do later: to remove, to send, to prove.  None: nothing, ever.

    ``waits``: nothing failed, its time has not come.
    """
    if until is None:
        move(claim, Event.CLEANED, now=now)
        return
    when = "due_at" if waits or claim.stage == Stage.CLEAN_UP else "retry_at"
    with transaction.atomic():
        # At once is no moment: a clock that was ahead would have written one far off.
        moment = until if until > now else None
        write(claim.batch_id, claim.stage, claim.token, now=now, attempts=0, **{when: moment})
        end_run(claim, "done", now=now)


def fail(claim: Claim, error: SenditError, *, tries: int, now: datetime) -> None:
    """End a claim with an error: try again later, or give up.

    A missing volume, a full disk and an interruption are not the batch's fault and do not use
    up its tries.

    Raises
    ------
    LeaseLost
        When the claim is no longer held; nothing but the end of the run is written then.
    """
    if isinstance(error, LeaseLost):
        end_run(claim, "lost", now=now, code=error.code)
        return
    try:
        with transaction.atomic():
            _fail(claim, error, tries=tries, now=now)
    except LeaseLost:
        end_run(claim, "lost", now=now, code=error.code)
        raise


def delay_after(attempts: int) -> timedelta:
    """Return how long to wait after so many tries that failed."""
    factor: int = 4 ** min(max(attempts - 1, 0), 10)
    return min(FIRST_DELAY * factor, LONGEST_DELAY)


def _fail(claim: Claim, error: SenditError, *, tries: int, now: datetime) -> None:
    batch = locked(claim.batch_id)
    _let_go_of_images(claim)
    blameless = isinstance(error, DiskFull | VolumeMissing | Interrupted)
    attempts = batch.attempts + (1 if claim.image_ids else 0)
    if not error.retryable or (attempts >= tries and not blameless):
        give_up(claim, error.code, str(error), now=now, target=getattr(error, "target", ""))
        return
    spent = max(attempts - 1, 0) if blameless else attempts
    again_at = None if isinstance(error, Interrupted) else now + delay_after(attempts)
    changes = {"attempts": spent, "retry_at": again_at}
    token = "" if claim.image_ids else claim.token
    write(claim.batch_id, claim.stage, token, now=now, **changes)
    end_run(claim, "failed", now=now, code=error.code)


def release_claims(worker: str, *, now: datetime, stuck: bool = False) -> None:
    """Let go of everything that a worker held; only for one that is known to be dead.

    Parameters
    ----------
    worker
        The whole name, as in its claims' tokens.
    stuck
        It was ended because an image took too long; the image says so if it is given up.
    """
    lapsed = now - timedelta(microseconds=1)
    held = Batch.objects.filter(lease_until__isnull=False)
    held.filter(lease_token__startswith=f"{worker}:").update(lease_until=lapsed)
    leased = Image.objects.filter(lease_until__isnull=False)  # by its index: they are few
    leased.filter(lease_token__startswith=f"{worker}:").update(
        lease_until=lapsed, reason=Reason.TIMED_OUT if stuck else ""
    )
    StageRun.objects.filter(worker=worker, ended=None).update(ended=now, outcome="lost")


def forgive_clock(*, now: datetime, lease: timedelta) -> int:
    """Mend what a clock that was ahead has written, and return how many rows that were.

    Such a lease would keep a dead worker's claim, and such a delay a batch, a delivery or a
    target, for as long as the clock was ahead.  Whoever still works under the lease loses
    nothing: it renews it.
    """
    far = now + max(2 * lease, LONGEST_LEASE)
    until = now + lease
    mended = Batch.objects.filter(lease_until__gt=far).update(lease_until=until)
    mended += Image.objects.filter(status=Status.PROCESSING, lease_until__gt=far).update(
        lease_until=until
    )
    far = now + 2 * LONGEST_DELAY
    mended += TargetHealth.objects.filter(open_until__gt=far).update(open_until=now)
    for model in (Delivery, Batch):
        mended += model.objects.filter(retry_at__gt=far).update(retry_at=now, modified=now)
    return mended


def _clean_up_later(claim: Claim, *, now: datetime) -> None:
    changes = {"attempts": 0, "retry_at": now + LONGEST_DELAY}
    write(claim.batch_id, claim.stage, claim.token, now=now, **changes)
    end_run(claim, "failed", now=now, code=Reason.CRASHED)
    logger.warning(
        "%s of batch %d: the worker died or was stopped each time; tried again in an hour",
        claim.stage,
        claim.batch_id,
    )


def _let_go_of_images(claim: Claim) -> None:
    """Give a chunk back; the try of its images is not counted, since none of them was to blame."""
    mine = Image.objects.filter(pk__in=claim.image_ids, lease_token=claim.token)
    held = mine.update(
        lease_token="", lease_until=None, status=Status.NEW, attempts=F("attempts") - 1
    )
    if held != len(claim.image_ids):
        raise LeaseLost(lost(claim))


def _crashed(stage: Stage, tries: int) -> str:
    return (
        f"The worker died or was stopped each time it ran {stage} ({tries} tries). "
        'Find the cause in the log, then run "sendit retry".'
    )
