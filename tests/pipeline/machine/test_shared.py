from datetime import timedelta

import pytest
from django.db import connection

from sendit.errors import BatchStopped, DiskFull, LeaseLost, VolumeMissing
from sendit.pipeline import machine
from sendit.pipeline.machine import NewFinding
from sendit.pipeline.machine.table import HELD_PERSON
from sendit.records.models import Batch, Finding, Image
from sendit.terms import Reason, Stage, Status, Verdict
from tests.pipeline.machine.rows import (
    LAPSED,
    LEASE,
    NOW,
    TRIES,
    batch_at,
    finish,
    take_images,
)
from tests.pipeline.machine.test_claims import in_threads

pytestmark = pytest.mark.usefixtures("database")


def states(batch: Batch) -> list[tuple[int, str, str]]:
    return list(batch.images.order_by("nr").values_list("nr", "status", "verdict"))


def test_images_are_claimed_in_chunks_in_their_order() -> None:
    batch = batch_at(Stage.DEIDENTIFY, images=5)

    first = take_images(batch, worker="a:1:1", chunk=3)
    second = take_images(batch, worker="b:2:2", chunk=3)

    assert first is not None
    assert second is not None
    numbers = [Image.objects.get(pk=pk).nr for pk in first.image_ids + second.image_ids]
    assert numbers == [1, 2, 3, 4, 5]
    assert take_images(batch, worker="c:3:3") is None
    assert set(batch.images.values_list("status", flat=True)) == {Status.PROCESSING}


def test_claim_takes_no_more_than_its_chunk_whatever_the_database_plans(database: str) -> None:
    batch = batch_at(Stage.DEIDENTIFY, images=8)
    if database == "postgresql":  # it may then ask anew for each row
        with connection.cursor() as cursor:
            for step in ("hashjoin", "mergejoin", "material", "memoize", "hashagg", "sort"):
                cursor.execute(f"SET enable_{step} = off")

    claim = take_images(batch, chunk=3)

    assert claim is not None
    assert len(claim.image_ids) == 3
    assert batch.images.filter(status=Status.PROCESSING).count() == 3


def test_many_workers_share_out_the_images_without_overlap() -> None:
    batch = batch_at(Stage.DEIDENTIFY, images=40)

    claims = in_threads(5, lambda nr: take_images(batch, worker=f"w:{nr}:1", chunk=7))

    taken = [pk for claim in claims if claim for pk in claim.image_ids]
    assert len(taken) == len(set(taken))
    assert len(taken) >= 7


def test_results_are_written_and_the_claim_is_over() -> None:
    batch = batch_at(Stage.DEIDENTIFY, images=2)
    claim = take_images(batch)
    assert claim is not None

    finish(claim, sha256="aa", patient_id="P1", report={"actions": {"X": 3}})

    image = batch.images.first()
    assert (image.status, image.lease_token, image.lease_until) == (Status.DONEPROCESSING, "", None)
    assert (image.sha256, image.patient_id, image.report) == ("aa", "P1", {"actions": {"X": 3}})
    assert batch.runs.get(stage=Stage.DEIDENTIFY).outcome == "done"


def test_what_was_done_is_written_in_one_order_whatever_was_done_first() -> None:
    batch = batch_at(Stage.DEIDENTIFY, images=2)
    for actions in ({"X": 3, "C": 1}, {"C": 1, "X": 3}):
        claim = take_images(batch, chunk=1)
        assert claim is not None
        finish(claim, report={"actions": actions})

    with connection.cursor() as cursor:
        cursor.execute("SELECT CAST(report AS text) FROM records_image")
        written = cursor.fetchall()

    assert len(written) == 2
    assert len(set(written)) == 1


def test_stale_holder_of_one_image_of_a_chunk_writes_none_of_it() -> None:
    batch = batch_at(Stage.DEIDENTIFY, images=3)
    stale = take_images(batch)
    assert stale is not None
    other = take_images(batch, worker="x:2:2", now=LAPSED)
    assert other is not None
    assert len(other.image_ids) == 1
    before = list(batch.images.order_by("pk").values())

    for write in (
        lambda: finish(stale, now=LAPSED, sha256="stale"),
        lambda: machine.renew(stale, now=LAPSED),
        lambda: machine.fail(stale, BatchStopped("no"), tries=TRIES, now=LAPSED),
        lambda: machine.fail(stale, DiskFull("full"), tries=TRIES, now=LAPSED),
    ):
        with pytest.raises(LeaseLost):
            write()

    assert list(batch.images.order_by("pk").values()) == before
    batch.refresh_from_db()
    assert (batch.status, batch.attempts, batch.errors) == (Status.PROCESSING, 0, [])


@pytest.mark.parametrize("tries_of_batch", range(2 * TRIES))
def test_full_disk_gives_the_images_back_without_counting(tries_of_batch: int) -> None:
    batch = batch_at(Stage.DEIDENTIFY, images=2)
    now = NOW

    for _ in range(tries_of_batch + 1):
        claim = take_images(batch, now=now)
        assert claim is not None
        assert len(claim.image_ids) == 2
        machine.fail(claim, VolumeMissing("gone"), tries=TRIES, now=now)
        batch.refresh_from_db()
        assert batch.retry_at is not None
        now = batch.retry_at

    assert set(batch.images.values_list("status", "attempts")) == {(Status.NEW, 0)}
    assert (batch.attempts, batch.has_error) == (0, False)


