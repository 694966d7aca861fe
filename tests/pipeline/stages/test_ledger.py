"""A batch is not a study: parts, repetitions, corrections, and what is held on the way."""

import csv
import hashlib
import shutil
import tarfile
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sendit.pipeline import machine
from sendit.records.models import DeliveredInstance, DeliveredStudy, Delivery, Image
from sendit.terms import DeliveryState, Stage, Status
from tests.contracts.deliveries import work_until
from tests.pipeline.files import tree
from tests.pipeline.line import Line
from tests.support.installation import PROJECT
from tests.support.make_study import make_instance, write_instance

ARCHIVE = PROJECT.replace('path = "../out"', 'path = "../out"\nlayout = "archive"')
LAYOUTS = pytest.mark.parametrize("project", [PROJECT, ARCHIVE], ids=["tree", "archive"])


def with_delivery(project: str, **rules: str) -> str:
    lines = [f'{key} = "{value}"' for key, value in rules.items()]
    return "\n".join([project, "[delivery]", *lines, ""])


def hand_in(line: Line, name: str, numbers: range, *, series: int = 1, **attributes: object) -> int:
    """Hand in some instances of the one Study that these tests are about."""
    arriving = line.installation.root / "arriving" / name
    for number in numbers:
        ds = make_instance(seed="the study", series=series, number=number, **attributes)
        write_instance(arriving / f"{number}.dcm", ds)
    arriving.rename(line.installation.inbox / name)
    return line.hand_in(name)


def run(line: Line, name: str, numbers: range, **attributes: object) -> int:
    batch_id = hand_in(line, name, numbers, **attributes)
    line.work()
    return batch_id


