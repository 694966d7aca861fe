"""The manifest of what is delivered of a Study: CSV, Parquet, and sums to check it by.

One line for each file of the batch that belongs to the Study: what was sent, what was there
already, what was not sent and why; new names only.  Written once, before the first try, and
never again, so that every try sends the same bytes.  The names in it were checked against the
originals before (``preparing``), as every result is.
"""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from sendit.pipeline.stages.incomplete import incomplete_series
from sendit.pipeline.work import Work
from sendit.records.models import DeliveredInstance, DeliveredStudy, Finding, Image
from sendit.records.prepared import Prepared
from sendit.storage import PackagedDocument
from sendit.storage.durable import sync_folders, sync_volume
from sendit.storage.parquet import parquet_bytes
from sendit.terms import OUTCOME_OF, Outcome, Reason, Verdict

FOLDER = ".manifests"
SENT, THERE = "sent", "there already"

_IMAGES = Prepared(
    lambda batch: Image.objects.filter(batch=batch).defer("source", "report").order_by("nr")
)
_UNREADABLE = Prepared(
    lambda batch: (
        Finding.objects.filter(batch=batch, image=None)
        .exclude(nr=None)
        .order_by("nr")
        .values_list("code")
    )
)
_GOING = Prepared(
    lambda part: DeliveredInstance.objects.filter(study=part, removed=None).order_by("file")
)


@dataclass(frozen=True, slots=True)
class Line:
    """One file of the batch, as the receiver may know of it."""

    patient_id: str
    study_pseudonym: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    outcome: str
    reason: str
    file: str
    sha256: str
    bytes: int
    generation: int
    supplement: int
    series_expected: int
    """Instances of the series: as many as its sender announced, or as came."""
    series_sent: int
    series_complete: str
    """``no`` when we miss or rejected an instance, or fewer came than were announced."""
    recipe: str
    engine: str
    sources: str
    """New UIDs of the instances that it was derived from, or refers to."""


def documents_of(root: Path, part: DeliveredStudy) -> tuple[PackagedDocument, ...]:
    """Return the files that go with what is sent of a Study."""
    folder = root / FOLDER / str(part.pk)
    if not folder.is_dir():
        return ()
    documents = []
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        file = str(path.relative_to(root))
        documents.append(PackagedDocument(path.name, file, digest, len(content)))
    return tuple(documents)


def write(work: Work, parts: Sequence[DeliveredStudy]) -> None:
    """Write the manifests that are not there yet."""
    root = work.workspace.clean(work.batch_id) / FOLDER
    missing = [part for part in parts if not (root / str(part.pk)).is_dir()]
    if not missing:
        return
    root.mkdir(parents=True, exist_ok=True)
    batch = _Batch(work)
    for part in missing:
        lines = batch.lines(part)
        filling = root / f"{part.pk}.part"
        work.workspace.remove(filling)
        filling.mkdir()
        for name, content in _contents(part, lines).items():
            (filling / name).write_bytes(content)
        sync_volume(filling)
        filling.rename(root / str(part.pk))
        work.progress()
    sync_folders([root, root.parent])


def _contents(part: DeliveredStudy, lines: Sequence[Line]) -> dict[str, bytes]:
    names = [field.name for field in fields(Line)]
    table = {name: [getattr(line, name) for line in lines] for name in names}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(zip(*table.values(), strict=True))
    end = f"_s{part.supplement}" if part.supplement else ""
    sums = "".join(
        f"{line.sha256}  {'/'.join(line.file.split('/')[-2:])}\n"
        for line in lines
        if line.outcome == SENT
    )
    return {
        f"manifest{end}.csv": text.getvalue().encode(),
        f"manifest{end}.parquet": parquet_bytes(table),
        f"SHA256SUMS{end}": sums.encode(),
    }


