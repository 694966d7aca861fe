"""Packages: what a batch hands to its targets, built from its results alone.

A project that does not anonymize has packages of another type, built from originals, which
only a target that accepts identified images takes.
"""

import re
from itertools import groupby

from sendit.deid import read_header
from sendit.errors import BatchStopped
from sendit.pipeline.work import Work
from sendit.records.models import Delivery, Image
from sendit.storage import (
    IdentifiedInstance,
    IdentifiedPackage,
    IdentifiedTarget,
    MountedTarget,
    Package,
    PackagedInstance,
    PackagedStudy,
    Receipt,
    Target,
)
from sendit.storage.durable import sha256_of
from sendit.terms import Status

_READY = (Status.DONEPROCESSING, Status.SENT, Status.DONE)


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
        taken = Delivery.objects.filter(batch__project=work.batch.project, target=name)
        newest = taken.exclude(receipt=None).order_by("-pk").values_list("receipt", flat=True)
        if (receipt := newest.first()) is not None:
            target.require_volume(Receipt.from_json(receipt))


def send(work: Work, target: Target) -> Receipt:
    """Hand the batch to one target."""
    if work.project.anonymize:
        return target.send(package_of(work), progress=work.progress)
    return _identified(work, target).send_identified(
        identified_package_of(work), progress=work.progress
    )


def verify(work: Work, target: Target, receipt: Receipt) -> None:
    """Ask one target whether it holds exactly this batch."""
    if work.project.anonymize:
        target.verify(package_of(work), receipt, progress=work.progress)
    else:
        _identified(work, target).verify_identified(
            identified_package_of(work), receipt, progress=work.progress
        )


def package_of(work: Work) -> Package:
    """Return the de-identified package of a batch."""
    rows = Image.objects.accepted().filter(batch=work.batch_id, status__in=_READY).exclude(file="")
    columns = rows.order_by("study_instance_uid", "file").values_list(
        "study_instance_uid",
        "patient_id",
        "study_pseudonym",
        "study_date",
        "sop_instance_uid",
        "file",
        "sha256",
        "result_size",
    )
    studies = []
    for study_uid, group in groupby(columns.iterator(), key=lambda row: row[0]):
        members = list(group)
        dates = sorted({row[3] for row in members if row[3]})
        studies.append(
            PackagedStudy(
                patient_id=members[0][1],
                study_instance_uid=study_uid,
                study_pseudonym=members[0][2],
                study_date=dates[0] if dates else "",
                instances=tuple(PackagedInstance(*row[4:]) for row in members),
            )
        )
    return Package(work.workspace.clean(work.batch_id), work.batch_id, tuple(studies))


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
