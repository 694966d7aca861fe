from datetime import timedelta

import pytest

from sendit.pipeline import machine
from sendit.pipeline.machine.table import HELD_RETURN
from sendit.records.models import Batch, BatchIdentifiers, Delivery, Image
from sendit.terms import DeliveryState, Stage, Status
from tests.pipeline.files import out_of_order, tree
from tests.pipeline.line import Line
from tests.support.installation import PROJECT
from tests.support.make_study import make_instance, not_dicom, write_instance

DAY = timedelta(days=1)


def retention(**rules: str) -> str:
    """Return the project ``demo`` with these rules of retention."""
    lines = [f'{key} = "{value}"' for key, value in rules.items()]
    return PROJECT.replace('originals = "remove"', "\n".join(lines))


def with_excluded(line: Line) -> Batch:
    """Run a batch of two images and an excluded one."""
    folder = line.installation.add_study("ACC1", n_series=1, n_images=2)
    write_instance(folder / "report.dcm", make_instance(modality="US", seed="us"))
    return line.run("ACC1")


def left(line: Line, batch: Batch) -> set[str]:
    """Return what is still there of a batch."""
    workspace = line.workspace
    phi = workspace.phi(batch.pk)
    places = {
        "originals": any(phi.glob("*.dcm")),
        "excluded": any(phi.glob("excluded/*.dcm")),
        "results": any(workspace.clean(batch.pk).rglob("*.dcm")),
        "identifiers": BatchIdentifiers.objects.filter(batch=batch).exists(),
        "previews": any(workspace.previews(batch.pk).glob("*.png")),
        "rows": Batch.objects.filter(pk=batch.pk).exists(),
    }
    return {what for what, there in places.items() if there}


def test_defaults_leave_the_excluded_for_thirty_days_and_rows_and_previews_for_good(
    line: Line,
) -> None:
    line.set_project(retention())
    batch = with_excluded(line)
    assert left(line, batch) == {"excluded", "previews", "rows"}

    line.work(later=29 * DAY)
    assert left(line, batch) == {"excluded", "previews", "rows"}
    line.work(later=2 * DAY)

    assert left(line, batch) == {"previews", "rows"}
    assert line.batch(batch.pk).stage == ""
    assert not line.workspace.phi(batch.pk).exists()


@pytest.mark.parametrize("what", ["originals", "excluded", "results", "identifiers", "previews"])
def test_what_has_days_goes_when_they_are_over(line: Line, what: str) -> None:
    line.set_project(retention(**{"excluded": "remove", what: "7 days"}))
    batch = with_excluded(line)
    assert what in left(line, batch)

    line.work(later=6 * DAY)
    assert what in left(line, batch)
    line.work(later=2 * DAY)

    assert what not in left(line, batch)
    assert line.batch(batch.pk).stage == ""


@pytest.mark.parametrize("what", ["originals", "excluded", "results", "identifiers", "previews"])
def test_what_is_kept_stays_and_the_rest_goes(line: Line, what: str) -> None:
    line.set_project(retention(**{"excluded": "remove", "previews": "remove", what: "keep"}))

    batch = with_excluded(line)

    assert left(line, batch) == {what, "rows"}
    assert line.batch(batch.pk).stage == ""


def test_rows_go_last_and_then_nothing_is_left(line: Line) -> None:
    line.set_project(retention(excluded="5 days", rows="2 days", previews="remove"))
    batch = with_excluded(line)

    line.work(later=3 * DAY)
    assert left(line, batch) == {"excluded", "rows"}
    line.work(later=3 * DAY)

    assert left(line, batch) == set()
    assert not Image.objects.exists()


def test_rows_stay_as_long_as_their_files(line: Line) -> None:
    line.set_project(retention(excluded="remove", originals="keep", rows="remove"))

    batch = with_excluded(line)

    assert left(line, batch) == {"originals", "previews", "rows"}


def test_retention_counts_from_done_and_not_from_a_later_retry(line: Line) -> None:
    line.set_project(retention(originals="7 days"))
    line.installation.add_study("ACC1", n_series=1)
    batch = line.run("ACC1")
    finished = batch.finished

    line.work(later=8 * DAY)

    assert line.batch(batch.pk).finished == finished
    assert "originals" not in left(line, batch)


def test_originals_of_an_empty_batch_count_as_excluded(line: Line) -> None:
    line.installation.add_study("ACC1", modality="US", n_series=1)
    batch = line.run("ACC1")
    assert left(line, batch) == {"excluded", "rows"}

    line.work(later=31 * DAY)

    assert left(line, batch) == {"rows"}


def test_batch_that_ends_empty_keeps_nothing_that_a_killed_worker_left(line: Line) -> None:
    for file in line.installation.add_study("ACC1", n_series=1).rglob("*.dcm"):
        out_of_order(file)
    batch_id = line.hand_in("ACC1")
    runner = line.runner()
    while line.batch(batch_id).stage != Stage.DEIDENTIFY:
        runner.advance(batch_id)
    half = line.workspace.new(batch_id, 4711) / "half.dcm"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half a result")

    line.work()

    assert line.batch(batch_id).status == Status.EMPTY
    assert not half.exists()


