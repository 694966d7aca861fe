import json
from datetime import timedelta
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from sendit.errors import UsageError
from sendit.pipeline import machine
from sendit.pipeline.machine.table import HELD_MANUAL, HELD_PERSON, HELD_STATIC
from sendit.records.models import BatchIdentifiers, Delivery, Finding, Image, StageRun
from sendit.terms import DeliveryState, Stage, Status, Verdict
from tests.pipeline.files import out_of_order, tree
from tests.pipeline.line import NO_TARGET, Line
from tests.support.installation import PROJECT
from tests.support.make_study import make_instance, write_instance

pytestmark = pytest.mark.django_db
UNKNOWN_CLASS = "1.2.826.0.1.3680043.10.999"
AS_IS = PROJECT.replace('title = "Demo"', 'title = "Demo"\nanonymize = false')


def values(line: Line, keyword: str) -> set[str]:
    """Return the values of one attribute over everything that was delivered."""
    return {
        str(dcmread(path, stop_before_pixels=True)[keyword].value)
        for path in line.installation.delivered()
    }


def instance(line: Line, folder: str, name: str, **attributes: object) -> Path:
    path = line.installation.inbox / folder / name
    return write_instance(path, make_instance(**attributes))


def test_good_study_is_delivered_and_nothing_of_it_stays(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=2, n_images=3)

    batch = line.run("ACC1")

    assert (batch.status, batch.stage, batch.has_error) == (Status.DONE, "", False)
    assert (batch.errors, batch.alerts, batch.held) == ([], [], "")
    assert set(Image.objects.values_list("status", flat=True)) == {Status.DONE}
    assert len(line.installation.delivered()) == 6
    assert list(line.installation.inbox.iterdir()) == []
    assert not line.workspace.phi(batch.pk).exists()
    assert not line.workspace.clean(batch.pk).exists()
    assert not BatchIdentifiers.objects.exists()
    assert set(Image.objects.values_list("source", flat=True)) == {None}
    assert batch.finished is not None
    assert batch.cleaned_at is not None


def test_a_study_without_its_number_says_how_it_is_handed_in_again(line: Line) -> None:
    line.set_project(PROJECT.replace('on_missing = "derive"', 'on_missing = "stop"'))
    instance(line, "ACC1", "1.dcm", AccessionNumber="")

    batch = line.run("ACC1")

    [error] = batch.errors
    assert (batch.status, batch.stage) == (Status.ERROR, Stage.IDENTIFY)
    assert 'set identity.on_missing = "derive"' in error["message"]
    assert f'"sendit resolve {batch.pk} --reject"' in error["message"]


def test_every_stage_leaves_its_line_in_the_audit_trail(line: Line) -> None:
    line.installation.add_study("ACC1")

    line.run("ACC1")

    assert list(StageRun.objects.order_by("pk").values_list("stage", "outcome", "attempt")) == [
        (str(stage), "done", 1)
        for stage in [*Stage, Stage.CLEAN_UP]  # decided, then removed
    ]


def test_same_study_with_the_same_key_gives_the_same_bytes(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=1)
    line.run("ACC1")
    first = tree(line.installation.out)
    line.installation.add_study("ACC1", n_series=1)

    batch = line.run("ACC1")

    assert batch.status == Status.DONE
    assert tree(line.installation.out) == first


def test_two_patients_and_two_studies_of_one_folder_stay_apart(line: Line) -> None:
    for number, (patient, study) in enumerate([("P-1", "a"), ("P-1", "b"), ("P-2", "c")]):
        instance(
            line, "ACC1", f"{number}.dcm", seed=study, PatientID=patient, AccessionNumber=study
        )

    batch = line.run("ACC1")

    assert batch.status == Status.DONE
    assert len(values(line, "PatientID")) == 2
    assert len(values(line, "StudyInstanceUID")) == 3
    assert len(values(line, "AccessionNumber")) == 3


def test_manual_project_waits_and_goes_on(line: Line) -> None:
    line.set_project(PROJECT.replace('title = "Demo"', 'title = "Demo"\nsend = "manual"'))
    line.installation.add_study("ACC1")

    batch = line.run("ACC1")

    assert (batch.status, batch.stage, batch.held) == (
        Status.DONEPROCESSING,
        Stage.SEND,
        HELD_MANUAL,
    )
    assert line.installation.delivered() == []
    assert machine.upload_finished(batch.pk, now=line.clock)
    line.work()
    assert line.batch(batch.pk).status == Status.DONE
    assert len(line.installation.delivered()) == 6


