"""The ledger of what was delivered: what a target has already, and what it is still to get.

A batch is not a study.  What was there with the same content is not sent again (the target is
asked whether it still is), what is new becomes a numbered supplement, and changed content goes
only where the project's ``supersede`` lets it.  Lines are written before anything is sent, so
whatever may be at a receiver stands here; they outlive the batch.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from django.db import transaction
from django.db.models import Max, Q, QuerySet

from sendit import __version__
from sendit.errors import BatchStopped, TargetConflict, VerificationFailed
from sendit.pipeline import machine
from sendit.pipeline.stages.copies import package_of_copy, receipt_of_copy
from sendit.pipeline.stages.others import let_others_end, require_others_ended
from sendit.pipeline.stages.replacing import replace_copies
from sendit.pipeline.stages.side_by_side import Talk
from sendit.pipeline.work import Work
from sendit.records.models import (
    DeliveredInstance,
    DeliveredStudy,
    Image,
    TargetHealth,
)
from sendit.records.prepared import Prepared, insert, insert_all
from sendit.storage import (
    Package,
    Progress,
    Receipt,
    Target,
    keeps_generations,
    location_of,
    packs_archives,
)
from sendit.terms import Reason, Status

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
    return [Ready(*row) for row in _READY_IMAGES.rows(batch=work.batch_id)]


def copies(
    work: Work, receivers: Collection[str], study_instance_uid: str
) -> Sequence[DeliveredInstance]:
    """Return what other batches may have put of a Study where this one is to go."""
    namespace = work.project.identity.namespace
    if not any(
        _OF_OTHERS.row(
            namespace=namespace, receiver=receiver, study=study_instance_uid, batch=work.batch_id
        )
        for receiver in receivers
    ):
        return []  # as nearly always
    return list(
        _copies(namespace, study_instance_uid, work.batch_id)
        .filter(study__receiver__in=receivers)
        .select_related("study")
        .order_by("pk")
    )


def _copies(namespace: str, study: str, batch: int) -> QuerySet[DeliveredInstance]:
    """Return what batches other than one have delivered of a Study."""
    return DeliveredInstance.objects.filter(
        study__namespace=namespace, study__study_instance_uid=study, removed=None
    ).exclude(study__batch=batch)


_OF_OTHERS = Prepared(
    lambda namespace, receiver, study, batch: (
        _copies(namespace, study, batch).filter(study__receiver=receiver).values_list("pk")[:1]
    )
)
_PLANNED = Prepared(
    lambda batch, receiver, target: DeliveredInstance.objects.filter(
        study__batch=batch, study__receiver=receiver, study__target=target, study__recall=None
    ).values_list("sop_instance_uid")
)
_READY_IMAGES = Prepared(
    lambda batch: (
        Image.objects.accepted()
        .filter(batch=batch, status__in=READY)
        .exclude(file="")
        .order_by("study_instance_uid", "file")
        .values_list(*("result_size" if name == "size" else name for name in Ready.__slots__))
    )
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


def plan(work: Work, name: str, target: Target) -> Talk[int]:
    """Write down what one target is to get; return how many instances it has already.

    Raises
    ------
    sendit.errors.NotYetProven
        When another batch is just delivering the same Study there.
    sendit.errors.TargetConflict
        When changed content cannot go as the project says.
    """
    receiver = receiver_of(work, name, target)
    planned = _PLANNED.rows(batch=work.batch_id, receiver=receiver, target=name)
    mine = {uid for (uid,) in planned}
    images = [image for image in ready_images(work) if image.sop_instance_uid not in mine]
    there = 0
    studies: dict[str, list[Ready]] = {}
    for uid, group in groupby(images, key=lambda image: image.study_instance_uid):
        studies[uid] = list(group)
        yield from let_others_end(work, partial(copies, work, [receiver], uid))
        found = sort_out(studies[uid], copies(work, [receiver], uid))
        there += len(found.there)
        there -= yield from _forget_lost(work, target, found.there)
        if found.changed and _policy(work, target, found.changed) == "replace":
            held = copies(work, [receiver], uid)
            yield from replace_copies(work, target, found.changed, studies[uid], held)
    with transaction.atomic():
        machine.renew(work.claim, now=work.now())
        _one_at_a_time(work, name)
        for uid, group_of_study in studies.items():
            held = copies(work, [receiver], uid)
            require_others_ended(held)
            _write(work, name, target, sort_out(group_of_study, held))
    return there


def keep_receipt(work: Work, name: str, receipt: Receipt) -> None:
    """Write down where the target says that everything is."""
    for part in unproven(work, name):
        stored = {
            uid: [one.place, one.digest, one.warning]
            for (uid,) in _INSTANCES.rows(part=part.pk)
            if (one := receipt.stored.get(uid)) is not None
        }
        _PART.update(
            {
                "location": receipt.location,
                "volume": receipt.volume,
                "stored": stored,
                "documents": dict(receipt.documents),
            },
            part=part.pk,
        )


def unproven(work: Work, name: str) -> list[DeliveredStudy]:
    """Return what is planned for a target and has no proof yet."""
    found: list[DeliveredStudy] = _UNPROVEN.objects(
        batch=work.batch_id, project=work.batch.project, target=name
    )
    return found


def require_not_recalled(work: Work) -> None:
    """Return unless what was sent of the batch was recalled meanwhile.

    Raises
    ------
    sendit.errors.BatchStopped
        When it was; it is not delivered, whatever the targets say.
    """
    mine = DeliveredInstance.objects.filter(
        study__batch=work.batch_id, study__project=work.batch.project
    )
    standing = mine.filter(study__recall=None).values("sop_instance_uid")
    if mine.exclude(study__recall=None).exclude(sop_instance_uid__in=standing).exists():
        raise BatchStopped(
            "It was recalled while it was delivered. "
            f'"sendit resolve {work.batch_id} --reject" gives its originals back.'
        )


def mark_proven(work: Work, name: str) -> None:
    """Write down that the target has proven what it was sent."""
    _UNPROVEN.update(
        {"proven": work.now()}, batch=work.batch_id, project=work.batch.project, target=name
    )


_UNPROVEN = Prepared(
    lambda batch, project, target: DeliveredStudy.objects.filter(
        batch=batch, project=project, target=target, recall=None, proven=None
    ).order_by("pk")
)
_INSTANCES = Prepared(
    lambda part: DeliveredInstance.objects.filter(study=part).values_list("sop_instance_uid")
)
_PART = Prepared(lambda part: DeliveredStudy.objects.filter(pk=part))


def _forget_lost(work: Work, target: Target, there: Sequence[DeliveredInstance]) -> Talk[int]:
    """Ask the target about what it had; write down what is lost, and return how many that is."""
    lost = 0
    for part in {copy.study_id: copy.study for copy in there}.values():
        needed = {copy.sop_instance_uid for copy in there if copy.study_id == part.pk}
        # The batch need not bring all that was sent then; only an archive is asked about whole.
        only = None if packs_archives(target) else needed
        package = package_of_copy(part, work.workspace.clean(work.batch_id), only=only)
        try:
            yield partial(_verify, target, package, receipt_of_copy(part, only=only))
        except VerificationFailed as error:
            gone = needed & error.failures.keys() if error.failures else needed
            lost += len(gone)
            DeliveredInstance.objects.filter(study=part, sop_instance_uid__in=gone).update(
                lost=work.now()
            )
    return lost


def _verify(target: Target, package: Package, receipt: Receipt, progress: Progress) -> None:
    target.verify(package, receipt, progress=progress)


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
    project = work.batch.project
    if not _LOCKED.rows(project=project, target=name):
        TargetHealth.objects.get_or_create(project=project, target=name)
        _LOCKED.rows(project=project, target=name)


_LOCKED = Prepared(
    lambda project, target: (
        TargetHealth.objects.select_for_update()
        .filter(project=project, target=target)
        .values_list("pk")
    )
)


def _write(
    work: Work,
    name: str,
    target: Target,
    found: Sorted,
) -> None:
    """Write the lines of what is to be sent of one Study."""
    wanted = [*found.fresh, *found.changed]
    if not wanted:
        return
    receiver = receiver_of(work, name, target)
    first = wanted[0]
    patient_digest, study_digest = _original_names(work, first.study_instance_uid)
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
    part = DeliveredStudy(
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
        patient_digest=patient_digest,
        study_digest=study_digest,
        generation=generation,
        supplement=0 if last is None else last + 1,
        recipe=work.project.recipe().digest,
        engine=__version__,
        planned=work.now(),
    )
    insert(part)
    insert_all(
        DeliveredInstance(
            study=part,
            sop_instance_uid=image.sop_instance_uid,
            file=image.file,
            sha256=image.sha256,
            size=image.size,
        )
        for image in wanted
    )


def _original_names(work: Work, study_instance_uid: str) -> tuple[str, str]:
    """Return the digests of the original patient and study, as they were prepared."""
    studies = (work.batch.prepared or {}).get("studies", {})
    patient_digest, study_digest = studies.get(study_instance_uid, ("", ""))
    return patient_digest, study_digest


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
