"""A delivered copy as a target knows it: what it was sent, and what it answered.

Made from the ledger alone, so it can be asked about, or taken back, when nothing else of its
batch is left.
"""

from collections.abc import Collection
from pathlib import Path

from sendit.records.models import DeliveredInstance, DeliveredStudy
from sendit.storage import Package, PackagedInstance, PackagedStudy, Receipt, Stored


def package_of_copy(
    part: DeliveredStudy, root: Path, *, only: Collection[str] | None = None
) -> Package:
    """Return what was sent, or some of its instances, as a package to verify against.

    Its files may be gone, but for what the target reads of them to compare.
    """
    instances = tuple(
        PackagedInstance(one.sop_instance_uid, one.file, one.sha256, one.size)
        for one in _instances(part, only)
    )
    study = PackagedStudy(
        patient_id=part.patient_id,
        study_instance_uid=part.study_instance_uid,
        study_pseudonym=part.study_pseudonym,
        study_date=part.study_date,
        instances=instances,
        generation=part.generation,
        supplement=part.supplement,
    )
    return Package(root, part.batch, (study,), is_copy=True)


def receipt_of_copy(part: DeliveredStudy, *, only: Collection[str] | None = None) -> Receipt:
    """Return the receipt of a copy, or of some of its instances; without its documents then."""
    instances = _instances(part, only)
    return Receipt(
        location=part.location or part.receiver,
        n_instances=len(instances),
        digests={one.sop_instance_uid: one.sha256 for one in instances},
        volume=part.volume,
        stored={
            one.sop_instance_uid: Stored(*part.stored[one.sop_instance_uid])
            for one in instances
            if one.sop_instance_uid in part.stored
        },
        documents=dict(part.documents) if only is None else {},
    )


def _instances(part: DeliveredStudy, only: Collection[str] | None) -> list[DeliveredInstance]:
    instances = part.instances.filter(removed=None).order_by("file")
    return [one for one in instances if only is None or one.sop_instance_uid in only]
