"""The page about batches: complete, and without a trace of whom they are about."""

import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sendit.metrics.report import render_page, write_report
from sendit.metrics.report_facts import collect
from sendit.pipeline.workspace import Workspace
from sendit.records.models import Batch, StageRun
from sendit.terms import Stage, Status
from tests.support.batches import NOW, add_unreadable, make_batch
from tests.support.make_study import make_instance, write_instance

pytestmark = pytest.mark.django_db
UID = "ACC-CANARY-771"


def _page(work_dir: Path, *batches: Batch) -> str:
    return render_page(collect(batches, Workspace(work_dir)), now=NOW)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


def test_a_report_tells_what_was_done(tmp_path: Path) -> None:
    batch = make_batch(UID, status=Status.DONE, excluded=3)

    page = _page(tmp_path, batch)

    for words in ("DONE", "irb-1", "(0008,1140)/(0008,1155)", "ReferencedSOPInstanceUID"):
        assert words in page
    assert "UID replaced" in page
    assert "MODALITY" in page
    assert "2 instances in /data/out" in page


def test_nothing_that_may_identify_stands_in_a_report(tmp_path: Path) -> None:
    batch = make_batch(UID, status=Status.DONEPROCESSING, stage=Stage.CLEAN_UP)
    add_unreadable(batch, nr=3, file=f"{UID}/secret-notes.txt")

    page = _page(tmp_path, batch)

    assert "NOT_DICOM" in page
    assert "file no. 3" in page
    assert "CANARY" not in page
    assert "secret" not in page


def test_what_was_found_of_many_files_is_said_once(tmp_path: Path) -> None:
    batch = make_batch(UID, status=Status.DONEPROCESSING, stage=Stage.CLEAN_UP)
    for nr in range(3, 10):
        add_unreadable(batch, nr=nr, file=f"{nr}.txt")

    page = _page(tmp_path, batch)

    assert page.count("NOT_DICOM</code>") == 1
    assert "7 times" in page
    assert "files no. 3, 4, 5, 6, 7, and 2 more" in page


def test_a_batch_that_has_not_ended_has_no_time(tmp_path: Path) -> None:
    batch = make_batch(UID, status=Status.PROCESSING, stage=Stage.DEIDENTIFY)
    Batch.objects.filter(pk=batch.pk).update(finished=None)
    batch.refresh_from_db()

    assert "from start to end" not in _page(tmp_path, batch)


def test_a_report_needs_nothing_from_anywhere(tmp_path: Path) -> None:
    batch = make_batch(UID, status=Status.DONE)

    links = _Links()
    links.feed(_page(tmp_path, batch, make_batch("B2", status=Status.DONE)))

    assert "script" not in links.tags
    assert "link" not in links.tags
    assert all(address.startswith(("#", "data:")) for address in links.addresses)


def test_a_stored_preview_is_shown(tmp_path: Path) -> None:
    batch = make_batch(UID, status=Status.DONE)
    folder = Workspace(tmp_path).previews(batch.pk)
    folder.mkdir(parents=True)
    (folder / f"2.25.{batch.pk}2.png").write_bytes(b"PNG")

    assert "data:image/png;base64,UE5H" in _page(tmp_path, batch)


def test_without_a_stored_preview_a_result_is_drawn(tmp_path: Path) -> None:
    batch = make_batch(UID, status=Status.DONEPROCESSING, stage=Stage.SEND)
    for file in batch.images.values_list("file", flat=True):
        write_instance(Workspace(tmp_path).clean(batch.pk) / file, make_instance())

    assert "data:image/png;base64,iVBOR" in _page(tmp_path, batch)


def test_without_any_picture_the_page_says_so(tmp_path: Path) -> None:
    assert "no preview" in _page(tmp_path, make_batch(UID, status=Status.DONE))


def test_workers_side_by_side_count_once_and_pauses_not(tmp_path: Path) -> None:
    batch = make_batch(UID, status=Status.DONE)
    first = StageRun.objects.get(batch=batch, stage=Stage.DEIDENTIFY)
    for start, end in ((1, 3), (10, 11)):
        StageRun.objects.create(
            batch=batch,
            stage=Stage.DEIDENTIFY,
            worker="host:2:3",
            attempt=1,
            started=first.started + timedelta(seconds=start),
            ended=first.started + timedelta(seconds=end),
            outcome="done",
        )

    (facts,) = collect([batch], Workspace(tmp_path))

    assert facts.stages[-1].took == timedelta(seconds=4)
    assert facts.stages[-1].runs == 3


def test_a_report_about_nothing_says_so(tmp_path: Path) -> None:
    assert "No batch has come in yet" in _page(tmp_path)


def test_a_report_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "report.html"

    write_report([make_batch(UID, status=Status.DONE)], path, work_dir=tmp_path, now=NOW)

    assert path.stat().st_mode & 0o777 == 0o600
    assert re.match("<!doctype html>", path.read_text())
    assert list(tmp_path.glob("*.part")) == []
