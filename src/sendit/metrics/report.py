"""One self-contained page about a batch or a whole run.

No script, no request to anywhere, no name and no number of a patient: batch numbers, codes,
counts and new identifiers only, so the page may be handed on.  It works after clean-up.
"""

import base64
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.template import Context, Engine

from sendit import __version__
from sendit.dictionary import keyword_of
from sendit.metrics.recalls import Recalled, recalled_text
from sendit.metrics.report_facts import BatchFacts, collect
from sendit.metrics.said import SHOWN
from sendit.metrics.standing import Standing, standing
from sendit.metrics.wording import count_text, duration_text, moment_text, size_text
from sendit.pipeline.workspace import Workspace
from sendit.records.models import Batch, Delivery, Finding
from sendit.terms import Verdict

PNG_SIZE = slice(16, 24)
TINY = 64
"""Pixels of the longest side up to which each pixel is shown as a square."""
TEMPLATES = Path(__file__).parent / "templates"

ACTIONS: Mapping[str, str] = {
    "X": "removed",
    "Z": "emptied, or replaced by the pseudonym",
    "D": "replaced by a dummy value",
    "U": "UID replaced",
    "C": "cleaned",
    "K": "kept by an option",
    "shift": "date shifted",
    "private": "private element removed",
}


def write_report(batches: Iterable[Batch], path: Path, *, work_dir: Path, now: datetime) -> None:
    """Write the page about some batches to a file, in one step."""
    facts = collect(batches, Workspace(work_dir))
    part = path.with_name(f"{path.name}.part")
    part.touch(mode=0o600)
    part.write_text(render_page(facts, now=now), encoding="utf-8")
    part.replace(path)


def render_page(facts: Sequence[BatchFacts], *, now: datetime) -> str:
    """Return the page about some batches."""
    engine = Engine(dirs=[str(TEMPLATES)])
    context = {
        "made": moment_text(now),
        "version": __version__,
        "title": f"Batch {facts[0].batch.pk}" if len(facts) == 1 else "All batches",
        "whole_run": len(facts) != 1,
        "tiles": _tiles(facts),
        "batches": [_BatchPage.of(one, now=now) for one in facts],
        "css": (TEMPLATES / "report.css").read_text(encoding="utf-8"),
    }
    return engine.get_template("report.html").render(Context(context))


@dataclass(frozen=True, slots=True)
class _Bar:
    label: str
    text: str
    percent: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    label: str
    count: int
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class _Picture:
    data: str
    label: str
    size: str
    """Columns × rows of a picture so small that it needs telling; else empty."""
    series_instance_uid: str
    study_instance_uid: str
    patient_id: str


@dataclass(frozen=True, slots=True)
class _Found:
    """What was found, once for all files that it was found of."""

    first: Finding
    time: str
    count: int
    files: str
    """The first of their running numbers."""


@dataclass(frozen=True, slots=True)
class _BatchPage:
    """One batch as the template shows it: everything is text."""

    batch: Batch
    standing: Standing
    facts: BatchFacts
    started: str
    finished: str
    took: str
    size: str
    files: Sequence[_Row]
    left_out: Sequence[_Row]
    bars: Sequence[_Bar]
    actions: Sequence[_Row]
    rules: Sequence[_Row]
    elements: Sequence[tuple[str, str, str, str, int]]
    findings: Sequence[_Found]
    deliveries: Sequence[tuple[Delivery, str]]
    pictures: Sequence[_Picture]

    @classmethod
    def of(cls, facts: BatchFacts, *, now: datetime) -> "_BatchPage":
        batch = facts.batch
        return cls(
            batch=batch,
            standing=standing(batch, now=now, deliveries=facts.told),
            facts=facts,
            started=moment_text(batch.started),
            finished=moment_text(batch.finished),
            took=duration_text(facts.took),
            size=f"{size_text(batch.bytes)} in, {size_text(facts.bytes_out)} out",
            files=_files(facts),
            left_out=[
                _Row(reason, number, verdict.lower())
                for (verdict, reason), number in facts.left_out.items()
            ],
            bars=_bars(facts),
            actions=_actions(facts),
            rules=_counted(facts, lambda key: key[2]),
            elements=_elements(facts),
            findings=_found(facts.findings),
            deliveries=[
                (delivery, _receipt(delivery, told["recalled"]))
                for delivery, told in zip(facts.deliveries, facts.told, strict=True)
            ],
            pictures=_pictures(facts),
        )


