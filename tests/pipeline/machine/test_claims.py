from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import TypeVar

import pytest
from django.db import connection

from sendit.errors import (
    BatchStopped,
    DiskFull,
    Interrupted,
    LeaseLost,
    SenditError,
    TargetUnavailable,
    VolumeMissing,
)
from sendit.pipeline import machine
from sendit.pipeline.machine import Event
from sendit.pipeline.machine.claims import FIRST_DELAY, LONGEST_DELAY
from sendit.records.models import Batch, StageRun
from sendit.terms import Stage, Status
from tests.pipeline.machine.rows import (
    LAPSED,
    LEASE,
    NOW,
    TRIES,
    batch_at,
    make_batch,
    take,
    try_to_take,
)

pytestmark = pytest.mark.usefixtures("database")
T = TypeVar("T")


def in_threads(number: int, work: Callable[[int], T]) -> list[T]:
    """Run the same thing in several threads, let go at once, each with its own connection."""
    start = Barrier(number)

    def one(nr: int) -> T:
        start.wait()
        try:
            return work(nr)
        finally:
            connection.close()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number)))


def test_of_many_who_claim_at_once_one_gets_it() -> None:
    batch = batch_at(Stage.IMPORT)

    claims = in_threads(6, lambda nr: try_to_take(batch, Stage.IMPORT, worker=f"w:{nr}:1"))

    assert sum(claim is not None for claim in claims) == 1
    assert StageRun.objects.count() == 1


def test_queued_batch_is_not_claimed() -> None:
    batch = make_batch()

    assert try_to_take(batch, Stage.IMPORT) is None


def test_stage_that_the_batch_does_not_stand_at_is_not_claimed() -> None:
    batch = batch_at(Stage.IDENTIFY)

    assert try_to_take(batch, Stage.IMPORT) is None
    assert try_to_take(batch, Stage.SEND) is None


def test_lease_that_lapsed_goes_to_the_next_and_the_run_is_lost() -> None:
    batch = batch_at(Stage.IMPORT)
    take(batch, Stage.IMPORT)

    too_early = try_to_take(batch, Stage.IMPORT, worker="x:2:2", now=NOW + LEASE)
    claim = take(batch, Stage.IMPORT, worker="x:2:2", now=LAPSED)

    assert too_early is None
    assert claim.token.startswith("x:2:2:")
    assert list(StageRun.objects.order_by("pk").values_list("outcome", "attempt")) == [
        ("lost", 1),
        ("", 2),
    ]


@pytest.mark.parametrize(
    "write",
    [
        lambda claim: machine.move(claim, Event.IMPORTED, now=LAPSED),
        lambda claim: machine.renew(claim, now=LAPSED),
        lambda claim: machine.fail(claim, BatchStopped("no"), tries=TRIES, now=LAPSED),
        lambda claim: machine.fail(claim, DiskFull("full"), tries=TRIES, now=LAPSED),
        lambda claim: machine.delivery_moved(claim, "out0", "sent", now=LAPSED),
        lambda claim: machine.mark_sent(claim, now=LAPSED),
        lambda claim: machine.put_off(claim, LAPSED + LEASE, now=LAPSED),
    ],
    ids=["move", "renew", "give up", "try again", "delivery", "sent", "put off"],
)
def test_who_lost_the_lease_writes_nothing(write: Callable[[machine.Claim], None]) -> None:
    batch = batch_at(Stage.IMPORT)
    stale = take(batch, Stage.IMPORT)
    take(batch, Stage.IMPORT, worker="x:2:2", now=LAPSED)
    before = (Batch.objects.values().get(), list(batch.images.values()))

    with pytest.raises(LeaseLost):
        write(stale)

    assert (Batch.objects.values().get(), list(batch.images.values())) == before
    assert not batch.findings.exists()


def test_renewal_keeps_the_lease() -> None:
    batch = batch_at(Stage.IMPORT)
    claim = take(batch, Stage.IMPORT)

    machine.renew(claim, now=NOW + LEASE)

    assert try_to_take(batch, Stage.IMPORT, now=LAPSED) is None


def test_move_ends_the_claim_and_the_run() -> None:
    batch = batch_at(Stage.IMPORT)

    machine.move(take(batch, Stage.IMPORT), Event.IMPORTED, now=NOW)

    batch.refresh_from_db()
    assert (batch.stage, batch.status) == (Stage.IDENTIFY, Status.PROCESSING)
    assert (batch.lease_token, batch.lease_until, batch.attempts) == ("", None, 0)
    assert batch.runs.get().outcome == "done"


def test_batch_that_kills_its_worker_each_time_is_given_up() -> None:
    batch = batch_at(Stage.IMPORT)
    now = NOW
    for _ in range(TRIES):
        take(batch, Stage.IMPORT, now=now)
        now += LEASE + timedelta(seconds=1)

    assert try_to_take(batch, Stage.IMPORT, now=now) is None

    batch.refresh_from_db()
    assert (batch.status, batch.stage, batch.has_error) == (Status.ERROR, Stage.IMPORT, True)
    assert [entry["code"] for entry in batch.errors] == ["CRASHED"]
    assert batch.runs.order_by("pk").last().outcome == "failed"
    assert try_to_take(batch, Stage.IMPORT, now=now + LEASE) is None


