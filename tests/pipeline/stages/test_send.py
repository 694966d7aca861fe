import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

from sendit.pipeline import machine
from sendit.records.models import Delivery, Image
from sendit.terms import DeliveryState, Stage, Status
from tests.contracts.deliveries import work_until
from tests.pipeline.files import tree
from tests.pipeline.line import Line
from tests.support.installation import PROJECT

SECOND = '[[targets]]\nname = "second"\nkind = "folder"\npath = "../second"\n'


def test_every_required_target_gets_the_batch(line: Line) -> None:
    line.set_project(PROJECT + SECOND)
    second = line.installation.root / "second"
    second.mkdir()
    line.installation.add_study("ACC1")

    batch = line.run("ACC1")

    assert batch.status == Status.DONE
    assert tree(second) == tree(line.installation.out)
    assert set(Delivery.objects.values_list("state", flat=True)) == {DeliveryState.VERIFIED}


def test_target_that_is_away_holds_the_batch_but_not_the_other_targets(line: Line) -> None:
    line.set_project(PROJECT + SECOND)
    second = line.installation.root / "second"
    second.write_text("in the way")
    line.installation.add_study("ACC1", n_series=1)

    batch = line.run("ACC1")

    assert batch.stage == Stage.SEND
    assert len(line.installation.delivered()) == 3
    assert dict(Delivery.objects.values_list("target", "state")) == {
        "out": DeliveryState.VERIFIED,
        "second": DeliveryState.PENDING,
    }
    assert batch.retry_at is not None
    assert set(Image.objects.values_list("status", flat=True)) == {Status.DONEPROCESSING}
    second.unlink()
    second.mkdir()
    machine.retry(batch.pk, target="second", now=line.clock)
    line.work()
    assert line.batch(batch.pk).status == Status.DONE
    assert tree(second) == tree(line.installation.out)
    assert dict(Delivery.objects.values_list("target", "attempts"))["out"] == 1


def test_target_that_stays_away_uses_up_the_tries(line: Line) -> None:
    line.installation.out.rmdir()
    line.installation.out.write_text("in the way")
    line.installation.add_study("ACC1", n_series=1)
    batch = line.run("ACC1")

    for _ in range(5):
        line.work(later=timedelta(hours=1))

    batch = line.batch(batch.pk)
    assert (batch.status, batch.stage) == (Status.ERROR, Stage.SEND)
    assert batch.errors[0]["target"] == "out"
    assert len(tree(line.workspace.phi(batch.pk))) == 3
    assert len(list(line.workspace.clean(batch.pk).rglob("*.dcm"))) == 3


def test_other_content_under_a_name_stops_the_batch_and_is_not_touched(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=1)
    line.run("ACC1")
    taken = line.installation.delivered()[0]
    taken.write_bytes(b"somebody else's")
    line.installation.add_study("ACC1", n_series=1)

    batch = line.run("ACC1")

    assert (batch.status, batch.stage) == (Status.ERROR, Stage.SEND)
    assert [(e["code"], e["target"]) for e in batch.errors] == [("TARGET_CONFLICT", "out")]
    assert taken.read_bytes() == b"somebody else's"
    assert len(tree(line.workspace.phi(batch.pk))) == 3


def test_content_that_changed_at_the_target_is_found_before_anything_is_removed(
    line: Line,
) -> None:
    line.installation.add_study("ACC1", n_series=1)
    batch_id = line.hand_in("ACC1")
    work_until(line, batch_id, Stage.VERIFY)
    damaged = line.installation.delivered()[0]
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1] + b"\1")

    line.work()

    batch = line.batch(batch_id)
    assert (batch.status, batch.stage) == (Status.ERROR, Stage.VERIFY)
    assert line.codes(batch_id) == ["VERIFICATION_FAILED"]
    assert len(tree(line.workspace.phi(batch_id))) == 3
    damaged.unlink()
    machine.retry(batch_id, target=None, now=line.clock)
    line.work()
    assert line.batch(batch_id).status == Status.DONE
    assert damaged.read_bytes() == whole