def _tiles(facts: Sequence[BatchFacts]) -> list[tuple[str, str]]:
    verdicts = sum((Counter(one.verdicts) for one in facts), Counter[str]())
    tiles = [
        (str(sum(one.n_files for one in facts)), "files seen"),
        (str(sum(one.n_written for one in facts)), "images de-identified"),
        (str(verdicts[Verdict.EXCLUDED]), "left out by filters"),
        (str(verdicts[Verdict.HELD]), "held for a person"),
        (str(sum(one.n_unusable for one in facts)), "unusable"),
        (size_text(sum(one.bytes_out for one in facts)), "of results"),
    ]
    if len(facts) != 1:
        return [(str(len(facts)), "batches"), *tiles]
    took = facts[0].took
    return tiles if took is None else [*tiles, (duration_text(took), "from start to end")]


def _found(findings: Iterable[Finding]) -> list[_Found]:
    """Put together what differs in nothing but the file."""
    alike: dict[tuple[str, ...], list[Finding]] = {}
    for one in findings:
        key = (one.severity, one.stage, one.code, one.message, one.target, one.resolved)
        alike.setdefault(key, []).append(one)
    return [
        _Found(same[0], moment_text(same[0].time), len(same), _numbers(same))
        for same in alike.values()
    ]


def _numbers(findings: Iterable[Finding]) -> str:
    numbers = [str(one.nr) for one in findings if one.nr]
    more = f", and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    what = "file no." if len(numbers) == 1 else "files no."
    return f"{what} {', '.join(numbers[:SHOWN])}{more}" if numbers else ""


def _files(facts: BatchFacts) -> list[_Row]:
    return [
        _Row("accepted", facts.verdicts[Verdict.ACCEPTED], "go on to the targets"),
        _Row("excluded", facts.verdicts[Verdict.EXCLUDED], "left out by the project's filters"),
        _Row("held", facts.verdicts[Verdict.HELD], "wait for a person; nothing of them is sent"),
        _Row("rejected", facts.verdicts[Verdict.REJECTED], "may not leave; the original is kept"),
        _Row("unreadable", facts.batch.unreadable, "not usable as DICOM; left in the inbox"),
    ]


def _bars(facts: BatchFacts) -> list[_Bar]:
    longest = max((stage.took for stage in facts.stages), default=timedelta())
    return [
        _Bar(
            label=stage.stage.replace("_", " "),
            text=duration_text(stage.took),
            percent=max(1, round(100 * stage.took / longest)) if longest else 1,
            note=count_text(stage.runs, "run")
            + (f", {stage.failures} failed" if stage.failures else ""),
        )
        for stage in facts.stages
    ]


def _counted(facts: BatchFacts, key_of: Callable[[tuple[str, str, str]], str]) -> list[_Row]:
    counts: Counter[str] = Counter()
    for key, count in facts.elements.items():
        counts[key_of(key)] += count
    return [_Row(label, count) for label, count in counts.most_common() if label]


def _actions(facts: BatchFacts) -> list[_Row]:
    return [
        _Row(row.label, row.count, ACTIONS.get(row.label, ""))
        for row in _counted(facts, lambda key: key[1])
    ]


def _elements(facts: BatchFacts) -> list[tuple[str, str, str, str, int]]:
    return [
        (path, keyword(path), action, rule, count)
        for (path, action, rule), count in sorted(facts.elements.items())
    ]


def keyword(path: str) -> str:
    """Return the keyword of the last tag of ``(0008,1140)/(0008,1155)``; empty when unknown."""
    digits = path.rpartition("/")[2].strip("()").replace(",", "")
    try:
        return keyword_of(int(digits, 16))
    except ValueError:
        return ""


def _receipt(delivery: Delivery, recalled: Recalled | None) -> str:
    receipt = delivery.receipt or {}
    if not receipt:
        return ""
    there = receipt.get("there_already")
    already = f", {there} {'was' if there == 1 else 'were'} there already" if there else ""
    back = f"; {recalled_text(recalled)}" if recalled else ""
    count = count_text(receipt["n_instances"], "instance")
    return f"{count} in {receipt['location']}{already}{back}"


def _pictures(facts: BatchFacts) -> list[_Picture]:
    return [
        _Picture(
            data="" if one.png is None else base64.b64encode(one.png).decode(),
            label=f"{one.modality or 'image'}, {count_text(one.n_instances, 'instance')}",
            size=_tiny(one.png),
            series_instance_uid=one.series_instance_uid,
            study_instance_uid=one.study_instance_uid,
            patient_id=one.patient_id,
        )
        for one in facts.series
    ]


def _tiny(png: bytes | None) -> str:
    """Return ``16 × 16`` for a picture of few pixels, as its PNG header says."""
    if png is None or len(png) < PNG_SIZE.stop:
        return ""
    columns, rows = struct.unpack(">II", png[PNG_SIZE])
    return f"{columns} × {rows}" if max(columns, rows) <= TINY else ""
