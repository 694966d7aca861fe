"""Recall: every copy that was delivered of a patient, a study or a batch is taken back.

The copies are known from the ledger, which outlives clean-up.  That they may not come in again
unnoticed is written down first; then each target that can is asked to remove what it has, and
to show that it is gone.  What is left is for a person, and is said.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from sendit.config import Configuration, Project
from sendit.deid.identities import normal_id
from sendit.errors import ConfigurationInvalid, TargetError, UsageError
from sendit.pipeline.stages.copies import receipt_of_copy
from sendit.pipeline.stages.originals import patient_digest, study_digest
from sendit.pipeline.workspace import Workspace
from sendit.records import audit
from sendit.records.encrypted import keyed_digest
from sendit.records.models import (
    Batch,
    BatchIdentifiers,
    DeliveredInstance,
    DeliveredStudy,
    Delivery,
    Image,
    Recall,
    RecalledStudy,
)
from sendit.storage import RemovableTarget, Target
from sendit.terms import Stage


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be taken back."""

    scope: str
    """``patient``, ``study`` or ``batch``, as ``Recall`` has them."""
    name: str = field(repr=False)
    """Of a patient: the pseudonym or the original id; of a study: a UID, new or original, or
    its pseudonym; of a batch: the number or the uid."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy, and what became of it."""

    where: str
    what: str
    n_instances: int
    left: str = ""
    """Why it is still there; empty when it is gone."""


_NAMES = {
    Recall.PATIENT: "Give the pseudonym, or exactly what the original header says.",
    Recall.STUDY: "Give its pseudonym, or its new or original Study Instance UID.",
    Recall.BATCH: 'Give its number or its uid, as "sendit status" shows them.',
}


def recall(
    configuration: Configuration,
    wanted: Wanted,
    *,
    by: str,
    reason: str,
    now: Callable[[], datetime],
) -> Iterator[Copy]:
    """Take back every copy, one after the other; who does it is in the audit log before.

    Raises
    ------
    sendit.errors.UsageError
        When nothing is known under that name, or two batches are, or no reason is given.
    """
    if not reason.strip():
        raise UsageError("A reason is needed; it is kept with the recall. Nothing was taken back.")
    named = bool(wanted.name.strip())  # without a name, all that has none would be meant
    studies = set(_studies(wanted)) if named else set()
    if not studies and not (named and _batches(wanted).exists()):
        raise UsageError(
            f"No {wanted.scope} is known under that name: nothing of it was delivered from here. "
            f"{_NAMES[wanted.scope]}"
        )
    _require_one_batch(wanted)
    with transaction.atomic():
        made = Recall.objects.create(scope=wanted.scope, reason=reason, time=now())
        RecalledStudy.objects.bulk_create(
            RecalledStudy(recall=made, namespace=ns, patient_id=patient, study_instance_uid=uid)
            for ns, patient, uid in sorted(studies)
        )
        copies = list(_copies(wanted).order_by("pk").select_related("profile"))
        DeliveredStudy.objects.filter(pk__in=[one.pk for one in copies]).update(recall=made)
        act = audit.Act(
            by, f"{wanted.scope} recall", f"recall {made.pk}", reason, {"copies": len(copies)}
        )
        audit.append(act, now=made.time, head_folder=configuration.settings.audit.folder)
    yield from _under_way(wanted, now=now())
    for part in copies:
        copy = _take_back(configuration, part, now=now())
        if copy is not None:
            yield copy
    yield from _identified(wanted)
    yield from _kept_here(configuration, {part.batch for part in copies})


def _copies(wanted: Wanted) -> QuerySet[DeliveredStudy]:
    name = wanted.name
    if wanted.scope == Recall.PATIENT:
        meant = Q(patient_id=name) | Q(patient_digest=patient_digest(normal_id(name)))
    elif wanted.scope == Recall.STUDY:
        meant = Q(study_instance_uid=name) | Q(study_pseudonym=name)
        meant |= Q(study_digest=study_digest(name))
    else:
        meant = Q(batch_digest=keyed_digest(name)) | Q(batch__in=_number(name))
    return DeliveredStudy.objects.filter(meant)


def _batches(wanted: Wanted) -> QuerySet[Batch]:
    """Return the batches that are asked for, or that hold images of what is asked for."""
    name = wanted.name
    if wanted.scope == Recall.BATCH:
        return Batch.objects.filter(Q(uid_digest=keyed_digest(name)) | Q(pk__in=_number(name)))
    if wanted.scope == Recall.PATIENT:
        images = Image.objects.filter(patient_id=name)
    else:
        images = Image.objects.filter(Q(study_instance_uid=name) | Q(study_pseudonym=name))
    return Batch.objects.filter(pk__in=images.values("batch"))


def _require_one_batch(wanted: Wanted) -> None:
    """Return unless a word is the number of one batch and the uid of another."""
    if wanted.scope != Recall.BATCH or wanted.name.startswith("#"):
        return
    meant = {*_batches(wanted).values_list("pk", flat=True)}
    meant |= {*_copies(wanted).values_list("batch", flat=True)}
    if len(meant) > 1:
        words = " or ".join(f'"#{number}"' for number in sorted(meant))
        raise UsageError(
            f"That is the number of one batch and the uid of another: write {words}. "
            "Nothing was taken back."
        )


