"""The ledger of what was delivered: what a target has already, and what it is still to get.

A batch is not a study.  What was there with the same content is not sent again (the target is
asked whether it still is), what is new becomes a numbered supplement, and changed content goes
only where the project's ``supersede`` lets it.  Lines are written before anything is sent, so
whatever may be at a receiver stands here; they outlive the batch.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby

from django.db import transaction
from django.db.models import Max, Q, QuerySet

from sendit import __version__
from sendit.errors import NotYetProven, TargetConflict, VerificationFailed
from sendit.pipeline import machine
from sendit.pipeline.stages.copies import package_of_copy, receipt_of_copy
from sendit.pipeline.stages.originals import OriginalNames
from sendit.pipeline.stages.replacing import replace_copies
from sendit.pipeline.work import Work
from sendit.records.models import (
    Batch,
    DeliveredInstance,
    DeliveredStudy,
    Delivery,
    Image,
    TargetHealth,
)
from sendit.records.queries import AT_REST
from sendit.storage import Receipt, Target, keeps_generations, location_of, packs_archives
from sendit.terms import DeliveryState, Reason, Status

READY = (Status.DONEPROCESSING, Status.SENT, Status.DONE)


@dataclass(frozen=True, slots=True)
class Ready:
    """One image of a batch that may be sent; all new values."""

    study_instance_uid: str
    sop_instance_uid: str
    file: str
    sha256: str
    size: int
    patient_id: str
    study_pseudonym: str
    study_date: str
    released: str


@dataclass(slots=True)
class Sorted:
    """The images of one Study, by what a receiver has of them."""

    fresh: list[Ready]
    changed: list[Ready]
    there: list[DeliveredInstance]


def receiver_of(work: Work, name: str, target: Target) -> str:
    """Return which receiver a target of the project is."""
    return location_of(target, name=f"{work.batch.project}/{name}")


def ready_images(work: Work) -> list[Ready]:
    """Return the images that may be sent, study by study."""
    rows = Image.objects.accepted().filter(batch=work.batch_id, status__in=READY)
    columns = tuple(field for field in Ready.__slots__ if field != "size")
    values = rows.exclude(file="").order_by("study_instance_uid", "file")
    return [
        Ready(**dict(zip(columns, row[:-1], strict=True)), size=row[-1])
        for row in values.values_list(*columns, "result_size")
    ]


def copies(
    work: Work, receivers: Collection[str], study_instance_uid: str
) -> Sequence[DeliveredInstance]:
    """Return what other batches may have put of a Study where this one is to go."""
    return list(
        DeliveredInstance.objects.filter(
            study__namespace=work.project.identity.namespace,
            study__receiver__in=receivers,
            study__study_instance_uid=study_instance_uid,
            removed=None,
        )
        .exclude(study__batch=work.batch_id)
        .select_related("study")
        .order_by("pk")
    )


def sort_out(images: Sequence[Ready], held: Sequence[DeliveredInstance]) -> Sorted:
    """Tell what is new at a receiver, what is there, and what is there with other content."""
    by_uid: dict[str, list[DeliveredInstance]] = {}
    for copy in held:
        by_uid.setdefault(copy.sop_instance_uid, []).append(copy)
    found = Sorted([], [], [])
    for image in images:
        known = by_uid.get(image.sop_instance_uid, [])
        same = [copy for copy in known if copy.sha256 == image.sha256]
        proven = [copy for copy in same if copy.study.proven and not copy.lost]
        if proven:
            found.there.append(proven[-1])
        elif len(same) == len(known):  # never there, or sent by somebody who did not prove it
            found.fresh.append(image)
        else:
            found.changed.append(image)
    return found


def plan(work: Work, name: str, target: Target) -> int:
    """Write down what one target is to get; return how many instances it has already.

    Raises
    ------
    sendit.errors.NotYetProven
        When another batch is just delivering the same Study there.
    sendit.errors.TargetConflict
        When changed content cannot go as the project says.
    """
    receiver = receiver_of(work, name, target)
    mine = set(
        DeliveredInstance.objects.filter(
            study__batch=work.batch_id,
            study__receiver=receiver,
            study__target=name,
            study__recall=None,
        ).values_list("sop_instance_uid", flat=True)
    )
    images = [image for image in ready_images(work) if image.sop_instance_uid not in mine]
    there = 0
    studies: dict[str, list[Ready]] = {}
    for uid, group in groupby(images, key=lambda image: image.study_instance_uid):
        studies[uid] = list(group)
        found = sort_out(studies[uid], copies(work, [receiver], uid))
        there += len(found.there) - _forget_lost(work, target, found.there)
        if found.changed and _policy(work, target, found.changed) == "replace":
            replace_copies(work, target, found.changed, studies[uid], copies(work, [receiver], uid))
    names = OriginalNames(work) if studies else None
    with transaction.atomic():
        machine.renew(work.claim, now=work.now())
        _one_at_a_time(work, name)
        for uid, group_of_study in studies.items():
            held = copies(work, [receiver], uid)
            _wait_for_others(held)
            _write(work, name, target, sort_out(group_of_study, held), names)
    return there


def keep_receipt(work: Work, name: str, receipt: Receipt) -> None:
    """Write down where the target says that everything is."""
    parts = _parts(work, name).filter(proven=None).prefetch_related("instances")
    for part in parts:
        uids = [instance.sop_instance_uid for instance in part.instances.all()]
        part.location, part.volume = receipt.location, receipt.volume
        part.stored = {
            uid: [one.place, one.digest, one.warning]
            for uid in uids
            if (one := receipt.stored.get(uid)) is not None
        }
        part.documents = dict(receipt.documents)
    DeliveredStudy.objects.bulk_update(
        list(parts), ["location", "volume", "stored", "documents"], batch_size=50
    )


def unproven(work: Work, name: str) -> list[DeliveredStudy]:
    """Return what is planned for a target and has no proof yet."""
    return list(_parts(work, name).filter(proven=None).order_by("pk"))


def mark_proven(work: Work, name: str) -> None:
    """Write down that the target has proven what it was sent."""
    _parts(work, name).filter(proven=None).update(proven=work.now())


def _parts(work: Work, name: str) -> QuerySet[DeliveredStudy]:
    return DeliveredStudy.objects.filter(
        batch=work.batch_id, project=work.batch.project, target=name, recall=None
    )


def _forget_lost(work: Work, target: Target, there: Sequence[DeliveredInstance]) -> int:
    """Ask the target about what it had; write down what is lost, and return how many that is."""
    lost = 0
    for part in {copy.study_id: copy.study for copy in there}.values():
        needed = {copy.sop_instance_uid for copy in there if copy.study_id == part.pk}
        try:
            target.verify(
                package_of_copy(part, work.workspace.clean(work.batch_id)),
                receipt_of_copy(part),
                progress=work.progress,
            )
        except VerificationFailed as error:
            gone = needed & error.failures.keys() if error.failures else needed
            lost += len(gone)
            DeliveredInstance.objects.filter(study=part, sop_instance_uid__in=gone).update(
                lost=work.now()
            )
    return lost


def _policy(work: Work, target: Target, changed: Sequence[Ready]) -> str:
    """Return how changed content goes: ``replace`` or ``new-generation``.

    A person who releases what was held chooses what does no harm: both are kept where the
    target can.
    """
    policy = work.project.delivery.supersede
    released = all(Reason.SUPERSEDES in image.released.split() for image in changed)
    if policy == "hold" and released:
        return "new-generation" if keeps_generations(target) else "replace"
    if policy == "hold" or (policy == "new-generation" and not keeps_generations(target)):
        why = (
            "and the project holds such images"
            if policy == "hold"
            else "and this target cannot keep two generations"
        )
        raise TargetConflict(
            f"Instance {changed[0].sop_instance_uid} was delivered before with other content "
            f'({len(changed)} in all), {why}; nothing was sent. Set supersede = "replace", '
            "or leave them out.",
            failures={image.sop_instance_uid: "other content was delivered" for image in changed},
        )
    return policy


def _one_at_a_time(work: Work, name: str) -> None:
    """Let nobody else plan for this target until the transaction ends."""
    TargetHealth.objects.get_or_create(project=work.batch.project, target=name)
    TargetHealth.objects.select_for_update().get(project=work.batch.project, target=name)


def _wait_for_others(held: Sequence[DeliveredInstance]) -> None:
    """Return unless another batch is just bringing parts of the same Study there."""
    unproven = {copy.study.batch for copy in held if copy.study.proven is None}
    at_work = Batch.objects.filter(pk__in=unproven).exclude(status__in=AT_REST)
    for batch_id in at_work.order_by("pk").values_list("pk", flat=True):
        open_states = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.SENT)
        if Delivery.objects.filter(batch=batch_id, state__in=open_states).exists():
            raise NotYetProven(
                f"Batch {batch_id} is delivering parts of the same study; "
                "this one follows when they are proven."
            )


def _write(
    work: Work,
    name: str,
    target: Target,
    found: Sorted,
    names: OriginalNames | None,
) -> None:
    """Write the lines of what is to be sent of one Study."""
    wanted = [*found.fresh, *found.changed]
    if not wanted or names is None:
        return
    receiver = receiver_of(work, name, target)
    first = wanted[0]
    parts = DeliveredStudy.objects.filter(
        Q(instances__removed=None) | Q(batch=work.batch_id),
        namespace=work.project.identity.namespace,
        receiver=receiver,
    )
    of_study = parts.filter(study_instance_uid=first.study_instance_uid)
    generation = of_study.aggregate(last=Max("generation"))["last"] or 1
    if found.changed:
        generation += 1
    last = _last_supplement(parts, first, generation, of_name=packs_archives(target))
    part = DeliveredStudy.objects.create(
        namespace=work.project.identity.namespace,
        receiver=receiver,
        project=work.batch.project,
        target=name,
        profile_id=work.batch.profile_id,
        batch=work.batch_id,
        batch_digest=work.batch.uid_digest,
        patient_id=first.patient_id,
        study_instance_uid=first.study_instance_uid,
        study_pseudonym=first.study_pseudonym,
        study_date=next((image.study_date for image in wanted if image.study_date), ""),
        patient_digest=names.patient_digest(first.study_instance_uid),
        study_digest=names.study_digest(first.study_instance_uid),
        generation=generation,
        supplement=0 if last is None else last + 1,
        recipe=names.recipe_digest,
        engine=__version__,
        planned=work.now(),
    )
    DeliveredInstance.objects.bulk_create(
        [
            DeliveredInstance(
                study=part,
                sop_instance_uid=image.sop_instance_uid,
                file=image.file,
                sha256=image.sha256,
                size=image.size,
            )
            for image in wanted
        ],
        batch_size=500,
    )


def _last_supplement(
    parts: QuerySet[DeliveredStudy], first: Ready, generation: int, *, of_name: bool
) -> int | None:
    """Return the highest number that is taken; None when none is, not even the first part."""
    same = Q(study_instance_uid=first.study_instance_uid)
    if of_name:  # another Study with the same accession number has the same name as a file
        same |= Q(patient_id=first.patient_id, study_pseudonym=first.study_pseudonym)
    last: int | None = parts.filter(same, generation=generation).aggregate(last=Max("supplement"))[
        "last"
    ]
    return last