def test_a_target_that_loses_at_every_try_is_given_up_with_the_reason(line: Line) -> None:
    line.set_project(PROJECT + SECOND)
    second = line.installation.root / "second"
    second.mkdir()
    line.installation.add_study("ACC1", n_series=1)
    batch_id = line.hand_in("ACC1")

    for _ in range(3):
        work_until(line, batch_id, Stage.VERIFY)
        min(second.rglob("*.dcm")).unlink()
        line.work()
        line.clock += timedelta(minutes=1)

    batch = line.batch(batch_id)
    assert (batch.status, line.codes(batch_id)) == (Status.ERROR, ["INSTANCES_MISSING"])
    assert "It was sent 3 times" in batch.errors[0]["message"]
    assert "by itself" not in batch.errors[0]["message"]
    states = dict(Delivery.objects.values_list("target", "state"))
    assert states == {"out": DeliveryState.VERIFIED, "second": DeliveryState.FAILED}
    machine.retry(batch_id, target="second", now=line.clock)
    line.work()
    assert line.batch(batch_id).status == Status.DONE
    assert tree(second) == tree(line.installation.out)


def test_what_an_optional_target_lost_is_sent_again_when_the_batch_is_done(line: Line) -> None:
    line.set_project(PROJECT + SECOND + "required = false\n")
    second = line.installation.root / "second"
    second.mkdir()
    line.installation.add_study("ACC1", n_series=1)
    batch_id = line.hand_in("ACC1")
    work_until(line, batch_id, Stage.VERIFY)
    min(second.rglob("*.dcm")).unlink()

    line.work()
    done = line.batch(batch_id).status
    line.work(later=timedelta(minutes=6))

    assert done == Status.DONE
    assert tree(second) == tree(line.installation.out)
    assert set(Delivery.objects.values_list("state", flat=True)) == {DeliveryState.VERIFIED}


def test_sending_again_waits_neither_for_a_person_nor_for_the_originals(line: Line) -> None:
    line.set_project(PROJECT.replace('title = "Demo"', 'title = "Demo"\nsend = "manual"'))
    line.installation.add_study("ACC1", n_series=1)
    batch_id = line.hand_in("ACC1")
    line.work()
    assert machine.upload_finished(batch_id, now=line.clock)
    work_until(line, batch_id, Stage.VERIFY)
    line.installation.delivered()[0].unlink()

    line.runner().advance(batch_id)

    batch = line.batch(batch_id)
    assert (batch.stage, batch.status, batch.held) == (Stage.SEND, Status.DONEPROCESSING, "")
    assert batch.prepared is not None
    line.work(later=timedelta(minutes=1))
    assert line.batch(batch_id).status == Status.DONE


def test_volume_that_is_away_is_not_taken_for_the_folder_that_it_is_mounted_on(
    line: Line, small_disk: Path
) -> None:
    line.set_project(PROJECT.replace("../out", "../disk"))
    line.installation.add_study("ACC1", n_series=1, n_images=1)
    line.installation.add_study("ACC2", n_series=1, n_images=1)
    assert line.run("ACC1").status == Status.DONE

    subprocess.run(["umount", str(small_disk)], check=True)
    batch = line.run("ACC2")
    written = list(small_disk.iterdir())
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(small_disk)], check=True)

    assert written == []
    assert batch.stage == Stage.SEND
    error = Delivery.objects.get(batch=batch).error or {}
    assert error["code"] == "TARGET_UNAVAILABLE"
    assert "is not mounted" in error["message"]
    line.work(later=timedelta(minutes=1))
    assert line.batch(batch.pk).status == Status.DONE
    assert len(list(small_disk.rglob("*.dcm"))) == 1


def test_volume_that_is_away_is_noticed_after_a_batch_of_which_all_was_there(
    line: Line, small_disk: Path
) -> None:
    line.set_project(PROJECT.replace("../out", "../disk"))
    folder = line.installation.add_study("ACC1", n_series=1, n_images=1)
    again = line.installation.root / "again"
    shutil.copytree(folder, again)
    line.run("ACC1")
    again.rename(line.installation.inbox / "ACC2")
    assert line.run("ACC2").status == Status.DONE
    line.installation.add_study("ACC3", n_series=1, n_images=1)

    subprocess.run(["umount", str(small_disk)], check=True)
    batch = line.run("ACC3")
    written = list(small_disk.iterdir())
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(small_disk)], check=True)

    assert (batch.stage, written) == (Stage.SEND, [])