def test_project_without_target_keeps_everything(line: Line) -> None:
    line.set_project(NO_TARGET)
    line.installation.add_study("ACC1")

    batch = line.run("ACC1")

    assert (batch.status, batch.held) == (Status.DONEPROCESSING, HELD_STATIC)
    assert set(Image.objects.values_list("status", flat=True)) == {Status.DONEPROCESSING}
    assert len(tree(line.workspace.phi(batch.pk))) == 6
    assert len(tree(line.workspace.clean(batch.pk))) == 6
    assert not Delivery.objects.exists()


def test_identified_images_reach_a_target_that_accepts_them(line: Line) -> None:
    line.set_project(AS_IS.replace('kind = "folder"', 'kind = "folder"\naccepts_identified = true'))
    folder = line.installation.add_study("ACC1", n_series=1)
    originals = set(tree(folder).values())

    batch = line.run("ACC1")

    assert batch.status == Status.DONE
    assert set(tree(line.installation.out).values()) == originals
    assert not StageRun.objects.filter(stage__in=[Stage.IDENTIFY, Stage.DEIDENTIFY]).exists()
    assert not line.workspace.phi(batch.pk).exists()


def test_what_is_kept_of_an_identified_delivery_names_no_patient(line: Line) -> None:
    line.set_project(AS_IS.replace('kind = "folder"', 'kind = "folder"\naccepts_identified = true'))
    line.installation.add_study("ACC1", n_series=1, n_images=1, PatientID="CANARY1")

    batch = line.run("ACC1")

    kept = json.dumps(Delivery.objects.get(batch=batch).receipt)
    assert [path.name for path in line.installation.out.iterdir()] == ["CANARY1"]
    assert '"n_instances": 1' in kept
    assert "CANARY1" not in kept


def test_identified_patient_whose_id_is_a_way_out_stays_inside_the_target(line: Line) -> None:
    line.set_project(AS_IS.replace('kind = "folder"', 'kind = "folder"\naccepts_identified = true'))
    line.installation.add_study("ACC1", n_series=1, n_images=1, PatientID="..")

    batch = line.run("ACC1")

    assert batch.status == Status.DONE
    assert [path.name for path in line.installation.out.iterdir()] == ["_"]


def test_identified_images_never_reach_a_target_that_does_not_say_so(line: Line) -> None:
    chosen = line.configuration.projects["demo"]
    object.__setattr__(chosen, "anonymize", False)
    line.installation.add_study("ACC1")

    batch = line.run("ACC1")

    assert (batch.status, batch.stage) == (Status.ERROR, Stage.SEND)
    assert line.installation.delivered() == []
    assert len(tree(line.workspace.phi(batch.pk))) == 6


def test_identified_batch_is_delivered_to_an_optional_target_that_comes_late(line: Line) -> None:
    late = line.installation.root / "late"
    line.set_project(
        AS_IS.replace('kind = "folder"', 'kind = "folder"\naccepts_identified = true')
        + '[[targets]]\nname = "late"\nkind = "folder"\npath = "../late"\nrequired = false\n'
        + "accepts_identified = true\n"
    )
    line.installation.add_study("ACC1", n_series=1)
    line.installation.root.joinpath("late").write_text("in the way")

    batch = line.run("ACC1")
    assert batch.status == Status.DONE
    assert len(tree(line.workspace.phi(batch.pk))) == 3
    late.unlink()
    late.mkdir()
    machine_retry(line, batch.pk)

    assert tree(late) == tree(line.installation.out)
    assert not line.workspace.phi(batch.pk).exists()


def machine_retry(line: Line, batch_id: int) -> None:
    """Try a failed delivery again, if it does not wait for its own next try, and work."""
    if Delivery.objects.filter(batch=batch_id, state=DeliveryState.FAILED).exists():
        machine.retry(batch_id, target=None, now=line.clock)
    due = line.batch(batch_id).due_at
    line.work(later=due - line.clock if due else line.clock - line.clock)


@pytest.mark.parametrize("value", ["", "   "])
def test_missing_accession_number_stops_or_is_derived(line: Line, value: str) -> None:
    line.set_project(PROJECT.replace("derive", "stop"))
    line.installation.add_study("ACC1", AccessionNumber=value)

    stopped = line.run("ACC1")

    assert (stopped.status, stopped.stage) == (Status.ERROR, Stage.IDENTIFY)
    assert "AccessionNumber" in stopped.errors[0]["message"]
    line.set_project(PROJECT)
    line.installation.add_study("ACC2", AccessionNumber=value)
    assert line.run("ACC2").status == Status.DONE


def test_missing_patient_is_never_guessed(line: Line) -> None:
    line.installation.add_study("ACC1", PatientID="")

    batch = line.run("ACC1")

    assert (batch.status, batch.stage) == (Status.ERROR, Stage.IDENTIFY)
    assert line.codes(batch.pk) == ["IDENTITY"]
    assert line.installation.delivered() == []


