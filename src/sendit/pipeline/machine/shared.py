"""The shared stage: many workers on one batch, each with a chunk of its images.

Whoever finishes last moves the batch on, and exactly one does.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from django.db import connection, transaction
from django.db.models import QuerySet

from sendit.errors import LeaseLost
from sendit.pipeline.machine.findings import NewFinding, note
from sendit.pipeline.machine.steps import Claim, count_bytes, locked, lost, make_move, write
from sendit.pipeline.machine.table import BY_EVENT, HELD_PERSON, SHARED, Event
from sendit.records.models import Batch, Image, StageRun, Treatment
from sendit.records.passing import passing
from sendit.records.prepared import Prepared, insert, insert_all
from sendit.records.queries import ImageQuerySet
from sendit.terms import Reason, Status, Verdict


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


_CLAIMED = ("id", "batch_id", "nr", "released", "size")
"""What de-identifying needs of an image; the rest is asked for where it is needed."""

_FATAL: dict[str, str] = {
    Reason.CRASHED: "The worker died or was stopped each time it processed this image; "
    "the image is kept and was not sent.",
    Reason.TIMED_OUT: "The image took longer than instance_timeout each time; "
    "it is kept and was not sent.",
}


def claim_images(
    batch_id: int, *, worker: str, chunk: int, lease: timedelta, tries: int, now: datetime
) -> Claim | None:
    """Take the next images of a batch; None when all are taken or done.

    An image that was claimed before (its worker died) is claimed alone, so that one
    that kills its worker uses up nobody else's tries; after its last try it is rejected.
    """
    token = f"{worker}:{uuid.uuid4().hex}"
    with passing():
        images = _take(_untried(chunk), batch_id, token=token, until=now + lease, now=now)
        more = len(images) == chunk
        if not images:
            crashed = _free(batch_id, now).filter(attempts__gte=tries)
            _reject_crashed(batch_id, crashed, chunk, now=now)
            images = _take(_FIRST, batch_id, token=token, until=now + lease, now=now)
            more = bool(images)
        if not images:
            return None
        run = StageRun(
            batch_id=batch_id,
            stage=SHARED,
            worker=worker,
            attempt=1,
            images=len(images),
            started=now,
        )
        insert(run)
    return Claim(
        batch_id,
        SHARED,
        token,
        lease,
        run.pk,
        tuple(image.pk for image in images),
        tuple(images),
        more,
    )


def _free(batch: int, now: datetime) -> ImageQuerySet:
    """Return the images of a batch at this stage that are in nobody's hands."""
    due = Batch.objects.due(now).filter(pk=batch, stage=SHARED)
    return Image.objects.claimable(now).filter(batch=batch, batch__in=due.values("pk"))


@cache
def _untried(number: int) -> Prepared:
    return Prepared(
        lambda batch, now: _free(batch, now).filter(attempts=0).order_by("nr").values("pk")[:number]
    )


_FIRST = Prepared(lambda batch, now: _free(batch, now).order_by("nr").values("pk")[:1])
_OPEN = Prepared(lambda batch: Image.objects.open().filter(batch=batch).values_list("pk")[:1])
_RUN = Prepared(lambda run: StageRun.objects.filter(pk=run))


def _take(
    free: Prepared, batch_id: int, *, token: str, until: datetime, now: datetime
) -> list[Image]:
    """Claim some images, in one statement, and return them in order."""
    chosen, parameters = free.statement(batch=batch_id, now=now)
    some = f"IN ({chosen})"
    if connection.features.has_select_for_update_skip_locked:
        # An array is asked for once; of IN, a plan may ask anew for each row, and take them all.
        some = f"= ANY (ARRAY({chosen} FOR UPDATE SKIP LOCKED))"
    table = connection.ops.quote_name(Image._meta.db_table)
    stamp = connection.ops.adapt_datetimefield_value
    # One statement in place of a transaction of three: a chunk is claimed for every few images.
    statement = (
        f"UPDATE {table} SET status = %s, lease_token = %s, lease_until = %s, modified = %s, "  # noqa: S608
        f"attempts = attempts + 1 WHERE id {some} RETURNING {', '.join(_CLAIMED)}"
    )
    values = (Status.PROCESSING, token, stamp(until), stamp(now), *parameters)
    return sorted(Image.objects.raw(statement, values), key=lambda image: image.nr)


def finish_images(
    claim: Claim,
    results: Sequence[ImageResult],
    *,
    elements: list[list[object]],
    findings: Sequence[NewFinding],
    now: datetime,
    treatments: Mapping[str, list[list[object]]] | None = None,
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
            json.dumps(result.report, sort_keys=True),
            Status.DONEPROCESSING if result.verdict == Verdict.ACCEPTED else Status.PROCESSING,
            "",
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
                raise LeaseLost(lost(claim))
        note(claim.batch_id, findings, now=now)
        # In order, so that two workers that write the same ones never wait for each other.
        insert_all(
            (Treatment(digest, listed) for digest, listed in sorted((treatments or {}).items())),
            unless_there=True,
        )
        _RUN.update({"ended": now, "outcome": "done", "elements": elements}, run=claim.run_id)


def anything_open(batch_id: int) -> bool:
    """Say whether an image of a batch is still to be processed."""
    return _OPEN.row(batch=batch_id) is not None


def settle(batch_id: int, *, now: datetime) -> bool:
    """Move a batch whose last image is done on from the shared stage; True for the one mover."""
    images = Image.objects.filter(batch=batch_id)
    with transaction.atomic():
        batch = locked(batch_id)
        if batch.stage != SHARED or batch.status != Status.PROCESSING or batch.held:
            return False
        if anything_open(batch_id):
            return False
        count_bytes(batch_id)
        stop_on_bad = batch.profile.content["accept"]["on_bad_image"] == "stop"
        if stop_on_bad and batch.has_error and not batch.accept_bad:
            _stop_on_bad(batch, now=now)
        elif images.accepted().exists():
            make_move(batch_id, SHARED, Event.DEIDENTIFIED, now=now)
        elif images.filter(verdict=Verdict.HELD).exists():
            write(batch_id, SHARED, "", now=now, held=HELD_PERSON, attempts=0)
        else:
            make_move(batch_id, SHARED, Event.EMPTIED, now=now)
    return True


def _stop_on_bad(batch: Batch, *, now: datetime) -> None:
    step = BY_EVENT[SHARED, Event.GIVEN_UP]
    write(batch.pk, SHARED, "", now=now, status=step.status, finished=now)


def _reject_crashed(batch_id: int, crashed: QuerySet[Image], number: int, *, now: datetime) -> None:
    """Reject images that were tried too often; they are locked while that is written down."""
    with transaction.atomic():
        if connection.features.has_select_for_update_skip_locked:
            crashed = crashed.select_for_update(skip_locked=True)
        _reject(batch_id, list(crashed.order_by("nr")[:number]), now=now)


def _reject(batch_id: int, images: Sequence[Image], *, now: datetime) -> None:
    for image in images:
        image.reason = image.reason or Reason.CRASHED
        Image.objects.filter(pk=image.pk).update(
            verdict=Verdict.REJECTED,
            reason=image.reason,
            lease_token="",
            lease_until=None,
            modified=now,
        )
    note(
        batch_id,
        [
            NewFinding(
                image.reason,
                _FATAL[image.reason],
                SHARED,
                file=image.source,
                image_id=image.pk,
            )
            for image in images
        ],
        now=now,
    )
