"""Set aside what may not go, or not now: recalled, of a series that is not whole, or changed.

Held images wait for a person, as those that the engine held do, and go on when released, or
when their series is whole; the rest of the batch is sent without them.  What was planned for a
target already is not looked at again.
"""

from collections.abc import Callable, Iterable
from itertools import groupby

from sendit.pipeline import machine
from sendit.pipeline.machine import NewFinding
from sendit.pipeline.stages import ledger, packages
from sendit.pipeline.stages.incomplete import incomplete_series
from sendit.pipeline.work import Work
from sendit.records.models import (
    DeliveredInstance,
    Finding,
    Image,
    RecalledStudy,
)
from sendit.records.prepared import Prepared
from sendit.terms import Reason, Stage, Verdict

_HOW = (
    'Look at it, then "sendit release" lets it go on and "sendit resolve --accept" leaves it out.'
)

_READY = Prepared(
    lambda batch: (
        Image.objects.accepted()
        .filter(batch=batch, status__in=ledger.READY)
        .exclude(file="")
        .defer("source", "report")
        .order_by("study_instance_uid", "nr")
    )
)
_PLANNED = Prepared(
    lambda batch, project: DeliveredInstance.objects.filter(
        study__batch=batch, study__project=project
    ).values_list("sop_instance_uid")
)
_RECALLED = Prepared(
    lambda namespace: RecalledStudy.objects.filter(namespace=namespace).values_list(
        "patient_id", "study_instance_uid"
    )
)
_ASIDE = Prepared(
    lambda batch: (
        Image.objects.filter(batch=batch)
        .exclude(verdict=Verdict.ACCEPTED)
        .exclude(file="")
        .values_list("pk", "file")
    )
)


def set_aside(work: Work) -> None:
    """Hold, or leave out, what may not be sent; and remove the results of what is held."""
    ready = _ready(work)
    _hold(work, ready, Reason.RECALLED, _is_recalled(work), "the patient or study was recalled")
    fresh = _not_planned(work, ready)
    goes_on = work.batch.accept_bad  # a person has said so, without the bad files
    if work.project.delivery.incomplete_series != "send-marked" and not goes_on:
        _incomplete(work, fresh)
    if work.project.delivery.supersede == "hold":
        _hold(
            work,
            fresh,
            Reason.SUPERSEDES,
            _superseding(work),
            "other content was delivered under the same UID before",
        )
    _remove_results(work)


def _not_planned(work: Work, ready: list[Image]) -> list[Image]:
    """Return the accepted images that no target was to get yet."""
    rows = _PLANNED.rows(batch=work.batch_id, project=work.batch.project)
    planned = {uid for (uid,) in rows}
    return [image for image in ready if image.sop_instance_uid not in planned]


def _ready(work: Work) -> list[Image]:
    found: list[Image] = _READY.objects(batch=work.batch_id)
    return found


def _hold(
    work: Work,
    fresh: list[Image],
    reason: Reason,
    is_meant: Callable[[Image], bool],
    why: str,
    *,
    verdict: Verdict = Verdict.HELD,
) -> None:
    """Set aside the images that are meant, unless a person has released them from this."""
    meant = [image for image in fresh if reason not in image.released.split() and is_meant(image)]
    if not meant:
        return
    count = f"{len(meant)} image{'s' if len(meant) > 1 else ''}"
    told = f"Not sent: {count} of batch {work.batch_id}, since {why}. "
    finding = NewFinding(
        reason,
        told + (_HOW if verdict is Verdict.HELD else "The project leaves such series out."),
        Stage.SEND,
        severity=Finding.ALERT,
        image_id=meant[0].pk if len(meant) == 1 else None,
    )
    machine.set_aside(
        work.claim,
        [image.pk for image in meant],
        reason,
        verdict=verdict,
        findings=[finding],
        now=work.now(),
    )
    gone = {image.pk for image in meant}
    fresh[:] = [image for image in fresh if image.pk not in gone]


def _incomplete(work: Work, fresh: list[Image]) -> None:
    incomplete = incomplete_series(work.batch_id, project=work.batch.project)
    drops = work.project.delivery.incomplete_series == "drop-series"
    _hold(
        work,
        fresh,
        Reason.INCOMPLETE,
        lambda image: image.series_digest in incomplete,
        "an instance of the series is missing, was rejected, or did not come",
        verdict=Verdict.EXCLUDED if drops else Verdict.HELD,
    )


def _is_recalled(work: Work) -> Callable[[Image], bool]:
    recalled = set(_RECALLED.rows(namespace=work.project.identity.namespace))
    return lambda image: (
        (image.patient_id, "") in recalled
        or (image.patient_id, image.study_instance_uid) in recalled
    )


def _superseding(work: Work) -> Callable[[Image], bool]:
    """Return whether an image has other content than any target of the project may hold."""
    receivers = {
        ledger.receiver_of(work, name, target) for name, target in packages.targets_of(work).items()
    }
    changed: set[str] = set()
    for uid, group in groupby(ledger.ready_images(work), key=lambda one: one.study_instance_uid):
        held = ledger.copies(work, receivers, uid)
        if not held:
            continue
        images = list(group)
        for receiver in receivers:
            found = ledger.sort_out(
                images, [copy for copy in held if copy.study.receiver == receiver]
            )
            changed.update(image.sop_instance_uid for image in found.changed)
    return lambda image: image.sop_instance_uid in changed


def _remove_results(work: Work) -> None:
    """Remove the results of images that are not to be sent; their originals are kept."""
    rows = _ASIDE.rows(batch=work.batch_id)
    if not rows:
        return
    clean = work.workspace.clean(work.batch_id)
    for _, file in rows:
        (clean / file).unlink(missing_ok=True)
    _forget_files(pk for pk, _ in rows)


def _forget_files(image_ids: Iterable[int]) -> None:
    Image.objects.filter(pk__in=list(image_ids)).update(file="", sha256="", result_size=0)
