"""What is kept of each hour is what summing finds, whatever happened."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from sendit.pipeline import machine
from sendit.records import counting, hours
from sendit.records.counting import COUNTS
from sendit.records.hours import HOURS, kept_hours, put_together
from sendit.records.kept import KeptSums
from sendit.records.models import Batch, HourCount, StageRun
from sendit.terms import Stage, Status
from tests.pipeline.machine.rows import NOW, WAY, make_batch, pass_stage
from tests.pipeline.machine.test_claims import in_threads
from tests.pipeline.machine.test_counts import go_on

pytestmark = pytest.mark.usefixtures("database")

Found = Counter[tuple[str, datetime, str]]


def summed() -> Found:
    """Sum what there is, without the database's help."""
    found: Found = Counter()
    for batch in Batch.objects.filter(status=Status.DONE):
        assert batch.finished is not None
        key = batch.project, batch.finished.replace(minute=0, second=0, microsecond=0)
        found += Counter({(*key, "batches"): 1, (*key, "bytes"): batch.bytes})
    for run in StageRun.objects.filter(stage=Stage.DEIDENTIFY).exclude(ended=None):
        assert run.ended is not None
        hour = run.ended.replace(minute=0, second=0, microsecond=0)
        found[run.batch.project, hour, "images"] += run.images
    return +found


def kept() -> Found:
    found: Found = Counter()
    for row in HourCount.objects.all():
        for what in ("batches", "bytes", "images"):
            found[row.project, row.hour, what] += getattr(row, what)
    assert min(found.values(), default=0) >= 0
    return +found


def finish(batch: Batch) -> None:
    """Take a batch all the way."""
    machine.admit(batch.pk, now=NOW)
    for stage in WAY:
        pass_stage(batch, stage, WAY[stage])


def do_something(chance: random.Random, *, now: datetime) -> None:
    """Let a batch come, go, go on, or be other than it was."""
    batch = chance.choice([None, *Batch.objects.order_by("pk")])
    if batch is None:
        make_batch(images=chance.randint(1, 3)).images.update(size=chance.randint(1, 10**10))
    elif chance.random() < 0.1:
        Batch.objects.filter(pk=batch.pk).update(bytes=chance.randint(0, 10**12))
    elif chance.random() < 0.1:
        batch.delete()
    elif chance.random() < 0.1 and batch.status == Status.DONE:
        Batch.objects.filter(pk=batch.pk).update(finished=now)
    else:
        go_on(batch, chance, now=now)


@pytest.mark.parametrize("seed", range(4))
def test_hours_are_right_after_any_history(seed: int) -> None:
    chance = random.Random(seed)
    most: Found = Counter()

    for _ in range(150):
        with transaction.atomic():
            do_something(chance, now=NOW + timedelta(minutes=chance.randint(0, 180)))
            # As when whoever does it dies before the end.
            transaction.set_rollback(chance.random() < 0.2)
        if chance.random() < 0.2:
            put_together(few=3)
        assert kept() == summed()
        most |= kept()

    assert {what for *_, what in most} == {"batches", "bytes", "images"}
    assert len({hour for _, hour, _ in most}) > 2
    assert HOURS.are_right()


def test_hours_are_right_while_many_write_and_some_put_them_together() -> None:
    def write(number: int) -> None:
        for _ in range(4):
            if number == 0:
                put_together(few=2)
            elif number == 1:
                HOURS.sum_anew()
            else:
                batch = make_batch(images=2)
                batch.images.update(size=7)
                finish(batch)

    in_threads(6, write)

    assert kept() == summed()
    put_together(few=0)
    assert list(kept_hours(["demo"]).values_list("batches", "bytes", "images", "is_sum")) == [
        (16, 16 * 14, 32, True)
    ]
    assert HOURS.are_right()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("sums", "put_together"),
    [(COUNTS, counting.put_together), (HOURS, hours.put_together)],
    ids=["counts", "hours"],
)
def test_who_puts_together_waits_for_who_does_so_and_no_writer_does(
    sums: KeptSums, put_together: Callable[..., None]
) -> None:
    def with_little_patience(_: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '20ms'")
        finish(make_batch())
        for work in (lambda: put_together(few=0), sums.sum_anew):
            with pytest.raises(OperationalError, match="lock timeout"):
                work()

    with transaction.atomic():
        sums.keep_out_others()
        in_threads(1, with_little_patience)

    assert Batch.objects.get().status == Status.DONE
    assert sums.are_right()


def test_sums_of_years_are_left_alone_when_new_rows_are_put_together() -> None:
    HourCount.objects.bulk_create(
        HourCount(project="demo", hour=NOW - timedelta(hours=n), batches=1, bytes=2, images=3,
                  is_sum=True)
        for n in range(2000)
    )  # fmt: skip
    put_together(few=10)
    added = {"project": "demo", "hour": NOW, "batches": 1, "bytes": 1, "images": 1}
    HourCount.objects.bulk_create(HourCount(**added, is_sum=False) for _ in range(11))
    before = set(HourCount.objects.exclude(hour=NOW).values_list("pk", flat=True))

    put_together(few=10)

    assert set(HourCount.objects.exclude(hour=NOW).values_list("pk", flat=True)) == before
    assert list(kept_hours(None).filter(hour=NOW).values_list("batches", "bytes", "images")) == [
        (12, 13, 14)
    ]
    assert list(kept_hours(["another"])) == list(kept_hours([])) == []


def test_hours_that_are_wrong_are_noticed_and_summed_anew() -> None:
    finish(make_batch())
    HourCount.objects.update(images=5)
    assert not HOURS.are_right()

    HOURS.sum_anew()

    assert HOURS.are_right()
    assert list(HourCount.objects.values_list("hour", "images", "is_sum")) == [(NOW, 1, True)]


def test_a_session_in_another_time_zone_adds_to_the_same_hour(database: str) -> None:
    if database == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'Asia/Kathmandu'")
    try:
        batch = make_batch()
        Batch.objects.filter(pk=batch.pk).update(
            status=Status.DONE, stage="", finished=datetime(2026, 5, 4, 10, 59, 59, tzinfo=UTC)
        )
        assert HOURS.are_right()
    finally:
        connection.close()

    assert HourCount.objects.get().hour == NOW


def test_what_went_through_before_the_upgrade_is_summed() -> None:
    finish(make_batch())
    MigrationExecutor(connection).migrate([("records", "0014_batch_counts")])
    finish(make_batch())

    call_command("migrate", interactive=False, verbosity=0)

    assert list(HourCount.objects.values_list("batches", "images", "is_sum")) == [(2, 2, True)]
    assert kept() == summed()
    finish(make_batch())
    assert kept() == summed()
