import json
from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from sendit.metrics.status import describe, iso
from sendit.pipeline.machine.table import HELD_PERSON
from sendit.records.models import Batch, Delivery, Image
from sendit.terms import DeliveryState, Stage, Status, Verdict
from tests.support.batches import NOW, add_unreadable, make_batch

pytestmark = pytest.mark.django_db


def test_batch_is_described_as_documented() -> None:
    batch = make_batch(
        "ACC0001",
        status=Status.DONEPROCESSING,
        stage=Stage.CLEAN_UP,
        n_images=3,
        excluded=2,
        held=HELD_PERSON,
    )
    Image.objects.filter(batch=batch, verdict=Verdict.ACCEPTED).update(status=Status.SENT)
    Delivery.objects.create(
        batch=batch, target="out", kind="folder", state=DeliveryState.VERIFIED, attempts=1
    )
    add_unreadable(batch, nr=6, file="deep/M\udcfcller.txt")

    (described,) = describe([batch])

    assert described == {
        "batch": batch.pk,
        "uid": "ACC0001",
        "project": "irb-1",
        "status": "DONEPROCESSING",
        "stage": "clean_up",
        "has_error": True,
        "errors": [
            {
                "time": "2026-05-04T10:15:00Z",
                "stage": "import",
                "code": "NOT_DICOM",
                "message": "1 file is not DICOM; kept in the .err folder.",
                "file": "deep/M\\xfcller.txt",
                "image": None,
                "number": 6,
                "target": None,
                "resolved": None,
            }
        ],
        "images": {"NEW": 0, "PROCESSING": 0, "DONEPROCESSING": 0, "SENT": 3, "DONE": 0},
        "excluded": 2,
        "held_images": 0,
        "rejected": 0,
        "unreadable": 1,
        "alerts": [],
        "deliveries": [
            {"target": "out", "state": "verified", "attempts": 1, "error": None, "recalled": None}
        ],
        "held": HELD_PERSON,
        "retry_at": None,
        "started": "2026-05-04T10:13:00Z",
        "finished": None,
        "bytes": 3 * 39_206,
    }
    json.dumps(described)


def test_files_are_left_out_when_not_asked_for() -> None:
    batch = make_batch("ACC1", status=Status.PROCESSING, stage=Stage.IDENTIFY)
    add_unreadable(batch, nr=3, file="secret.txt")

    (described,) = describe([batch], with_files=False)

    assert described["errors"][0]["file"] is None


def test_every_file_is_counted_once() -> None:
    batch = make_batch("ACC1", status=Status.PROCESSING, stage=Stage.IDENTIFY, n_images=6)
    for nr, verdict in ((1, Verdict.HELD), (2, Verdict.REJECTED), (3, Verdict.EXCLUDED)):
        Image.objects.filter(batch=batch, nr=nr).update(verdict=verdict)
    add_unreadable(batch, nr=7, file="x")

    (described,) = describe([batch])

    beside = [described[key] for key in ("excluded", "held_images", "rejected", "unreadable")]
    assert beside == [1, 1, 1, 1]
    assert sum(described["images"].values()) + sum(beside) == 7


def test_a_list_costs_a_fixed_number_of_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(12):
        batch = make_batch(f"ACC{number}", status=Status.DONE)
        add_unreadable(batch, nr=9, file="x")

    with django_assert_num_queries(6):
        described = describe(Batch.objects.order_by("pk"))

    assert [batch["uid"] for batch in described] == [f"ACC{number}" for number in range(12)]


def test_more_batches_than_a_query_takes_numbers() -> None:
    for number in range(4):
        make_batch(f"ACC{number}", status=Status.DONE)

    described = describe(Batch.objects.order_by("pk"), listed_at_once=2)

    assert [batch["images"]["DONE"] for batch in described] == [2] * 4
    assert all(batch["deliveries"] for batch in described)


def test_moments_are_utc() -> None:
    assert iso(NOW + timedelta(milliseconds=5)) == "2026-05-04T10:15:00.005000Z"
    assert iso(None) is None