def test_file_without_patient_is_rejected_where_others_go_on(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=1)
    instance(line, "ACC1", "nobody.dcm", PatientID="")

    batch = line.run("ACC1")

    assert (batch.status, batch.stage) == (Status.DONEPROCESSING, Stage.CLEAN_UP)
    assert (line.codes(batch.pk), batch.has_error) == (["NO_IDENTITY"], True)
    [nobody] = batch.images.filter(verdict=Verdict.REJECTED)
    assert (nobody.source, nobody.reason) == ("nobody.dcm", "NO_IDENTITY")
    assert len(line.installation.delivered()) == 3


@pytest.mark.parametrize("field", ["PatientID", "AccessionNumber"])
def test_batch_that_stopped_without_an_identity_goes_on_when_accepted(
    line: Line, field: str
) -> None:
    line.set_project(PROJECT.replace('on_missing = "derive"', 'on_missing = "stop"'))
    line.installation.add_study("ACC1", n_series=1)
    instance(line, "ACC1", "nobody.dcm", **{field: ""})
    stopped = line.run("ACC1")
    assert (stopped.status, line.codes(stopped.pk)) == (Status.ERROR, ["IDENTITY"])
    assert f'"sendit resolve {stopped.pk} --accept"' in stopped.errors[0]["message"]

    machine.accept(stopped.pk, reason="without it", now=line.clock)
    line.work()

    batch = line.batch(stopped.pk)
    assert (batch.status, batch.has_error) == (Status.DONE, False)
    assert [(error["code"], error["resolved"]) for error in batch.errors] == [
        ("IDENTITY", "accepted"),
        ("NO_IDENTITY", "accepted"),
    ]
    assert len(line.installation.delivered()) == 3


def test_accepting_a_batch_without_any_identity_leaves_it_empty(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=1, PatientID="")
    stopped = line.run("ACC1")

    machine.accept(stopped.pk, reason="", now=line.clock)
    line.work()

    batch = line.batch(stopped.pk)
    assert (batch.status, batch.has_error, batch.bytes) == (Status.EMPTY, False, 0)
    assert line.installation.delivered() == []


def test_bytes_are_those_of_accepted_originals_only(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=1, n_images=2)
    odd = instance(line, "ACC1", "odd.dcm", SOPClassUID=UNKNOWN_CLASS)
    size = odd.stat().st_size

    batch = line.run("ACC1")

    accepted = batch.images.filter(verdict=Verdict.ACCEPTED).values_list("size", flat=True)
    assert batch.bytes == sum(accepted) > 0
    machine.release(batch.pk, nr=None, reason="looked at", now=line.clock)
    assert line.batch(batch.pk).bytes == batch.bytes + size


def test_image_that_the_engine_refuses_is_left_out_and_its_original_kept(line: Line) -> None:
    line.set_project(PROJECT + '[delivery]\nincomplete_series = "send-marked"\n')
    files = sorted(line.installation.add_study("ACC1", n_series=1).rglob("*.dcm"))
    kept = out_of_order(files[1]).read_bytes()

    batch = line.run("ACC1")

    bad = Image.objects.get(verdict="REJECTED")
    assert (batch.status, batch.has_error) == (Status.DONEPROCESSING, True)
    assert len(line.installation.delivered()) == 2
    assert line.workspace.original(batch.pk, bad.nr).read_bytes() == kept
    assert Finding.objects.get().image_id == bad.pk
    machine.accept(batch.pk, reason="", now=line.clock)
    line.work()
    assert line.batch(batch.pk).status == Status.DONE
    assert not line.workspace.phi(batch.pk).exists()


def test_image_that_waits_for_a_person_holds_the_batch_and_is_excluded_when_accepted(
    line: Line,
) -> None:
    folder = line.installation.add_study("ACC1", n_series=1)
    path = min(folder.rglob("*.dcm"))
    ds = dcmread(path)
    ds.SOPClassUID = UNKNOWN_CLASS
    write_instance(path, ds)

    batch = line.run("ACC1")

    held = Image.objects.get(verdict="HELD")
    assert (batch.status, batch.has_error) == (Status.DONEPROCESSING, False)
    assert [alert["code"] for alert in batch.alerts] == ["UNKNOWN_SOP_CLASS"]
    assert "because of (0008,0016) SOPClassUID;" in batch.alerts[0]["message"]
    assert len(line.installation.delivered()) == 2
    machine.accept(batch.pk, reason="", now=line.clock)
    line.work()
    assert line.batch(batch.pk).status == Status.DONE
    assert line.workspace.original(batch.pk, held.nr).exists()
    line.work(later=timedelta(days=31))
    assert not line.workspace.phi(batch.pk).exists()
    assert line.batch(batch.pk).stage == ""


