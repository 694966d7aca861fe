from datetime import UTC, datetime, timedelta, timezone

import pytest

from sendit.metrics.remedies import OTHERWISE, REMEDIES, remedy
from sendit.metrics.throughput import by_day, by_hour
from sendit.records.models import StageRun
from sendit.terms import OUTCOME_OF, Outcome, Reason, Stage, Status
from tests.support.batches import NOW, make_batch


@pytest.mark.django_db
def test_bytes_are_added_up_by_the_day_they_were_done() -> None:
    make_batch("a", status=Status.DONE, finished=NOW, bytes=10)
    make_batch("b", status=Status.DONE, finished=NOW - timedelta(days=2, hours=10, minutes=14))
    make_batch("c", status=Status.DONE, finished=NOW - timedelta(days=3), bytes=99)
    make_batch("d", status=Status.ERROR, stage=Stage.SEND, finished=NOW)
    make_batch("e", status=Status.DONE, finished=NOW - timedelta(minutes=1), bytes=1)

    days = by_day(None, days=3, now=NOW)

    assert [(str(day.day), day.size, day.batches) for day in days] == [
        ("2026-05-02", 2 * 39_206, 1),
        ("2026-05-03", 0, 0),
        ("2026-05-04", 11, 2),
    ]


@pytest.mark.django_db
def test_a_day_begins_and_ends_in_utc_and_holds_what_one_may_see() -> None:
    last = datetime(2026, 5, 3, 23, 59, 59, 999_999, tzinfo=UTC)
    make_batch("a", status=Status.DONE, finished=last, bytes=1)
    make_batch("b", status=Status.DONE, finished=last + timedelta(microseconds=1), bytes=2)
    make_batch("c", status=Status.DONE, finished=last, bytes=4, project="p2")
    far = last.astimezone(timezone(timedelta(hours=5, minutes=45)))
    make_batch("d", status=Status.DONE, finished=far, bytes=8)

    assert [day.size for day in by_day(None, days=2, now=NOW)] == [13, 2]
    assert [day.size for day in by_day(["irb-1"], days=2, now=NOW)] == [9, 2]
    assert [day.size for day in by_day([], days=2, now=NOW)] == [0, 0]


@pytest.mark.django_db
def test_images_are_added_up_by_the_hour_their_run_ended() -> None:
    batch = make_batch("a", status=Status.QUEUE, stage=Stage.IMPORT, n_images=0)
    other = make_batch("b", status=Status.QUEUE, stage=Stage.IMPORT, n_images=0, project="p2")
    for hours, images, whose in ((0, 5, batch), (1, 7, batch), (1, 1, other), (9, 99, batch)):
        ended = datetime(2026, 5, 4, 10, 1, tzinfo=UTC) - timedelta(hours=hours)
        StageRun.objects.create(
            batch=whose, stage=Stage.DEIDENTIFY, worker="w", attempt=1, images=images,
            started=ended, ended=ended,
        )  # fmt: skip

    assert [hour.images for hour in by_hour(None, hours=3, now=NOW)] == [0, 8, 5]
    assert [hour.images for hour in by_hour(["p2"], hours=3, now=NOW)] == [0, 1, 0]


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_says_what_to_do(reason: Reason) -> None:
    assert reason in REMEDIES
    assert remedy(reason).endswith(".")


@pytest.mark.parametrize(
    "reason", [reason for reason in Reason if OUTCOME_OF[reason] is Outcome.EXCLUDED]
)
def test_nobody_is_told_to_retry_what_a_filter_left_out(reason: Reason) -> None:
    assert "retry" not in remedy(reason, is_error=False)


def test_a_study_without_its_number_is_not_blamed_on_a_service_alone() -> None:
    assert "files" in remedy("IDENTITY")
    assert "hand" in remedy("IDENTITY")


def test_a_code_that_nobody_knows_has_a_remedy_all_the_same() -> None:
    assert remedy("SOMETHING_NEW") == OTHERWISE
