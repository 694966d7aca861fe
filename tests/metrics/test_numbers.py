import tracemalloc
from datetime import timedelta

import pytest

from sendit.metrics.numbers import (
    batches_by_status,
    batches_on_their_way,
    gb_per_day,
    process_times,
)
from sendit.records.models import Batch
from sendit.terms import Stage, Status
from tests.support.batches import NOW, make_batch

pytestmark = pytest.mark.django_db


def test_rate_counts_what_became_done_in_the_last_days() -> None:
    make_batch("new", status=Status.DONE, bytes=7_000_000_000)
    make_batch("old", status=Status.DONE, bytes=9_000_000_000, finished=NOW - timedelta(days=8))
    make_batch("busy", status=Status.PROCESSING, stage=Stage.IDENTIFY, bytes=5_000_000_000)
    make_batch("empty", status=Status.EMPTY, bytes=5_000_000_000)

    assert gb_per_day(days=7, now=NOW + timedelta(hours=1)) == 1.0


def test_rate_goes_by_the_moment_and_not_by_the_hour() -> None:
    since = NOW - timedelta(days=1)
    moment = timedelta(microseconds=1)
    for number, at in enumerate(
        [since - moment, since, since + moment, since.replace(minute=59), since.replace(hour=11)]
    ):
        size = 10**number * 1_000_000_000
        make_batch(f"{number}", status=Status.DONE, bytes=size, finished=at)
    make_batch("x", status=Status.DONE, bytes=10**15, finished=since + moment, project="p2")

    assert gb_per_day(days=1, now=NOW, projects=["irb-1"]) == 11_100.0
    assert gb_per_day(days=1, now=NOW) == 1_011_100.0
    assert gb_per_day(days=1, now=NOW, projects=[]) == 0.0
    whole = NOW.replace(minute=0)
    assert gb_per_day(days=1, now=whole, projects=["irb-1"]) == 11_111.0


def test_rate_of_nothing_is_zero() -> None:
    assert gb_per_day(days=7, now=NOW) == 0.0


def test_batches_are_counted_by_status() -> None:
    make_batch("a", status=Status.DONE)
    make_batch("b", status=Status.DONE)
    make_batch("c", status=Status.EMPTY, n_images=0)
    make_batch("d", status=Status.PROCESSING, stage=Stage.IDENTIFY)

    counts = batches_by_status()

    assert (counts["DONE"], counts["EMPTY"], counts["PROCESSING"], counts["ERROR"]) == (2, 1, 1, 0)
    assert batches_on_their_way() == 1


def test_times_come_by_status_and_number_and_only_of_what_is_done() -> None:
    make_batch("b", status=Status.PROCESSING, stage=Stage.IDENTIFY)
    make_batch("a", status=Status.DONE, bytes=5_000_000)
    make_batch("c", status=Status.DONE)

    times = list(process_times(with_uid=True))

    assert [time.uid for time in times] == ["a", "c", "b"]
    assert times[0].size_mb == 5.0
    assert times[0].took == timedelta(minutes=2)
    assert (times[2].size_mb, times[2].took) == (None, None)


def test_uid_is_not_read_unless_asked_for() -> None:
    make_batch("secret", status=Status.DONE)

    assert next(process_times(with_uid=False)).uid == ""


def test_export_takes_no_more_memory_for_more_batches() -> None:
    some = make_batch("some", status=Status.DONE)
    Batch.objects.bulk_create(
        Batch(
            project=some.project,
            profile=some.profile,
            uid="u",
            uid_digest=f"digest {number}",
            folder="f",
            folder_key="1:2",
            inbox="/inbox",
            status=Status.DONE,
        )
        for number in range(20_000)
    )

    tracemalloc.start()
    lines = sum(1 for _ in process_times(with_uid=False))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert lines == 20_001
    assert most < 3_000_000
