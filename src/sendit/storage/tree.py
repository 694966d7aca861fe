"""Say where the instances and manifests of a package go, one file each; see ``archive``."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from sendit.storage.archive import Entry
from sendit.storage.base import Package


def plan_tree(package: Package) -> Sequence[Entry]:
    """Return where each instance goes: ``<PatientID>/<Study>/<Series>/<Instance>.dcm``."""
    return [
        Entry(
            instance.sop_instance_uid,
            _in_generation(instance.file, study.generation),
            package.root / instance.file,
            instance.sha256,
            instance.size,
        )
        for study in package.studies
        for instance in study.instances
    ]


def plan_tree_documents(package: Package) -> Sequence[Entry]:
    """Return the manifests, which lie in the folder of their Study."""
    entries = []
    for study in package.studies:
        for document in study.documents:
            some = _in_generation(study.instances[0].file, study.generation)
            place = "/".join((*PurePosixPath(some).parts[:2], document.name))
            source = package.root / document.file
            entries.append(
                Entry(place, place, source, document.sha256, document.size, is_document=True)
            )
    return entries


def _in_generation(file: str, generation: int) -> str:
    """Return the path of an instance; a later generation has a study folder of its own."""
    if generation == 1:
        return file
    patient, study, *rest = file.split("/")
    return "/".join((patient, f"{study}_g{generation}", *rest))
