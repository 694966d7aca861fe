"""Which service names a project's patients, for how long, and when results leave."""

from datetime import date, timedelta

import pytest

from sendit.errors import ConfigurationInvalid
from sendit.records.ledger_tables import IdentityHistory, LedgerUid
from sendit.records.models import Batch, Image
from sendit.records.provider import require_all_same
from sendit.terms import Status
from tests.pipeline.line import Line
from tests.support.installation import PROJECT

LEDGER = PROJECT.replace("[identity]", '[identity]\nkind = "ledger"')


def test_another_service_on_a_project_with_history_is_refused(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=1)
    assert line.run("ACC1").status == Status.DONE

    line.set_project(LEDGER)
    line.installation.add_study("ACC2", n_series=1)
    batch = line.run("ACC2")

    assert (batch.status, batch.stage) == (Status.ERROR, "identify")
    assert 'named patients by identity.kind = "keyed"' in batch.errors[-1]["message"]
    with pytest.raises(ConfigurationInvalid, match="second name"):
        require_all_same(line.configuration.projects.values())
    assert IdentityHistory.objects.get().kind == "keyed"


def test_a_namespace_is_named_by_one_kind_of_service(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=1)
    line.run("ACC1")
    other = LEDGER.replace("[identity]", '[identity]\nnamespace = "demo"')
    line.installation.write_project(other, name="other")

    with pytest.raises(ConfigurationInvalid, match="in project demo"):
        require_all_same(line.installation.configuration().projects.values())


def test_names_in_the_ledger_are_not_derived_anew(line: Line) -> None:
    line.set_project(LEDGER)
    line.installation.add_study("ACC1", n_series=1)
    line.run("ACC1")
    IdentityHistory.objects.all().delete()

    line.set_project(PROJECT)

    with pytest.raises(ConfigurationInvalid, match="has names in the ledger"):
        require_all_same(line.configuration.projects.values())


def test_two_patients_of_one_folder_are_named_each_by_their_own_answer(line: Line) -> None:
    line.set_project(LEDGER)
    folder = line.installation.add_study("ACC1", n_series=1, PatientID="CANARY-1")
    more = line.installation.add_study("ACC2", n_series=1, PatientID="CANARY-2")
    more.rename(folder / "more")

    assert line.run("ACC1").status == Status.DONE

    names = set(Image.objects.values_list("patient_id", flat=True))
    assert len(names) == 2


def test_a_study_that_comes_years_later_moves_by_the_same_days(line: Line) -> None:
    line.set_project(LEDGER)
    for name, day in (("ACC1", "20100601"), ("ACC2", "20190601")):
        line.installation.add_study(name, n_series=1, StudyDate=day)
        assert line.run(name).status == Status.DONE

    days = Image.objects.values_list("batch", "study_date").distinct().order_by("batch")
    first, second = (date.fromisoformat(day) for _, day in days)
    assert second - first == date(2019, 6, 1) - date(2010, 6, 1)
    assert first != date(2010, 6, 1)


@pytest.mark.parametrize(
    "other",
    [
        "shift_days = [-900, -800]",
        "whole_weeks = true",
        "by_issuer = true",
        'same_patient = ["case", "leading-zeros"]',
    ],
)
def test_what_would_move_or_name_a_known_patient_otherwise_is_refused(
    line: Line, other: str
) -> None:
    line.installation.add_study("ACC1", n_series=1)
    assert line.run("ACC1").status == Status.DONE

    line.set_project(PROJECT.replace("[identity]", f"[identity]\n{other}"))
    line.installation.add_study("ACC2", n_series=1, StudyDate="20190601")
    batch = line.run("ACC2")

    assert (batch.status, batch.stage) == (Status.ERROR, "identify")
    assert "second names or shifts" in batch.errors[-1]["message"]
    with pytest.raises(ConfigurationInvalid, match="second names or shifts"):
        require_all_same(line.configuration.projects.values())


def test_a_ledger_draws_days_once_so_that_its_range_is_free(line: Line) -> None:
    line.set_project(LEDGER)
    line.installation.add_study("ACC1", n_series=1, StudyDate="20100601")
    assert line.run("ACC1").status == Status.DONE

    line.set_project(LEDGER.replace("[identity]", "[identity]\nshift_days = [800, 900]"))
    line.installation.add_study("ACC2", n_series=1, StudyDate="20100601")

    assert line.run("ACC2").status == Status.DONE
    assert len(set(Image.objects.values_list("study_date", flat=True))) == 1


def test_uids_are_kept_where_the_project_says_so(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=1, n_images=2)
    line.run("ACC1")
    assert not LedgerUid.objects.exists()

    line.set_project(PROJECT.replace("[identity]", "[identity]\nkeep_uids = true"))
    line.installation.add_study("ACC2", n_series=1, n_images=2)
    batch = line.run("ACC2")

    images = Image.objects.filter(batch=batch)
    kept = set(LedgerUid.objects.values_list("new_uid", flat=True))
    assert kept == {
        *images.values_list("sop_instance_uid", flat=True),
        *images.values_list("series_instance_uid", flat=True),
        *images.values_list("study_instance_uid", flat=True),
    }


def test_results_wait_a_random_time_where_the_project_says_so(line: Line) -> None:
    line.set_project('hold_releases = "20 days"\n' + PROJECT)
    waits = []
    for number in range(4):
        line.installation.add_study(f"ACC{number}", n_series=1)
        batch = line.run(f"ACC{number}")
        assert batch.status == Status.DONEPROCESSING
        assert batch.due_at is not None
        waits.append(batch.due_at - batch.created)
    assert not line.installation.delivered()
    assert not Batch.objects.admitted().exists()
    assert len(set(waits)) == 4
    assert all(timedelta(0) <= wait <= timedelta(days=20) for wait in waits)

    line.work(later=timedelta(days=21))

    assert {batch.status for batch in Batch.objects.all()} == {Status.DONE}
