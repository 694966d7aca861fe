"""Packages: what a batch hands to its targets, built from its results alone.

A project that does not anonymize has packages of another type, built from originals, which
only a target that accepts identified images takes.
"""

import re
from collections.abc import Callable
from dataclasses import replace

from django.db.models import QuerySet

from sendit.config import Project
from sendit.deid import read_header
from sendit.errors import BatchStopped
from sendit.pipeline.stages import manifests
from sendit.pipeline.stages.side_by_side import Call
from sendit.pipeline.work import Work
from sendit.records.models import DeliveredInstance, DeliveredStudy, Delivery, Image
from sendit.records.prepared import Prepared
from sendit.storage import (
    IdentifiedInstance,
    IdentifiedPackage,
    IdentifiedTarget,
    MountedTarget,
    Package,
    PackagedInstance,
    PackagedStudy,
    Progress,
    Receipt,
    Target,
    location_of,
)
from sendit.storage.durable import sha256_of

_NEWEST = Prepared(  # a receipt of nothing, since all was there already, tells of no volume
    lambda project, target: (
        Delivery.objects.filter(batch__project=project, target=target, receipt__n_instances__gt=0)
        .order_by("-pk")
        .values_list("receipt")[:1]
    )
)


def _parts(batch: int, project: str, target: str) -> QuerySet[DeliveredStudy]:
    """Return what a target is to get of a batch and has not proven."""
    return DeliveredStudy.objects.filter(
        batch=batch, project=project, target=target, proven=None, recall=None
    )


_PARTS = Prepared(
    lambda batch, project, target: _parts(batch, project, target).order_by(
        "study_instance_uid", "generation", "supplement"
    )
)
_INSTANCES = Prepared(
    lambda batch, project, target: (
        DeliveredInstance.objects.filter(study__in=_parts(batch, project, target), removed=None)
        .order_by("study", "file")
        .values_list("study_id", "sop_instance_uid", "file", "sha256", "size")
    )
)


def targets_of(work: Work) -> dict[str, Target]:
    """Return the project's targets by name, ready to be used."""
    return {target.name: target.build() for target in work.project.targets}


def require_volume(work: Work, name: str, target: Target) -> None:
    """Return unless a target's volume, on which it took packages before, is not mounted.

    Raises
    ------
    sendit.errors.TargetUnavailable
        When it is not.
    """
    if isinstance(target, MountedTarget):
        newest = _NEWEST.row(project=work.batch.project, target=name)
        if newest is not None:
            target.require_volume(Receipt.from_json(newest[0]))


def send(work: Work, delivery: Delivery, target: Target) -> Callable[[Progress], Receipt]:
    """Return the call that hands one target what the ledger says it is to get."""
    if not work.project.anonymize:
        originals = identified_package_of(work)
        taker = _identified(work, target)
        # Where originals are at a target may say whose they are, and receipts are not encrypted.
        return lambda progress: replace(
            taker.send_identified(originals, progress=progress), stored={}, documents={}
        )
    package = package_of(work, delivery)
    if not package.studies:  # everything was there already
        nothing = Receipt(location_of(target, name=delivery.target), 0, {})
        return lambda _: nothing
    return lambda progress: target.send(package, progress=progress)


def verify(work: Work, delivery: Delivery, target: Target, receipt: Receipt) -> Call | None:
    """Return the call that asks one target whether it holds exactly what it was sent.

    None: it was sent nothing.
    """
    if not work.project.anonymize:
        originals = identified_package_of(work)
        taker = _identified(work, target)
        return lambda progress: taker.verify_identified(originals, receipt, progress=progress)
    package = package_of(work, delivery)
    if not package.studies:
        return None
    return lambda progress: target.verify(package, receipt, progress=progress)


def package_of(work: Work, delivery: Delivery) -> Package:
    """Return what the ledger plans for one target and has no proof of yet."""
    of_target = {"batch": work.batch_id, "project": work.batch.project, "target": delivery.target}
    parts: list[DeliveredStudy] = _PARTS.objects(**of_target)
    instances: dict[int, list[PackagedInstance]] = {}
    for study, *row in _INSTANCES.rows(**of_target):
        instances.setdefault(study, []).append(PackagedInstance(*row))
    root = work.workspace.clean(work.batch_id)
    studies = tuple(
        PackagedStudy(
            patient_id=part.patient_id,
            study_instance_uid=part.study_instance_uid,
            study_pseudonym=part.study_pseudonym,
            study_date=part.study_date,
            instances=tuple(instances[part.pk]),
            generation=part.generation,
            supplement=part.supplement,
            documents=manifests.documents_of(root, part),
        )
        for part in parts
        if part.pk in instances
    )
    return Package(
        root,
        work.batch_id,
        studies,
        proven=_proven(delivery, studies),
        given_away=_are_given_away(work.project),
    )


def _are_given_away(project: Project) -> bool:
    """Say whether results may become their target's own files: nobody else needs them.

    An optional target is excepted: originals do not wait for it, so that what is damaged there
    could not be made again.
    """
    alone = len(project.targets) == 1 and project.targets[0].required
    return alone and project.retention.results == "remove"


def _proven(delivery: Delivery, studies: tuple[PackagedStudy, ...]) -> frozenset[str]:
    """Return what the target was asked about and holds, when some of it was not as it should be."""
    if delivery.failures is None or delivery.receipt is None:
        return frozenset()
    receipt = Receipt.from_json(delivery.receipt)
    return frozenset(
        one.sop_instance_uid
        for study in studies
        for one in study.instances
        if receipt.digests.get(one.sop_instance_uid) == one.sha256
        and one.sop_instance_uid not in delivery.failures
    )


def identified_package_of(work: Work) -> IdentifiedPackage:
    """Return the package of a batch whose project does not anonymize.

    Raises
    ------
    BatchStopped
        When the project anonymizes, or does not say of every target that it may have originals.
    """
    allowed = all(target.accepts_identified for target in work.project.targets)
    if work.project.anonymize or not allowed:
        raise BatchStopped(
            "Images that were not de-identified may only go to targets with "
            "accepts_identified = true; nothing was sent."
        )
    root = work.workspace.phi(work.batch_id)
    instances = []
    for nr in (
        Image.objects.accepted()
        .filter(batch=work.batch_id)
        .order_by("nr")
        .values_list("nr", flat=True)
    ):
        original = work.workspace.original(work.batch_id, nr)
        header = read_header(original, fields=("PatientID",))
        parts = (
            header.values["PatientID"] or "unknown",
            header.study_instance_uid,
            header.series_instance_uid,
            f"{header.sop_instance_uid}.dcm",
        )
        instances.append(
            IdentifiedInstance(
                number=nr,
                file=original.name,
                path="/".join(map(_safe_name, parts)),
                sha256=sha256_of(original, progress=work.progress),
                size=header.size,
            )
        )
        work.progress()
    return IdentifiedPackage(root, work.batch_id, tuple(instances))


def _safe_name(part: str) -> str:
    """Return a header's value as one name in a path; dots alone would lead elsewhere."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", part)
    return name if name.strip(".") else "_"


def _identified(work: Work, target: Target) -> IdentifiedTarget:
    if not isinstance(target, IdentifiedTarget):
        raise BatchStopped(
            f"A target of project {work.project.name} cannot take images that were not "
            "de-identified; nothing was sent."
        )
    return target