def test_poison_image_is_rejected_and_uses_up_nobody_elses_tries() -> None:
    batch = batch_at(Stage.DEIDENTIFY, images=4)
    poison = batch.images.get(nr=2).pk
    now, deaths = NOW, 0

    while (claim := take_images(batch, now=now)) is not None:
        if poison in claim.image_ids:
            deaths += 1
            now += LEASE + timedelta(seconds=1)
        else:
            assert len(claim.image_ids) == 1
            finish(claim, now=now)
    assert machine.settle(batch.pk, now=now)

    assert deaths == TRIES
    assert [(nr, verdict) for nr, _, verdict in states(batch)] == [
        (1, Verdict.ACCEPTED),
        (2, Verdict.REJECTED),
        (3, Verdict.ACCEPTED),
        (4, Verdict.ACCEPTED),
    ]
    assert batch.images.get(nr=2).reason == Reason.CRASHED
    assert set(batch.images.exclude(nr=2).values_list("attempts", flat=True)) == {2}
    batch.refresh_from_db()
    assert (batch.stage, batch.has_error) == (Stage.SEND, True)
    assert batch.errors[0]["image"] == poison


def test_image_that_is_stuck_each_time_is_rejected_as_timed_out() -> None:
    batch = batch_at(Stage.DEIDENTIFY, images=1)

    for _ in range(TRIES):
        assert take_images(batch) is not None
        machine.release_claims("w:1:1", now=NOW, stuck=True)
    assert take_images(batch) is None

    assert batch.images.get().reason == Reason.TIMED_OUT
    batch.refresh_from_db()
    assert [entry["code"] for entry in batch.errors] == ["TIMED_OUT"]


def test_image_that_succeeds_after_a_stuck_worker_carries_no_reason() -> None:
    batch = batch_at(Stage.DEIDENTIFY, images=1)
    take_images(batch)
    machine.release_claims("w:1:1", now=NOW, stuck=True)

    claim = take_images(batch)
    assert claim is not None
    finish(claim)

    assert batch.images.get().reason == ""


def test_exactly_one_of_many_settles() -> None:
    batch = batch_at(Stage.DEIDENTIFY, images=3)
    claim = take_images(batch)
    assert claim is not None
    assert not machine.settle(batch.pk, now=NOW)
    finish(claim)

    settled = in_threads(6, lambda _: machine.settle(batch.pk, now=NOW))

    assert sorted(settled) == [False] * 5 + [True]
    batch.refresh_from_db()
    assert (batch.stage, batch.status) == (Stage.SEND, Status.DONEPROCESSING)


@pytest.mark.parametrize(
    ("verdict", "stage", "status", "held"),
    [
        (Verdict.REJECTED, Stage.CLEAN_UP, Status.EMPTY, HELD_PERSON),
        (Verdict.EXCLUDED, Stage.CLEAN_UP, Status.EMPTY, ""),
        (Verdict.HELD, Stage.DEIDENTIFY, Status.PROCESSING, HELD_PERSON),
    ],
)
def test_batch_without_a_result_says_why_it_rests(
    verdict: Verdict, stage: Stage, status: Status, held: str
) -> None:
    batch = batch_at(Stage.DEIDENTIFY, images=2)
    claim = take_images(batch)
    assert claim is not None
    severity = Finding.ERROR if verdict is Verdict.REJECTED else Finding.ALERT
    finding = NewFinding("X", "what", Stage.DEIDENTIFY, severity, image_id=claim.image_ids[0])
    machine.finish_images(
        claim,
        [machine.ImageResult(pk, verdict) for pk in claim.image_ids],
        elements=[],
        findings=[finding],
        now=NOW,
    )

    assert machine.settle(batch.pk, now=NOW)

    batch.refresh_from_db()
    assert (batch.stage, batch.status, batch.held) == (stage, status, held)
    assert not machine.settle(batch.pk, now=NOW)


def test_project_that_stops_on_a_bad_image_stops_its_batch() -> None:
    batch = batch_at(Stage.DEIDENTIFY, images=2, on_bad_image="stop")
    claim = take_images(batch)
    assert claim is not None
    good, bad = claim.image_ids
    machine.finish_images(
        claim,
        [
            machine.ImageResult(good, Verdict.ACCEPTED, file="x"),
            machine.ImageResult(bad, Verdict.REJECTED, Reason.UNSUPPORTED),
        ],
        elements=[],
        findings=[NewFinding(Reason.UNSUPPORTED, "no", Stage.DEIDENTIFY, image_id=bad)],
        now=NOW,
    )

    machine.settle(batch.pk, now=NOW)

    batch.refresh_from_db()
    assert (batch.stage, batch.status) == (Stage.DEIDENTIFY, Status.ERROR)
    machine.accept(batch.pk, reason="", now=NOW)
    assert machine.settle(batch.pk, now=NOW)
    batch.refresh_from_db()
    assert (batch.stage, batch.status) == (Stage.SEND, Status.DONEPROCESSING)


def test_image_unreadable_after_import_is_counted_once() -> None:
    batch = batch_at(Stage.DEIDENTIFY, images=1)
    claim = take_images(batch)
    assert claim is not None

    machine.finish_images(
        claim,
        [machine.ImageResult(claim.image_ids[0], Verdict.REJECTED, Reason.MALFORMED)],
        elements=[],
        findings=[
            NewFinding(Reason.MALFORMED, "no", Stage.DEIDENTIFY, image_id=claim.image_ids[0])
        ],
        now=NOW,
    )

    batch.refresh_from_db()
    assert (batch.unreadable, batch.has_error) == (0, True)