def _studies(wanted: Wanted) -> Iterator[tuple[str, str, str]]:
    """Yield namespace, patient and study (empty: all) of what may not come in again."""
    whole = wanted.scope == Recall.PATIENT
    for part in _copies(wanted):
        yield part.namespace, part.patient_id, "" if whole else part.study_instance_uid
    for batch in _batches(wanted).select_related("profile"):
        namespace = batch.profile.content["identity"]["namespace"]
        images = Image.objects.filter(batch=batch).exclude(patient_id="")
        if wanted.scope == Recall.PATIENT:
            images = images.filter(patient_id=wanted.name)
        elif wanted.scope == Recall.STUDY:
            images = images.filter(
                Q(study_instance_uid=wanted.name) | Q(study_pseudonym=wanted.name)
            )
        for patient, study in images.values_list("patient_id", "study_instance_uid").distinct():
            yield namespace, patient, "" if whole else study
    if whole:
        yield from _on_their_way(wanted.name)


def _on_their_way(patient_id: str) -> Iterator[tuple[str, str, str]]:
    """Yield a patient by the original id, from batches whose identifiers are still there."""
    for kept in BatchIdentifiers.objects.select_related("batch__profile"):
        namespace = kept.batch.profile.content["identity"]["namespace"]
        for patient, _, pseudonym, *_ in kept.answers:
            if patient == normal_id(patient_id):
                yield namespace, pseudonym, ""


def _take_back(configuration: Configuration, part: DeliveredStudy, *, now: datetime) -> Copy | None:
    held = part.instances.filter(removed=None)
    count = held.count()
    if not count:
        return None
    where = f"target {part.target} of project {part.project}, {part.location or part.receiver}"
    what = f"study {part.study_instance_uid} of batch {part.batch}"
    left = ""
    try:
        target = _target(configuration, part)
        if isinstance(target, RemovableTarget):
            removal = target.remove(receipt_of_copy(part))
            DeliveredInstance.objects.filter(
                study=part, sop_instance_uid__in=removal.removed
            ).update(removed=now)
            if removal.left:
                uid, why = next(iter(removal.left.items()))
                left = f"{len(removal.left)} left, the first is {uid}: {why}"
        else:
            left = "This target cannot remove anything; have it removed there, by its keeper."
    except TargetError as error:
        left = f"{error} Run the recall again when it can be asked."
    except ConfigurationInvalid:
        left = "This target cannot be made any more; have it removed there, by its keeper."
    return Copy(where, what, count, left)


def _target(configuration: Configuration, part: DeliveredStudy) -> Target:
    """Return the target as it was when it took the copy, with today's secrets."""
    project = Project.from_snapshot(
        part.profile.content, secrets_from=configuration.projects.get(part.project)
    )
    return next(one for one in project.targets if one.name == part.target).reach()


def _under_way(wanted: Wanted, *, now: datetime) -> Iterator[Copy]:
    """Yield what is being sent at this moment; it may arrive after it was looked for."""
    busy = Batch.objects.filter(
        Q(pk__in=_batches(wanted)) | Q(pk__in=_copies(wanted).values("batch")),
        stage__in=[Stage.SEND, Stage.VERIFY],
        lease_until__gt=now,
    )
    for batch in busy.order_by("pk"):
        yield Copy(
            "under way",
            f"batch {batch.pk}",
            0,
            "It is being sent at this moment; run the recall again when it rests.",
        )


def _identified(wanted: Wanted) -> Iterator[Copy]:
    """Yield deliveries of batches that were not de-identified; the ledger does not hold them."""
    if wanted.scope != Recall.BATCH:
        return
    deliveries = Delivery.objects.filter(batch__in=_batches(wanted)).exclude(receipt=None)
    for delivery in deliveries.select_related("batch__profile").order_by("pk"):
        if not delivery.batch.profile.content["anonymize"]:
            receipt = delivery.receipt or {}
            yield Copy(
                f"target {delivery.target} of project {delivery.batch.project}, "
                f"{receipt['location']}",
                f"batch {delivery.batch_id}",
                receipt["n_instances"],
                "It was not de-identified; have it removed there, by its keeper.",
            )


def _kept_here(configuration: Configuration, batches: set[int]) -> Iterator[Copy]:
    workspace = Workspace(configuration.settings.work_dir)
    outward = Batch.objects.filter(pk__in=batches, stage__in=[Stage.SEND, Stage.VERIFY])
    unproven = set(outward.values_list("pk", flat=True))
    for batch_id in sorted(batches):
        place = workspace.clean(batch_id)
        files = list(place.rglob("*.dcm"))
        if files:
            left = (
                "The batch stops at its next try; then "
                f'"sendit resolve {batch_id} --reject" removes them.'
                if batch_id in unproven
                else f"Retention keeps them in {place}; remove them there."
            )
            yield Copy("this installation", f"results of batch {batch_id}", len(files), left)


def _number(name: str) -> list[int]:
    number = name.removeprefix("#")
    return [int(number)] if number.isascii() and number.isdigit() and len(number) <= 18 else []