def dicom(folder: Path) -> dict[str, str]:
    """Return the instances at the target by UID; none may be there twice."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        entries = []
        if path.suffix == ".dcm":
            entries = [(path.name, path.read_bytes())]
        elif path.name.endswith(".tar.gz"):
            with tarfile.open(path) as archive:
                streams = [(one.name, archive.extractfile(one)) for one in archive]
                entries = [(Path(name).name, s.read()) for name, s in streams if s is not None]
        for name, content in entries:
            assert name not in found, f"{name} is there twice"
            found[name] = hashlib.sha256(content).hexdigest()
    return found


def state(line: Line, batch_id: int) -> tuple[str, str]:
    batch = line.batch(batch_id)
    return batch.status, batch.stage


# Supplements


@LAYOUTS
def test_what_comes_later_of_a_study_is_added_under_a_name_of_its_own(
    line: Line, project: str
) -> None:
    line.set_project(project)
    run(line, "ACC1", range(1, 4))
    before = tree(line.installation.out)

    batch_id = run(line, "ACC2", range(3, 6))

    assert line.batch(batch_id).status == Status.DONE
    after = tree(line.installation.out)
    assert {name: after[name] for name in before} == before
    assert len(dicom(line.installation.out)) == 5
    new = {Path(name).name for name in after.keys() - before.keys() if not name.endswith(".dcm")}
    if project == ARCHIVE:
        [name] = [one.removesuffix(".tar.gz") for one in new if one.endswith("_s1.tar.gz")]
        beside = {f"{name}.{end}" for end in ("manifest.csv", "manifest.parquet", "SHA256SUMS")}
        assert new == {f"{name}.tar.gz", *beside}
    else:
        assert "manifest_s1.csv" in new
    receipt = Delivery.objects.get(batch=batch_id).receipt
    assert (receipt["n_instances"], receipt["there_already"]) == (2, 1)


@LAYOUTS
def test_the_same_study_again_is_not_sent_again(line: Line, project: str) -> None:
    line.set_project(project)
    run(line, "ACC1", range(1, 4))
    before = tree(line.installation.out)

    batch_id = run(line, "ACC2", range(1, 4))

    assert line.batch(batch_id).status == Status.DONE
    assert tree(line.installation.out) == before
    assert DeliveredStudy.objects.count() == 1


@LAYOUTS
def test_what_was_lost_at_the_target_is_sent_when_it_comes_again(line: Line, project: str) -> None:
    line.set_project(project)
    run(line, "ACC1", range(1, 4))
    whole = dicom(line.installation.out)
    for path in line.installation.out.rglob("*"):
        if path.suffix in (".dcm", ".gz"):
            path.unlink()

    batch_id = run(line, "ACC2", range(1, 4))

    assert line.batch(batch_id).status == Status.DONE
    assert dicom(line.installation.out) == whole


@LAYOUTS
def test_images_released_after_the_rest_was_delivered_become_a_supplement(
    line: Line, project: str
) -> None:
    line.set_project(with_delivery(project, incomplete_series="hold"))
    batch_id = hand_in(line, "ACC1", range(1, 3))
    runner = line.runner()
    while line.batch(batch_id).stage != Stage.SEND:
        runner.advance(batch_id)
    held = Image.objects.filter(nr=2)
    held.update(verdict="HELD", reason="NUMBER_HIT", file="", sop_instance_uid="")
    line.work()
    assert state(line, batch_id) == (Status.DONEPROCESSING, Stage.CLEAN_UP)
    before = tree(line.installation.out)
    assert len(dicom(line.installation.out)) == 1

    machine.release(batch_id, nr=None, reason="looked at", now=line.clock)
    line.work()

    assert line.batch(batch_id).status == Status.DONE
    after = tree(line.installation.out)
    assert {name: after[name] for name in before} == before
    assert len(dicom(line.installation.out)) == 2


# Changed content


@LAYOUTS
def test_changed_content_is_held_and_what_was_delivered_stays(line: Line, project: str) -> None:
    line.set_project(project)
    run(line, "ACC1", range(1, 4))
    before = tree(line.installation.out)

    batch_id = run(line, "ACC2", range(1, 4), SliceThickness="7")

    assert state(line, batch_id) == (Status.DONEPROCESSING, Stage.SEND)
    assert Image.objects.filter(batch=batch_id, reason="SUPERSEDES", verdict="HELD").count() == 3
    assert tree(line.installation.out) == before
    assert [alert["code"] for alert in line.batch(batch_id).alerts] == ["SUPERSEDES"]
    assert not list(line.workspace.clean(batch_id).rglob("*.dcm"))


@LAYOUTS
def test_changed_content_that_a_person_releases_is_kept_beside_the_older(
    line: Line, project: str
) -> None:
    line.set_project(project)
    run(line, "ACC1", range(1, 4))
    before = tree(line.installation.out)
    batch_id = run(line, "ACC2", range(1, 4), SliceThickness="7")

    machine.release(batch_id, nr=None, reason="the corrected one", now=line.clock)
    line.work()

    after = tree(line.installation.out)
    assert line.batch(batch_id).status == Status.DONE
    assert {name: after[name] for name in before} == before
    assert any("_g2" in name for name in after.keys() - before.keys())


@LAYOUTS
def test_a_new_generation_holds_what_changed_and_nothing_else(line: Line, project: str) -> None:
    line.set_project(with_delivery(project, supersede="new-generation"))
    run(line, "ACC1", range(1, 4))
    before = tree(line.installation.out)
    arriving = line.installation.root / "arriving" / "ACC2"
    for number in (1, 2, 3):
        changes = {"SliceThickness": "7"} if number == 2 else {}
        ds = make_instance(seed="the study", series=1, number=number, **changes)
        write_instance(arriving / f"{number}.dcm", ds)
    arriving.rename(line.installation.inbox / "ACC2")

    batch = line.run("ACC2")

    assert batch.status == Status.DONE
    after = tree(line.installation.out)
    assert {name: after[name] for name in before} == before
    second = DeliveredStudy.objects.get(generation=2)
    assert (second.instances.count(), second.supplement) == (1, 0)


@LAYOUTS
def test_replaced_content_is_there_once_and_is_the_newer(line: Line, project: str) -> None:
    line.set_project(with_delivery(project, supersede="replace"))
    run(line, "ACC1", range(1, 4))
    older = dicom(line.installation.out)

    batch_id = run(line, "ACC2", range(1, 4), SliceThickness="7")

    newer = dicom(line.installation.out)
    assert line.batch(batch_id).status == Status.DONE
    assert newer.keys() == older.keys()
    assert not set(newer.values()) & set(older.values())
    assert DeliveredInstance.objects.exclude(removed=None).count() == 3


def test_an_archive_is_not_replaced_by_less_than_it_holds(line: Line) -> None:
    line.set_project(with_delivery(ARCHIVE, supersede="replace"))
    run(line, "ACC1", range(1, 4))
    before = tree(line.installation.out)

    batch_id = run(line, "ACC2", range(1, 2), SliceThickness="7")

    assert state(line, batch_id) == (Status.ERROR, Stage.SEND)
    assert line.codes(batch_id) == ["TARGET_CONFLICT"]
    assert tree(line.installation.out) == before


# Series that are not whole


def test_series_with_a_rejected_image_is_held_and_the_others_go(line: Line) -> None:
    folder = line.installation.add_study("ACC1", n_series=2, n_images=2)
    reject_one(folder)

    batch = line.run("ACC1")

    assert (batch.status, batch.stage) == (Status.DONEPROCESSING, Stage.CLEAN_UP)
    assert len(dicom(line.installation.out)) == 2
    assert Image.objects.filter(verdict="HELD", reason="INCOMPLETE").count() == 1


def test_series_with_a_rejected_image_may_be_left_out(line: Line) -> None:
    line.set_project(with_delivery(PROJECT, incomplete_series="drop-series"))
    folder = line.installation.add_study("ACC1", n_series=2, n_images=2)
    reject_one(folder)

    line.run("ACC1")

    assert len(dicom(line.installation.out)) == 2
    assert Image.objects.filter(verdict="EXCLUDED", reason="INCOMPLETE").count() == 1


def test_series_with_a_rejected_image_may_be_sent_marked(line: Line) -> None:
    line.set_project(with_delivery(PROJECT, incomplete_series="send-marked"))
    folder = line.installation.add_study("ACC1", n_series=2, n_images=2)
    reject_one(folder)

    line.run("ACC1")

    assert len(dicom(line.installation.out)) == 3
    rows = manifest(line)
    assert sorted(row["series_complete"] for row in rows if row["outcome"] == "sent") == [
        *("no", "yes", "yes")
    ]
    assert [row["reason"] for row in rows if row["outcome"] == "rejected"] == ["UNSUPPORTED"]


def test_series_goes_on_when_a_person_has_accepted_the_batch_before(line: Line) -> None:
    line.set_project(PROJECT.replace("[accept]", '[accept]\non_bad_image = "stop"'))
    folder = line.installation.add_study("ACC1", n_series=1, n_images=2)
    reject_one(folder)
    batch = line.run("ACC1")
    assert batch.status == Status.ERROR

    machine.accept(batch.pk, reason="known", now=line.clock)
    line.work()

    assert line.batch(batch.pk).status == Status.DONE
    assert len(dicom(line.installation.out)) == 1


def test_series_of_which_fewer_came_than_announced_is_held_until_the_rest_is_there(
    line: Line,
) -> None:
    first = run(line, "ACC1", range(1, 3), NumberOfSeriesRelatedInstances="5")
    assert state(line, first) == (Status.DONEPROCESSING, Stage.SEND)
    second = run(line, "ACC2", range(3, 5), NumberOfSeriesRelatedInstances="5")
    assert state(line, second) == (Status.DONEPROCESSING, Stage.SEND)
    assert dicom(line.installation.out) == {}

    third = run(line, "ACC3", range(5, 6), NumberOfSeriesRelatedInstances="5")

    assert {line.batch(one).status for one in (first, second, third)} == {Status.DONE}
    assert len(dicom(line.installation.out)) == 5
    assert [alert["resolved"] for alert in line.batch(first).alerts] == ["whole now"]


def test_the_rest_that_comes_while_a_batch_is_at_work_is_seen_at_its_end(line: Line) -> None:
    first = half_a_series_and_a_whole_one(line)
    work_until(line, first, Stage.VERIFY)
    second = hand_in(line, "ACC2", range(2, 3), **LEFT_OUT)
    work_until(line, second, Stage.CLEAN_UP)
    assert line.batch(second).status == Status.EMPTY
    assert Image.objects.get(reason="INCOMPLETE").batch_id == first

    line.work()

    assert line.batch(first).status == Status.DONE
    assert len(dicom(line.installation.out)) == 2


def test_what_the_project_does_not_want_is_no_gap_when_it_comes(line: Line) -> None:
    first = half_a_series_and_a_whole_one(line)
    line.work()
    assert state(line, first) == (Status.DONEPROCESSING, Stage.CLEAN_UP)

    second = run(line, "ACC2", range(2, 3), **LEFT_OUT)

    assert [line.batch(one).status for one in (first, second)] == [Status.DONE, Status.EMPTY]
    assert len(dicom(line.installation.out)) == 2


LEFT_OUT = {"NumberOfSeriesRelatedInstances": "2", "BurnedInAnnotation": "YES"}


def half_a_series_and_a_whole_one(line: Line) -> int:
    arriving = line.installation.root / "arriving" / "ACC1"
    write_instance(arriving / "whole.dcm", make_instance(seed="the study", series=2))
    return hand_in(line, "ACC1", range(1, 2), NumberOfSeriesRelatedInstances="2")


def test_what_was_rejected_and_comes_again_mended_makes_its_series_whole(line: Line) -> None:
    folder = line.installation.add_study("ACC1", n_series=1, n_images=2)
    whole = line.installation.root / "whole"
    shutil.copytree(folder, whole)
    reject_one(folder)
    first = line.run("ACC1").pk
    assert Image.objects.filter(batch=first, reason="INCOMPLETE").count() == 1
    (whole / "series1" / "image002.dcm").unlink()
    whole.rename(line.installation.inbox / "ACC2")

    second = line.run("ACC2")

    assert second.status == Status.DONE
    assert len(dicom(line.installation.out)) == 2
    assert state(line, first) == (Status.DONEPROCESSING, Stage.CLEAN_UP)
    assert line.codes(first) == ["UNSUPPORTED"]


def test_a_series_that_was_left_out_is_left_out_with_what_comes_later(line: Line) -> None:
    line.set_project(with_delivery(PROJECT, incomplete_series="drop-series"))
    run(line, "ACC1", range(1, 3), NumberOfSeriesRelatedInstances="3")

    run(line, "ACC2", range(3, 4), NumberOfSeriesRelatedInstances="3")

    assert Image.objects.filter(verdict="EXCLUDED", reason="INCOMPLETE").count() == 3
    assert dicom(line.installation.out) == {}


def reject_one(folder: Path) -> None:
    file = folder / "series1" / "image001.dcm"
    content = file.read_bytes()
    file.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.2.1\0"))


def manifest(line: Line) -> list[dict[str, str]]:
    [path] = line.installation.out.rglob("manifest.csv")
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


# Manifests


def test_the_manifest_tells_what_was_sent_and_can_be_checked(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=2, n_images=2)

    line.run("ACC1")

    rows = manifest(line)
    files = {row["file"]: row["sha256"] for row in rows}
    there = tree(line.installation.out)
    assert files == {name: sha for name, sha in there.items() if name.endswith(".dcm")}
    assert {row["series_expected"] for row in rows} == {"2"}
    assert {row["series_sent"] for row in rows} == {"2"}
    [table] = line.installation.out.rglob("manifest.parquet")
    read = pq.read_table(table).to_pylist()
    assert [{key: str(value) for key, value in row.items()} for row in read] == rows
    [sums] = line.installation.out.rglob("SHA256SUMS")
    for entry in sums.read_text().splitlines():
        digest, name = entry.split("  ")
        assert hashlib.sha256((sums.parent / name).read_bytes()).hexdigest() == digest


def test_the_manifest_links_what_is_derived_to_its_sources(line: Line) -> None:
    arriving = line.installation.root / "arriving" / "ACC1"
    source = make_instance(seed="s", number=1)
    derived = make_instance(seed="s", number=2, series=2)
    write_instance(arriving / "1.dcm", source)
    item = type(derived)()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = source.SOPInstanceUID
    derived.SourceImageSequence = [item]
    write_instance(arriving / "2.dcm", derived)
    arriving.rename(line.installation.inbox / "ACC1")

    line.run("ACC1")

    rows = {row["sop_instance_uid"]: row["sources"] for row in manifest(line)}
    [link] = [sources for sources in rows.values() if sources]
    assert rows[link] == ""


# Waiting


def test_target_that_is_away_too_often_is_left_alone(line: Line) -> None:
    line.installation.out.rmdir()
    line.installation.out.write_text("in the way")
    studies = [f"ACC{number}" for number in range(4)]
    for name in studies:
        line.installation.add_study(name, n_series=1, n_images=1)
    first = [line.hand_in(name) for name in studies[:3]]
    line.work()
    later = line.hand_in(studies[3])

    line.work()

    assert all(Delivery.objects.get(batch=batch).attempts == 1 for batch in first)
    waiting = Delivery.objects.get(batch=later)
    assert (waiting.attempts, waiting.state) == (0, DeliveryState.PENDING)
    assert waiting.retry_at is not None
    line.installation.out.unlink()
    line.installation.out.mkdir()
    for _ in range(3):
        line.work(later=timedelta(minutes=10))
    assert {line.batch(batch).status for batch in [*first, later]} == {Status.DONE}
