"""De-identify: a chunk of images at a time, by as many workers as there are.

Each result is written among the originals and passes the release check there; the chunk is
made durable, and only then renamed into the results folder.  Results are functions of the
input and the keys, so doing an image twice makes the same bytes.
"""

import hashlib
import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from sendit.deid import Engine, Report
from sendit.deid.ahead import each_ahead
from sendit.deid.engine import Steps
from sendit.dictionary import keyword_of
from sendit.errors import BatchStopped, ImageError, SenditError, Unreadable
from sendit.pipeline.log_context import working_on
from sendit.pipeline.machine import SHARED, ImageResult, NewFinding
from sendit.pipeline.stages.identify import identities_of
from sendit.pipeline.work import Work
from sendit.records.models import Finding, Image
from sendit.storage.durable import sync_volume
from sendit.terms import DELIVERY_HOLDS, OUTCOME_OF, Outcome, Reason, Verdict

logger = logging.getLogger(__name__)

_LAST_TAG = re.compile(r"\(([0-9A-F]{4}),([0-9A-F]{4})\)(?!/)")

VERDICTS: dict[Outcome, Verdict] = {
    Outcome.EXCLUDED: Verdict.EXCLUDED,
    Outcome.HELD: Verdict.HELD,
    Outcome.UNREADABLE: Verdict.REJECTED,
    Outcome.REJECTED: Verdict.REJECTED,
}


@dataclass(slots=True)
class Chunk:
    """What became of the claimed images."""

    results: list[ImageResult] = field(default_factory=list)
    findings: list[NewFinding] = field(default_factory=list)
    treatments: dict[str, list[list[object]]] = field(default_factory=dict)
    """By digest: what was done to one or more of the images."""
    treated: Counter[frozenset[tuple[tuple[str, str, str], int]]] = field(default_factory=Counter)
    """How many images each treatment was given to."""
    digests: dict[frozenset[tuple[tuple[str, str, str], int]], str] = field(default_factory=dict)

    def listed_elements(self) -> list[list[object]]:
        """Return ``[path, action, rule, count]``, sorted."""
        elements: Counter[tuple[str, str, str]] = Counter()
        for treatment, images in self.treated.items():
            for element, count in treatment:
                elements[element] += count * images
        return [[*key, count] for key, count in sorted(elements.items())]


class Engines:
    """The engines of one batch: one recipe, and one more for each set of released reasons."""

    def __init__(self, work: Work) -> None:
        self._recipe = work.project.recipe()
        self._identities = identities_of(work)
        names = {work.batch.folder}
        for source in Image.objects.filter(batch=work.batch_id).values_list("source", flat=True):
            names.update(PurePosixPath(str(source)).parts)
        self._names = sorted(names)
        self._by_released: dict[frozenset[Reason], Engine] = {}

    def of(self, image: Image) -> Engine:
        """Return the engine whose recipe releases what a person has released of an image."""
        released = frozenset(map(Reason, image.released.split())) - DELIVERY_HOLDS
        engine = self._by_released.get(released)
        if engine is None:
            recipe = self._recipe.releasing(*sorted(released)) if released else self._recipe
            engine = Engine(recipe, self._identities, extra_known=self._names)
            self._by_released[released] = engine
        return engine


def run_chunk(work: Work, engines: Engines) -> Chunk:
    """De-identify the claimed images and release what passed the check."""
    chunk = Chunk()
    work.workspace.check()
    results = _own_folder(work)
    try:
        with closing(
            each_ahead(work.claim.images, partial(_steps, work, engines, results))
        ) as each:
            for image, finish in each:
                work.progress()
                with working_on(image=image.pk):
                    _one(work, image, finish, chunk)
        _release(work, chunk.results)
    finally:
        # Also of a chunk that failed: on a full disk its results would keep out what comes next.
        work.workspace.remove(results)
    return chunk


def _own_folder(work: Work) -> Path:
    """Make the folder for the results of this claim; a slow worker never meets its successor."""
    work.workspace.remove(work.workspace.new(work.batch_id, work.claim.run_id))
    return work.workspace.make_phi(work.batch_id, "new", str(work.claim.run_id))