def test_what_goes_is_decided_in_one_step_and_removed_in_the_next(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=1)
    batch_id = line.hand_in("ACC1")
    runner = line.runner()
    while line.batch(batch_id).stage != Stage.CLEAN_UP:
        runner.advance(batch_id)

    runner.advance(batch_id)
    decided = line.batch(batch_id)
    there = left(line, decided)
    runner.advance(batch_id)

    assert {what: entry["gone"] for what, entry in decided.removals.items()} == {
        "originals": None,
        "results": None,
        "identifiers": None,
    }
    assert {"originals", "results", "identifiers"} <= there
    assert not {"originals", "results", "identifiers"} & left(line, decided)
    assert all(entry["gone"] for entry in line.batch(batch_id).removals.values())


def test_nothing_goes_while_an_error_is_open(line: Line) -> None:
    folder = line.installation.add_study("ACC1", n_series=1)
    not_dicom(folder / "notes.txt")
    batch = line.run("ACC1")

    line.work(later=1000 * DAY)

    assert left(line, batch) >= {"originals", "results", "identifiers", "rows"}


class TestRejecting:
    def test_originals_come_back_under_their_own_paths(self, line: Line) -> None:
        folder = line.installation.add_study("ACC1", n_series=2)
        write_instance(folder / "deep/er/us.dcm", make_instance(modality="US", seed="us"))
        not_dicom(folder / "notes.txt")
        originals = tree(folder)
        batch = line.run("ACC1")
        delivered = tree(line.installation.out)

        machine.turn_down(batch.pk, reason="", now=line.clock)
        line.work()

        batch = line.batch(batch.pk)
        assert tree(line.err_folder("ACC1")) == originals
        assert [path.name for path in line.installation.inbox.iterdir()] == ["ACC1.err"]
        assert left(line, batch) == {"rows"}
        assert (batch.status, batch.stage, batch.has_error) == (Status.ERROR, "", False)
        assert not line.workspace.phi(batch.pk).exists()
        assert tree(line.installation.out) == delivered

    def test_new_folder_is_made_when_the_own_one_is_gone(self, line: Line) -> None:
        folder = line.installation.add_study("ACC1", n_series=1, AccessionNumber="", PatientID="")
        originals = tree(folder)
        batch = line.run("ACC1")
        assert (batch.status, batch.stage) == (Status.ERROR, Stage.IDENTIFY)

        machine.turn_down(batch.pk, reason="", now=line.clock)
        line.work()

        assert tree(line.err_folder("ACC1")) == originals
        assert [path.name for path in line.installation.inbox.iterdir()] == ["ACC1.err"]

    def test_folder_that_was_handed_in_again_is_left_alone(self, line: Line) -> None:
        folder = line.installation.add_study("ACC1", n_series=1)
        not_dicom(folder / "notes.txt")
        batch = line.run("ACC1")
        (line.err_folder("ACC1") / "notes.txt").unlink()
        (line.err_folder("ACC1")).rename(line.installation.root / "taken")

        machine.turn_down(batch.pk, reason="", now=line.clock)
        line.work()

        assert len(tree(line.err_folder("ACC1"))) == 3
        assert line.batch(batch.pk).stage == ""

    def test_inbox_that_is_gone_stops_it_once_and_retry_goes_on(self, line: Line) -> None:
        line.installation.add_study("ACC1", n_series=1, PatientID="")
        batch = line.run("ACC1")
        machine.turn_down(batch.pk, reason="", now=line.clock)
        elsewhere = line.installation.inbox.rename(line.installation.root / "elsewhere")

        line.work()

        assert line.batch(batch.pk).held == HELD_RETURN
        assert "The inbox is not there" in line.batch(batch.pk).errors[-1]["message"]
        elsewhere.rename(line.installation.inbox)
        machine.retry(batch.pk, target=None, now=line.clock)
        line.work()
        assert len(tree(line.err_folder("ACC1"))) == 3
        assert line.batch(batch.pk).stage == ""


class TestOptionalTarget:
    OPTIONAL = '[[targets]]\nname = "late"\nkind = "folder"\npath = "../late"\nrequired = false\n'

    def test_batch_is_done_without_it_and_results_wait_for_it(self, line: Line) -> None:
        line.set_project(PROJECT + self.OPTIONAL)
        late = line.installation.root / "late"
        late.write_text("in the way")
        line.installation.add_study("ACC1", n_series=1)

        batch = line.run("ACC1")

        assert (batch.status, batch.stage, batch.has_error) == (Status.DONE, "clean_up", False)
        assert [alert["target"] for alert in batch.alerts] == ["late"]
        assert left(line, batch) >= {"results"}
        assert "originals" not in left(line, batch)
        late.unlink()
        late.mkdir()
        if Delivery.objects.filter(state=DeliveryState.FAILED).exists():
            machine.retry(batch.pk, target="late", now=line.clock)
        line.work(later=timedelta(minutes=6))
        assert tree(late) == tree(line.installation.out)
        assert left(line, batch) == {"previews", "rows"}
        assert line.batch(batch.pk).stage == ""

    def test_it_may_stay_away_for_ever_without_being_an_error(self, line: Line) -> None:
        line.set_project(PROJECT + self.OPTIONAL)
        line.installation.root.joinpath("late").write_text("in the way")
        line.installation.add_study("ACC1", n_series=1)
        batch = line.run("ACC1")

        for _ in range(10):
            line.work(later=timedelta(minutes=6))

        batch = line.batch(batch.pk)
        assert (batch.status, batch.has_error) == (Status.DONE, False)
        assert left(line, batch) >= {"results"}
