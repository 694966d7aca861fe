"""Prepare the sending: what needs the originals or a key is done, before anything goes out.

Whoever sends may stand where there are neither (``pipeline/zones.py``).  So the names that a
manifest will tell are checked against the originals here, and what the ledger keeps of the
original names, as keyed digests, is written beside the batch.
"""

from collections.abc import Collection, Mapping

from sendit.deid.release import Gate
from sendit.errors import BatchStopped
from sendit.pipeline import machine
from sendit.pipeline.stages.originals import OriginalNames
from sendit.pipeline.work import Work
from sendit.records.models import Image
from sendit.records.prepared import Prepared

_IMAGES = Prepared(
    lambda batch: (
        Image.objects.accepted()
        .filter(batch=batch)
        .exclude(file="")
        .defer("source", "report")
        .order_by("nr")
    )
)
_WITH_SOURCES = Prepared(
    lambda batch: (
        Image.objects.accepted()
        .filter(batch=batch, report__has_key="sources")
        .values_list("sop_instance_uid", "report")
    )
)


def prepare(work: Work) -> None:
    """Check what may be told of a batch's results, and write down what the ledger keeps.

    Raises
    ------
    sendit.errors.Rejected
        ``IDENTIFIER_LEFT``: an original name would stand in a manifest.
    sendit.errors.BatchStopped
        When two images became the same one.
    """
    images: list[Image] = _IMAGES.objects(batch=work.batch_id)
    _require_all_different(work, images)
    sources = _sources(work)
    _check(work, images, sources)
    names = OriginalNames(work)
    machine.prepared(
        work.claim,
        {
            "studies": {
                uid: [names.patient_digest(uid), names.study_digest(uid)]
                for uid in sorted({image.study_instance_uid for image in images})
            },
            "sources": sources,
        },
        now=work.now(),
    )


def _require_all_different(work: Work, images: Collection[Image]) -> None:
    """Return if no two images became the same one: import took in none twice."""
    first: dict[str, int] = {}
    for image in images:
        other = first.setdefault(image.sop_instance_uid, image.nr)
        if other != image.nr:
            folder = f"phi/{work.batch_id}"
            raise BatchStopped(
                f"{folder}/{other}.dcm and {folder}/{image.nr}.dcm became the same image: in the "
                "working area, one was put in the other's place. Nothing was sent. See who "
                f'changes files there, then run "sendit resolve {work.batch_id} --reject" and hand '
                "the study in again from where it came from."
            )


def _sources(work: Work) -> dict[str, str]:
    """Return what each result that has sources was derived from, by its SOP Instance UID."""
    return {uid: report["sources"] for uid, report in _WITH_SOURCES.rows(batch=work.batch_id)}


def _check(work: Work, images: Collection[Image], sources: Mapping[str, str]) -> None:
    """Return if nothing of the originals stands in the names of the results."""
    texts = {name for image in images for name in (image.patient_id, image.study_pseudonym)}
    uids = {uid for found in sources.values() for uid in found.split()}
    for image in images:
        uids |= {image.study_instance_uid, image.series_instance_uid, image.sop_instance_uid}
    gate = Gate()
    first_of_series: dict[str, int] = {}
    for image in images:
        first_of_series.setdefault(image.series_digest, image.nr)
    for nr in sorted(first_of_series.values()):
        original = work.workspace.original(work.batch_id, nr)
        if original.exists():
            gate.check_names(
                texts,
                uids,
                known=gate.known_of(original),
                keeps_uids="retain-uids" in work.project.deid.options,
            )
            work.progress()
