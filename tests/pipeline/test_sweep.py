from datetime import timedelta

import pytest

from sendit.pipeline import machine
from sendit.pipeline.liveness import own_name
from sendit.pipeline.sweep import orphans, sweep
from sendit.terms import Stage, Status
from tests.pipeline.line import Line

pytestmark = pytest.mark.django_db


def claim(line: Line, batch_id: int, worker: str) -> machine.Claim | None:
    return machine.claim(
        batch_id,
        Stage.IMPORT,
        worker=worker,
        lease=timedelta(hours=1),
        tries=3,
        now=line.clock,
    )


def test_claims_of_the_dead_are_freed_and_those_of_the_living_are_not(line: Line) -> None:
    for name in ("ACC1", "ACC2", "ACC3"):
        line.installation.add_study(name, n_series=1, n_images=1)
    dead, alive, far = map(line.hand_in, ("ACC1", "ACC2", "ACC3"))
    machine_name, pid, _ = own_name().split(":")
    claim(line, dead, f"{machine_name}:{pid}:1")
    claim(line, alive, own_name())
    claim(line, far, "elsewhere/1:1:1")

    ready = sweep(line.configuration, now=line.clock)

    assert ready == [dead]


def test_working_folders_that_belong_to_no_batch_are_named_and_left_alone(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=1, PatientID="")
    batch = line.run("ACC1")
    stray = [line.workspace.phi(999), line.workspace.clean(998)]
    for folder in stray:
        folder.mkdir()

    assert orphans(line.workspace) == sorted(stray)
    assert line.workspace.phi(batch.pk).is_dir()
    assert all(folder.is_dir() for folder in stray)


def test_a_clock_that_was_a_day_ahead_delays_no_delivery_for_that_day(line: Line) -> None:
    for name in ("ACC1", "ACC2", "ACC3"):
        line.installation.add_study(
            name, n_series=1, n_images=1, StudyInstanceUID=f"2.25.{name[3:]}"
        )
    away = line.installation.out.with_suffix(".away")
    line.installation.out.rename(away)
    line.clock += timedelta(days=1)
    batches = [line.run(name) for name in ("ACC1", "ACC2", "ACC3")]
    away.rename(line.installation.out)
    line.clock -= timedelta(days=1)

    sweep(line.configuration, now=line.clock)
    line.work(later=timedelta(seconds=1))

    assert {line.batch(batch.pk).status for batch in batches} == {Status.DONE}
