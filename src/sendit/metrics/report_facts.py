"""What a report tells of a batch, collected from the rows and the preview pictures.

Only what may leave the building is collected: batch numbers, counts, codes, messages (which
hold no values) and new identifiers.  The batch's uid, its folder and file names are never
read here.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any  # JSON columns have no narrower type

from django.db.models import Count, Min, Q, Sum

from sendit.deid.pixels.preview import render
from sendit.metrics.status import describe_deliveries
from sendit.pipeline.workspace import Workspace
from sendit.records.models import Batch, Delivery, Finding, Image, StageRun
from sendit.terms import Stage, Verdict


@dataclass(frozen=True, slots=True)
class StageTime:
    """How long one stage was worked on."""

    stage: str
    runs: int
    failures: int
    took: timedelta
    """With somebody on it; pauses between tries do not count, workers side by side count once."""


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """One series of the result, under its new names."""

    series_instance_uid: str
    study_instance_uid: str
    patient_id: str
    study_date: str
    modality: str
    n_instances: int
    png: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What is told of one batch."""

    batch: Batch = field(repr=False)
    recipe: Mapping[str, Any]
    """The ``[deid]`` table of the project as it was when the batch was registered."""
    verdicts: Mapping[str, int]
    left_out: Mapping[tuple[str, str], int]
    """(verdict, reason) → images that were not written."""
    bytes_out: int
    stages: tuple[StageTime, ...]
    elements: Mapping[tuple[str, str, str], int]
    """(path, action, rule) → how often."""
    findings: tuple[Finding, ...]
    deliveries: tuple[Delivery, ...]
    told: tuple[Mapping[str, Any], ...]
    """The same, as ``metrics.status`` describes them."""
    series: tuple[SeriesFacts, ...]

    @property
    def n_files(self) -> int:
        """Files seen."""
        return sum(self.verdicts.values()) + self.batch.unreadable

    @property
    def n_written(self) -> int:
        """Images that have a result."""
        return sum(series.n_instances for series in self.series)

    @property
    def n_left_out(self) -> int:
        """Images that are not written and no error: filtered, or held for a person."""
        return self.verdicts[Verdict.EXCLUDED] + self.verdicts[Verdict.HELD]

    @property
    def n_unusable(self) -> int:
        """Files that could not be read or may not leave."""
        return self.verdicts[Verdict.REJECTED] + self.batch.unreadable

    @property
    def took(self) -> timedelta | None:
        """From admission to rest."""
        if self.batch.started is None or self.batch.finished is None:
            return None
        return self.batch.finished - self.batch.started


def collect(batches: Iterable[Batch], workspace: Workspace) -> list[BatchFacts]:
    """Return the facts of some batches, in the order given."""
    return [_collect(batch, workspace) for batch in batches]


def elements_of(batch: Batch) -> Counter[tuple[str, str, str]]:
    """Return how often which rule did what to which element of a batch."""
    elements: Counter[tuple[str, str, str]] = Counter()
    runs = StageRun.objects.filter(batch=batch, stage=Stage.DEIDENTIFY, outcome="done")
    for listed in runs.values_list("elements", flat=True):
        for path, action, rule, count in listed:
            elements[path, action, rule] += count
    return elements


def _collect(batch: Batch, workspace: Workspace) -> BatchFacts:
    images = Image.objects.filter(batch=batch)
    left_out = images.exclude(verdict=Verdict.ACCEPTED).values_list("verdict", "reason")
    total = images.accepted().aggregate(total=Sum("result_size"))["total"]
    return BatchFacts(
        batch=batch,
        recipe=batch.profile.content.get("deid", {}),
        verdicts=images.counts_by_verdict(),
        left_out={
            (verdict, reason): number
            for verdict, reason, number in left_out.annotate(n=Count("pk")).order_by(
                "verdict", "reason"
            )
        },
        bytes_out=total or 0,
        stages=stage_times(batch),
        elements=elements_of(batch),
        findings=tuple(Finding.objects.filter(batch=batch).defer("file").order_by("pk")),
        deliveries=tuple(Delivery.objects.filter(batch=batch).order_by("pk")),
        told=tuple(describe_deliveries(Q(batch=batch.pk))[batch.pk]),
        series=_series(batch, workspace),
    )


def stage_times(batch: Batch) -> tuple[StageTime, ...]:
    """Return how long each stage of a batch was worked on, in their order."""
    spans: dict[str, list[tuple[datetime, datetime]]] = {}
    failures: Counter[str] = Counter()
    runs = StageRun.objects.filter(batch=batch).order_by("started")
    for stage, started, ended, outcome in runs.values_list("stage", "started", "ended", "outcome"):
        if ended is None:
            continue
        spans.setdefault(stage, []).append((started, ended))
        failures[stage] += outcome != "done"
    return tuple(
        StageTime(stage, len(spans[stage]), failures[stage], _covered(spans[stage]))
        for stage in Stage
        if stage in spans
    )


def _covered(spans: Sequence[tuple[datetime, datetime]]) -> timedelta:
    """Return the time that some spans, sorted by their start, cover together."""
    covered = timedelta()
    until = spans[0][0]
    for started, ended in spans:
        covered += max(ended - max(started, until), timedelta())
        until = max(until, ended)
    return covered


def _series(batch: Batch, workspace: Workspace) -> tuple[SeriesFacts, ...]:
    results = Image.objects.accepted().filter(batch=batch).exclude(file="")
    rows = list(
        results.values(
            "series_instance_uid", "study_instance_uid", "patient_id", "study_date", "modality"
        )
        .annotate(n=Count("pk"), first=Min("nr"))
        .order_by("first")
    )
    pngs = _pictures(batch, [row["series_instance_uid"] for row in rows], workspace)
    return tuple(
        SeriesFacts(
            series_instance_uid=row["series_instance_uid"],
            study_instance_uid=row["study_instance_uid"],
            patient_id=row["patient_id"],
            study_date=row["study_date"],
            modality=row["modality"],
            n_instances=row["n"],
            png=pngs.get(row["series_instance_uid"]),
        )
        for row in rows
    )


def _pictures(batch: Batch, uids: Sequence[str], workspace: Workspace) -> dict[str, bytes]:
    """Return the stored picture of each series, or one of a result that is still there."""
    pngs = {}
    missing = []
    for uid in uids:
        path = workspace.previews(batch.pk) / f"{uid}.png"
        if path.is_file():
            pngs[uid] = path.read_bytes()
        else:
            missing.append(uid)
    sources = {uid: source for uid in missing if (source := _middle(batch, uid, workspace))}
    pictures = render(tuple(sources.values()))
    for uid, picture in zip(sources, pictures, strict=True):
        if picture.png is not None:
            pngs[uid] = picture.png
    return pngs


def _middle(batch: Batch, uid: str, workspace: Workspace) -> Path | None:
    files = list(
        Image.objects.accepted()
        .filter(batch=batch, series_instance_uid=uid)
        .exclude(file="")
        .order_by("file")
        .values_list("file", flat=True)
    )
    path = workspace.clean(batch.pk) / files[(len(files) - 1) // 2]
    return path if path.is_file() else None