def test_document_that_is_released_is_delivered_with_its_body(line: Line) -> None:
    line.set_project(PROJECT.replace('"MR"', '"MR", "DOC"'))
    body = b"%PDF-1.7 nothing of anybody "
    write_instance(
        line.installation.inbox / "ACC1" / "letter.dcm",
        make_instance(modality="DOC", BurnedInAnnotation="NO", EncapsulatedDocument=body),
    )
    batch = line.run("ACC1")
    assert [alert["code"] for alert in batch.alerts] == ["DOCUMENT"]

    machine.release(batch.pk, nr=None, reason="looked at", now=line.clock)
    line.work()

    batch = line.batch(batch.pk)
    assert (batch.status, line.codes(batch.pk)) == (Status.DONE, [])
    [delivered] = line.installation.delivered()
    assert dcmread(delivered).EncapsulatedDocument == body


def test_batch_of_nothing_but_held_images_waits(line: Line) -> None:
    instance(line, "ACC1", "a.dcm", SOPClassUID=UNKNOWN_CLASS)

    batch = line.run("ACC1")

    assert (batch.status, batch.held) == (Status.PROCESSING, HELD_PERSON)
    machine.turn_down(batch.pk, reason="", now=line.clock)
    line.work()
    assert [*tree(line.err_folder("ACC1"))] == ["a.dcm"]


def test_released_images_go_on_and_are_delivered_beside_the_others(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=1, n_images=2)
    instance(line, "ACC1", "odd.dcm", SOPClassUID=UNKNOWN_CLASS)
    batch = line.run("ACC1")

    count = machine.release(batch.pk, nr=None, reason="looked at", now=line.clock)
    line.work()

    batch = line.batch(batch.pk)
    assert (count, batch.status, batch.has_error) == (1, Status.DONE, False)
    assert [alert["resolved"] for alert in batch.alerts] == ["released"]
    assert len(line.installation.delivered()) == 3
    assert not Image.objects.exclude(status=Status.DONE).exists()


def test_batch_of_nothing_but_held_images_goes_on_when_they_are_released(line: Line) -> None:
    instance(line, "ACC1", "odd.dcm", SOPClassUID=UNKNOWN_CLASS)
    batch = line.run("ACC1")
    held = Image.objects.get()

    machine.release(batch.pk, nr=held.nr, reason="looked at", now=line.clock)
    line.work()

    assert line.batch(batch.pk).status == Status.DONE
    assert len(line.installation.delivered()) == 1


def test_nothing_held_is_nothing_to_release(line: Line) -> None:
    line.installation.add_study("ACC1", n_images=1)
    batch = line.run("ACC1")

    with pytest.raises(UsageError, match="nothing held"):
        machine.release(batch.pk, nr=None, reason="why", now=line.clock)


@pytest.mark.parametrize("first", ["a.dcm", "z.dcm"])
def test_person_named_in_one_instance_is_taken_out_of_another(line: Line, first: str) -> None:
    line.set_project(PROJECT.replace("[deid]", '[deid]\npreset = "research"'))
    instance(line, "ACC1", first, number=1, OperatorsName="Quillfeather^Ann")
    instance(line, "ACC1", "m.dcm", number=2, ImageComments="seen by Quillfeather, liver normal")

    batch = line.run("ACC1")

    assert (batch.status, batch.has_error) == (Status.DONE, False)
    contents = b"".join(path.read_bytes() for path in line.installation.delivered())
    assert b"Quillfeather" not in contents
    assert b"liver normal" in contents


def private_person() -> Dataset:
    ds = Dataset()
    block = ds.private_block(0x0029, "ACME 1.1", create=True)
    block.add_new(0x01, "PN", "Quillfeather^Ann")
    return ds


def request_of_a_person() -> Dataset:
    request = Dataset()
    request.RequestingPhysician = "Quillfeather^Ann"
    request.RequestedProcedureID = "RP1"
    ds = Dataset()
    ds.RequestAttributesSequence = [request]
    return ds


@pytest.mark.parametrize(
    "told", [private_person(), request_of_a_person()], ids=["private", "nested"]
)
@pytest.mark.parametrize("first", ["a.dcm", "z.dcm"])
def test_person_named_deep_in_one_instance_is_taken_out_of_another(
    line: Line, first: str, told: Dataset
) -> None:
    line.set_project(PROJECT.replace("[deid]", '[deid]\npreset = "research"'))
    path = instance(line, "ACC1", first, number=1)
    ds = dcmread(path)
    ds.update(told)
    ds.save_as(path)
    instance(line, "ACC1", "m.dcm", number=2, ImageComments="seen by Quillfeather, liver normal")

    batch = line.run("ACC1")

    assert (batch.status, batch.has_error) == (Status.DONE, False)
    contents = b"".join(path.read_bytes() for path in line.installation.delivered())
    assert b"Quillfeather" not in contents
    assert b"liver normal" in contents