def _steps(work: Work, engines: Engines, results: Path, image: Image) -> Steps:
    work.progress()
    original = work.workspace.original(work.batch_id, image.nr)
    return engines.of(image).steps_into(original, results)


def _one(work: Work, image: Image, finish: Callable[[], Report], chunk: Chunk) -> None:
    try:
        report = finish()
    except ImageError as error:
        original = work.workspace.original(work.batch_id, image.nr)
        if isinstance(error, Unreadable) and not original.is_file():
            work.workspace.check()
            raise BatchStopped(
                f"The original phi/{work.batch_id}/{original.name} is missing from the working "
                'area; see whether somebody removed it and put it back, then run "sendit retry".'
            ) from None
        _refused(image, error.reason, error.detail, chunk)
    except (SenditError, OSError):
        raise
    except Exception as error:
        logger.exception("the image could not be processed")
        _refused(image, Reason.CRASHED, type(error).__name__, chunk)
    else:
        chunk.results.append(_result(image, report, _treatment(report, chunk)))


def _treatment(report: Report, chunk: Chunk) -> str:
    """Note what was done, once for all images to which the same was done; return its digest."""
    treatment = frozenset(report.elements.items())
    chunk.treated[treatment] += 1
    if treatment not in chunk.digests:
        elements: list[list[object]] = [[*key, n] for key, n in sorted(treatment)]
        digest = hashlib.sha256(json.dumps(elements).encode()).hexdigest()
        chunk.treatments[digest] = elements
        chunk.digests[treatment] = digest
    return chunk.digests[treatment]


def _result(image: Image, report: Report, treatment: str) -> ImageResult:
    return ImageResult(
        image_id=image.pk,
        verdict=Verdict.ACCEPTED,
        sop_instance_uid=report.sop_instance_uid or "",
        series_instance_uid=report.series_instance_uid or "",
        study_instance_uid=report.study_instance_uid or "",
        patient_id=report.patient_id or "",
        study_pseudonym=report.study_pseudonym or "",
        study_date=report.study_date or "",
        file=report.file or "",
        sha256=report.sha256 or "",
        result_size=report.bytes_out,
        report={
            "actions": dict(report.actions),
            "rules": dict(report.rules),
            "regions": list(report.regions),
            **({"sources": report.sources} if report.sources else {}),
            "treatment": treatment,
        },
    )


def _refused(image: Image, reason: Reason, detail: str, chunk: Chunk) -> None:
    fate = OUTCOME_OF[reason]
    chunk.results.append(ImageResult(image.pk, VERDICTS[fate], reason=reason, detail=detail))
    if fate is Outcome.EXCLUDED:
        return
    shown = f" ({detail})" if detail else ""
    if detail.startswith("("):
        shown = f" because of {_LAST_TAG.sub(_named, detail, count=1)}"
    if fate is Outcome.HELD:
        message = (
            f"1 image is held for a person{shown}; nothing of it was sent. Look at it, then "
            '"sendit release" lets it go on and "sendit resolve --accept" leaves it out.'
        )
    else:
        message = (
            f"1 image was rejected{shown}; nothing of it was sent. Its original is kept until "
            "the batch is resolved."
        )
    chunk.findings.append(
        NewFinding(
            reason,
            message,
            SHARED,
            severity=Finding.ALERT if fate is Outcome.HELD else Finding.ERROR,
            file=image.source,
            image_id=image.pk,
        )
    )


def _named(tag: re.Match[str]) -> str:
    """Return a tag with its keyword behind it, where it has one."""
    return f"{tag[0]} {keyword_of(int(tag[1] + tag[2], 16))}".rstrip()


def _release(work: Work, results: Sequence[ImageResult]) -> None:
    # Two that became the same image have one file; who they are is told when all are done.
    files = dict.fromkeys(result.file for result in results if result.file)
    if files:
        sync_volume(work.workspace.phi(work.batch_id))
        work.progress()
        work.workspace.release(work.batch_id, work.claim.run_id, files)
