"""What was delivered is taken back, and does not come in again unnoticed."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from pydicom import dcmread

from sendit.cli.status_text import batch_lines
from sendit.errors import UsageError
from sendit.metrics.report import render_page
from sendit.metrics.report_facts import collect
from sendit.metrics.standing import standing
from sendit.metrics.status import describe, iso
from sendit.pipeline import machine
from sendit.pipeline.recalling import Copy, Wanted, recall
from sendit.records.audit_tables import AuditEntry
from sendit.records.models import Batch, DeliveredInstance, Image, Recall
from sendit.terms import Stage, Status
from tests.pipeline.line import Line
from tests.support.installation import PROJECT
from tests.support.make_study import make_study

SECOND = """
[[targets]]
name = "second"
kind = "folder"
path = "../second"
layout = "archive"
"""


def deliver(line: Line, name: str, **attributes: object) -> Batch:
    line.installation.add_study(name, n_series=1, n_images=2, **attributes)
    batch = line.run(name)
    assert batch.status == Status.DONE
    return batch


def take_back(line: Line, scope: str, name: str) -> Sequence[Copy]:
    wanted = Wanted(scope, name)
    return list(recall(line.configuration, wanted, by="jo", reason="R", now=lambda: line.clock))


def delivered(line: Line) -> list[Path]:
    second = line.installation.root / "second"
    return [*line.installation.delivered(), *second.rglob("*.tar.gz")]


@pytest.fixture
def two_targets(line: Line) -> Line:
    (line.installation.root / "second").mkdir()
    line.set_project(PROJECT + SECOND)
    return line


def test_what_was_recalled_is_told_wherever_the_delivery_is(line: Line) -> None:
    batch = deliver(line, "ACC1", PatientID="4711")
    before = describe([batch])[0]["deliveries"][0]["recalled"]

    take_back(line, Recall.BATCH, str(batch.pk))

    batch = line.batch(batch.pk)
    told = describe([batch])[0]
    (delivery,) = told["deliveries"]
    assert before is None
    assert delivery["recalled"] == {"time": iso(line.clock), "instances": 2, "left": 0}
    assert delivery["state"] == "verified"
    terminal = "\n".join(batch_lines(batch, told, now=line.clock))
    assert "target    out verified, recalled 20" in terminal
    assert ": 2 instances, none is left" in terminal
    assert "stands    Delivered and recalled; what was recalled is gone." in terminal
    facts = collect([batch], line.workspace)
    assert "2 instances, none is left" in render_page(facts, now=line.clock)


def test_copies_that_a_recall_left_are_told(line: Line) -> None:
    batch = deliver(line, "ACC1", PatientID="4711")
    line.installation.delivered()[0].write_bytes(b"somebody else's")

    take_back(line, Recall.BATCH, str(batch.pk))

    told = describe([batch])[0]
    assert told["deliveries"][0]["recalled"]["left"] == 1
    stands = standing(batch, now=line.clock, deliveries=told["deliveries"])
    assert (stands.tone, stands.words) == (
        "bad",
        "Delivered and recalled; copies are left at a target.",
    )


def test_nothing_is_taken_back_without_a_reason(line: Line) -> None:
    deliver(line, "ACC1", PatientID="4711")

    with pytest.raises(UsageError, match="A reason is needed"):
        list(
            recall(
                line.configuration,
                Wanted(Recall.PATIENT, "4711"),
                by="jo",
                reason=" ",
                now=lambda: line.clock,
            )
        )

    assert len(line.installation.delivered()) == 2
    assert not Recall.objects.exists()


def test_every_copy_of_a_patient_is_removed_and_other_patients_stay(two_targets: Line) -> None:
    line = two_targets
    deliver(line, "ACC1", PatientID="4711")
    deliver(line, "ACC2", PatientID="4711")
    deliver(line, "ACC3", PatientID="4712")
    other = Image.objects.filter(batch__uid_digest=Batch.objects.order_by("-pk")[0].uid_digest)

    copies = take_back(line, Recall.PATIENT, " 4711 ")

    assert [(copy.n_instances, copy.left) for copy in copies] == [(2, "")] * 4
    left = delivered(line)
    assert {path.stem for path in left if path.suffix == ".dcm"} == set(
        other.values_list("sop_instance_uid", flat=True)
    )
    assert len(left) == 3
    assert len(list(line.installation.out.rglob("manifest*"))) == 2
    assert DeliveredInstance.objects.filter(removed=None).count() == 4


@pytest.mark.parametrize("by", ["new uid", "original uid", "pseudonym"])
def test_a_study_is_found_by_its_new_and_its_original_names(line: Line, by: str) -> None:
    folder = line.installation.add_study("ACC1", n_series=1, n_images=1)
    original = dcmread(next(folder.rglob("*.dcm"))).StudyInstanceUID
    line.run("ACC1")
    image = Image.objects.get()
    names = {
        "new uid": image.study_instance_uid,
        "original uid": original,
        "pseudonym": image.study_pseudonym,
    }

    copies = take_back(line, Recall.STUDY, names[by])

    assert [copy.left for copy in copies] == [""]
    assert line.installation.delivered() == []
    assert list(line.installation.out.iterdir()) == []


def test_a_batch_is_found_when_its_rows_are_gone(line: Line) -> None:
    forgetful = 'rows = "remove"\nexcluded = "remove"\npreviews = "remove"\noriginals = "remove"'
    line.set_project(PROJECT.replace('originals = "remove"', forgetful))
    line.installation.add_study("ACC1", n_series=1, n_images=2)
    batch_id = line.hand_in("ACC1")
    line.work()
    assert not Batch.objects.exists()

    copies = take_back(line, Recall.BATCH, str(batch_id))

    assert [copy.left for copy in copies] == [""]
    assert line.installation.delivered() == []


def test_what_was_recalled_is_held_when_it_comes_in_again(line: Line) -> None:
    deliver(line, "ACC1", PatientID="4711")
    take_back(line, Recall.PATIENT, "4711")
    make_study(line.installation.inbox / "ACC9", n_series=1, n_images=1, PatientID="4711")

    batch = line.run("ACC9")

    assert (batch.status, batch.stage) == (Status.DONEPROCESSING, Stage.SEND)
    assert [alert["code"] for alert in batch.alerts] == ["RECALLED"]
    assert line.installation.delivered() == []
    with pytest.raises(UsageError, match="A reason is needed"):
        machine.release(batch.pk, nr=None, reason="", now=line.clock)
    machine.release(batch.pk, nr=None, reason="consent given again", now=line.clock)
    line.work()
    assert line.batch(batch.pk).status == Status.DONE
    assert len(line.installation.delivered()) == 1


def test_what_somebody_changed_is_left_for_a_person(line: Line) -> None:
    deliver(line, "ACC1", PatientID="4711")
    changed, other = line.installation.delivered()
    changed.write_bytes(b"somebody else's")

    [copy] = take_back(line, Recall.PATIENT, "4711")

    assert changed.stem in copy.left
    assert line.installation.delivered() == [changed]
    assert not other.exists()
    changed.unlink()
    [again] = take_back(line, Recall.PATIENT, "4711")
    assert (again.n_instances, again.left) == (1, "")
    assert take_back(line, Recall.PATIENT, "4711") == []


def test_a_target_that_is_away_is_left_for_a_person(line: Line) -> None:
    deliver(line, "ACC1", PatientID="4711")
    line.installation.out.rename(line.installation.root / "away")

    [copy] = take_back(line, Recall.PATIENT, "4711")

    assert "Run the recall again" in copy.left
    (line.installation.root / "away").rename(line.installation.out)
    [again] = take_back(line, Recall.PATIENT, "4711")
    assert again.left == ""
    assert line.installation.delivered() == []


def test_results_that_are_kept_here_are_told(line: Line) -> None:
    line.set_project(PROJECT.replace('originals = "remove"', 'results = "keep"'))
    deliver(line, "ACC1", PatientID="4711")

    [out, here] = take_back(line, Recall.PATIENT, "4711")

    assert out.left == ""
    assert (here.where, here.n_instances) == ("this installation", 2)


def test_a_batch_on_its_way_is_not_sent_after_a_recall(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=1, n_images=1, PatientID="4711")
    batch_id = line.hand_in("ACC1")
    runner = line.runner()
    while line.batch(batch_id).stage != Stage.SEND:
        runner.advance(batch_id)

    assert take_back(line, Recall.PATIENT, "4711") == []
    line.work()

    assert line.installation.delivered() == []
    assert Image.objects.get().reason == "RECALLED"


def test_a_batch_that_waits_for_its_proof_is_not_done_after_a_recall(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=1, n_images=1, PatientID="4711")
    batch_id = line.hand_in("ACC1")
    runner = line.runner()
    while line.batch(batch_id).stage != Stage.VERIFY:
        runner.advance(batch_id)

    [copy, here] = take_back(line, Recall.PATIENT, "4711")
    line.work()

    assert (copy.left, here.where) == ("", "this installation")
    assert f'"sendit resolve {batch_id} --reject" removes them' in here.left
    assert line.installation.delivered() == []
    assert (line.batch(batch_id).status, line.codes(batch_id)) == (Status.ERROR, ["STOPPED"])
    machine.turn_down(batch_id, reason="", now=line.clock)
    line.work()
    assert not line.workspace.clean(batch_id).exists()


def test_nobody_known_is_said(line: Line) -> None:
    with pytest.raises(UsageError, match="No patient is known"):
        take_back(line, Recall.PATIENT, "nobody")


def test_the_reason_and_the_original_names_are_not_in_clear(line: Line) -> None:
    deliver(line, "ACC1", PatientID="CANARY4711")
    list(
        recall(
            line.configuration,
            Wanted(Recall.PATIENT, "CANARY4711"),
            by="jo",
            reason="CANARYREASON",
            now=lambda: line.clock,
        )
    )

    assert Recall.objects.get().reason == "CANARYREASON"
    [entry] = AuditEntry.objects.all()
    assert (entry.actor, entry.action, entry.subject, entry.reason, entry.details) == (
        "jo",
        "patient recall",
        f"recall {Recall.objects.get().pk}",
        "CANARYREASON",
        {"copies": 1},
    )
    rows = [*Recall.objects.values().iterator()]
    assert "CANARY" not in repr(Recall.objects.get()) + repr(Wanted(Recall.PATIENT, "CANARY4711"))
    assert len(rows) == 1