def test_delivered_batch_whose_clean_up_kills_its_worker_stays_done_and_is_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    batch = batch_at(Stage.CLEAN_UP)
    finished = batch.finished
    now = NOW
    for _ in range(TRIES):
        take(batch, Stage.CLEAN_UP, now=now)
        now += LEASE + timedelta(seconds=1)

    assert try_to_take(batch, Stage.CLEAN_UP, now=now) is None

    batch.refresh_from_db()
    assert (batch.status, batch.stage, batch.has_error) == (Status.DONE, Stage.CLEAN_UP, False)
    assert (batch.finished, batch.errors, batch.lease_token) == (finished, [], "")
    assert batch.retry_at == now + LONGEST_DELAY
    last = batch.runs.order_by("pk").last()
    assert (last.outcome, last.code) == ("failed", "CRASHED")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert f"clean_up of batch {batch.pk}" in caplog.text
    assert try_to_take(batch, Stage.CLEAN_UP, now=now) is None
    for _ in range(TRIES):
        take(batch, Stage.CLEAN_UP, now=now + LONGEST_DELAY)
        now += LEASE + timedelta(seconds=1)


def test_retryable_error_is_tried_again_with_growing_delay_and_then_given_up() -> None:
    batch = batch_at(Stage.SEND)
    error = TargetUnavailable("out0 did not answer")
    now, delays = NOW, []

    for _ in range(TRIES):
        machine.fail(take(batch, Stage.SEND, now=now), error, tries=TRIES, now=now)
        batch.refresh_from_db()
        if batch.retry_at is None:
            break
        assert try_to_take(batch, Stage.SEND, now=batch.retry_at - timedelta(seconds=1)) is None
        delays.append(batch.retry_at - now)
        now = batch.retry_at

    assert delays == [FIRST_DELAY, FIRST_DELAY * 4]
    assert (batch.status, batch.stage) == (Status.ERROR, Stage.SEND)
    assert [entry["code"] for entry in batch.errors] == ["TARGET_UNAVAILABLE"]


def test_delay_has_an_end() -> None:
    batch = batch_at(Stage.SEND)
    Batch.objects.filter(pk=batch.pk).update(attempts=40)
    claim = machine.claim(batch.pk, Stage.SEND, worker="w:1:1", lease=LEASE, tries=99, now=NOW)
    assert claim is not None

    machine.fail(claim, TargetUnavailable("away"), tries=99, now=NOW)

    batch.refresh_from_db()
    assert batch.retry_at == NOW + LONGEST_DELAY


@pytest.mark.parametrize("error", [DiskFull("full"), VolumeMissing("gone"), Interrupted("stop")])
def test_what_is_not_the_batchs_fault_uses_up_no_try(error: SenditError) -> None:
    batch = batch_at(Stage.IMPORT)
    now = NOW

    for _ in range(3 * TRIES):
        machine.fail(take(batch, Stage.IMPORT, now=now), error, tries=TRIES, now=now)
        batch.refresh_from_db()
        now = batch.retry_at or now

    assert (batch.status, batch.attempts, batch.has_error) == (Status.NEW, 0, False)


def test_interrupted_stage_may_be_taken_at_once() -> None:
    batch = batch_at(Stage.IMPORT)

    machine.fail(take(batch, Stage.IMPORT), Interrupted("stop"), tries=TRIES, now=NOW)

    assert try_to_take(batch, Stage.IMPORT) is not None


def test_final_error_stops_at_once_and_names_the_target() -> None:
    batch = batch_at(Stage.SEND)
    error = TargetUnavailable("out0 did not answer")
    error.target = "out0"
    now = NOW

    machine.fail(take(batch, Stage.SEND, now=now), error, tries=1, now=now)

    batch.refresh_from_db()
    assert batch.status == Status.ERROR
    assert batch.errors[0]["target"] == "out0"


def test_put_off_stage_is_due_at_its_time_with_all_its_tries() -> None:
    batch = batch_at(Stage.CLEAN_UP)
    until = NOW + timedelta(days=7)

    machine.put_off(take(batch, Stage.CLEAN_UP), until, now=NOW)

    batch.refresh_from_db()
    assert (batch.attempts, batch.due_at, batch.lease_token) == (0, until, "")
    assert try_to_take(batch, Stage.CLEAN_UP, now=until - timedelta(seconds=1)) is None
    assert try_to_take(batch, Stage.CLEAN_UP, now=until) is not None


def test_claims_of_a_dead_worker_are_free_at_once_and_those_of_others_are_not() -> None:
    mine, other = batch_at(Stage.IMPORT), batch_at(Stage.IMPORT)
    take(mine, Stage.IMPORT, worker="w:1:1")
    take(other, Stage.IMPORT, worker="w:1:11")

    machine.release_claims("w:1:1", now=NOW)

    assert [run.outcome for run in (mine.runs.get(), other.runs.get())] == ["lost", ""]
    assert try_to_take(mine, Stage.IMPORT) is not None
    assert try_to_take(other, Stage.IMPORT) is None


def test_forgotten_batch_leaves_no_row() -> None:
    batch = batch_at(Stage.CLEAN_UP, images=2)

    machine.move(take(batch, Stage.CLEAN_UP), Event.FORGOTTEN, now=NOW)

    assert not Batch.objects.exists()
    assert not StageRun.objects.exists()