class _Batch:
    """What is to be known of a batch to tell of its Studies."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._images: list[Image] = _IMAGES.objects(batch=work.batch_id)
        self._incomplete = incomplete_series(work.batch_id, project=work.batch.project)
        self._by_uid = {one.sop_instance_uid: one for one in self._images if one.file}
        self._study_of = {
            one.series_digest: (one.study_instance_uid, one.series_instance_uid)
            for one in self._images
            if one.file and one.series_digest
        }
        self._expected = _expected(self._images)
        self._unreadable = [code for (code,) in _UNREADABLE.rows(batch=work.batch_id)]
        self._sources: Mapping[str, str] = (work.batch.prepared or {}).get("sources", {})

    def lines(self, part: DeliveredStudy) -> list[Line]:
        """Return the lines of what is sent of a Study: first what is sent, then the rest."""
        going: list[DeliveredInstance] = _GOING.objects(part=part.pk)
        uids = {one.sop_instance_uid for one in going}
        there = [
            image
            for image in self._images
            if image.verdict == Verdict.ACCEPTED
            and image.study_instance_uid == part.study_instance_uid
            and image.file
            and image.sop_instance_uid not in uids
        ]
        sent = Counter(one.file.split("/")[2] for one in going)
        sent.update(image.series_instance_uid for image in there)
        return [
            *(self._of_instance(part, one, sent) for one in going),
            *(self._of_image(part, image, THERE, "", sent) for image in there),
            *self._not_sent(part, sent),
        ]

    def _of_instance(
        self, part: DeliveredStudy, one: DeliveredInstance, sent: Counter[str]
    ) -> Line:
        image = self._by_uid.get(one.sop_instance_uid)
        series = one.file.split("/")[2]
        digest = image.series_digest if image else ""
        return self._line(
            part,
            series=series,
            uid=one.sop_instance_uid,
            outcome=SENT,
            file=one.file,
            sha256=one.sha256,
            size=one.size,
            digest=digest,
            n_sent=sent[series],
            sources=self._sources.get(one.sop_instance_uid, ""),
        )

    def _of_image(
        self,
        part: DeliveredStudy,
        image: Image,
        outcome: str,
        reason: str,
        sent: Counter[str],
    ) -> Line:
        study, series = self._study_of.get(image.series_digest, ("", ""))
        return self._line(
            part,
            series=series,
            uid=image.sop_instance_uid if outcome == THERE else "",
            outcome=outcome,
            reason=reason,
            file=image.file if outcome == THERE else "",
            sha256=image.sha256 if outcome == THERE else "",
            size=image.result_size if outcome == THERE else 0,
            digest=image.series_digest,
            n_sent=sent[series],
            is_of_study=bool(study),
        )

    def _not_sent(self, part: DeliveredStudy, sent: Counter[str]) -> Iterator[Line]:
        """Yield what did not go, of this Study or of none that is known."""
        for image in self._images:
            study = self._study_of.get(image.series_digest, ("", ""))[0]
            if image.verdict != Verdict.ACCEPTED and study in ("", part.study_instance_uid):
                outcome = _OUTCOMES[Verdict(image.verdict)]
                yield self._of_image(part, image, outcome, image.reason, sent)
        for code in self._unreadable:
            known = Reason.__members__.get(code)
            if known is not None and OUTCOME_OF[known] is Outcome.UNREADABLE:
                yield self._line(part, outcome=Outcome.UNREADABLE, reason=code, is_of_study=False)

    def _line(
        self,
        part: DeliveredStudy,
        *,
        outcome: str,
        series: str = "",
        uid: str = "",
        reason: str = "",
        file: str = "",
        sha256: str = "",
        size: int = 0,
        digest: str = "",
        n_sent: int = 0,
        is_of_study: bool = True,
        sources: str = "",
    ) -> Line:
        return Line(
            patient_id=part.patient_id if is_of_study else "",
            study_pseudonym=part.study_pseudonym if is_of_study else "",
            study_instance_uid=part.study_instance_uid if is_of_study else "",
            series_instance_uid=series,
            sop_instance_uid=uid,
            outcome=outcome,
            reason=reason,
            file=file,
            sha256=sha256,
            bytes=size,
            generation=part.generation,
            supplement=part.supplement,
            series_expected=self._expected.get(digest, 0),
            series_sent=n_sent,
            series_complete="" if not series else "no" if digest in self._incomplete else "yes",
            recipe=part.recipe,
            engine=f"sendit {part.engine}",
            sources=sources,
        )


_OUTCOMES = {
    Verdict.EXCLUDED: Outcome.EXCLUDED,
    Verdict.HELD: Outcome.HELD,
    Verdict.REJECTED: Outcome.REJECTED,
}


def _expected(images: Sequence[Image]) -> dict[str, int]:
    """Return how many instances each series (by digest) should have."""
    expected: Counter[str] = Counter()
    for image in images:
        # A second file with one UID is no further instance.
        if image.reason not in (Reason.SAME_UID, Reason.SAME_FILE):
            expected[image.series_digest] += 1
    for image in images:
        expected[image.series_digest] = max(expected[image.series_digest], image.announced or 0)
    return dict(expected)
