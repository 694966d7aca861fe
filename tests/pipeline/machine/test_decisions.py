import pytest
from django.db import IntegrityError

from sendit.errors import BatchStopped, TargetUnavailable, UsageError
from sendit.pipeline import machine
from sendit.pipeline.machine import Event, NewFinding
from sendit.pipeline.machine.table import HELD_MANUAL, HELD_STATIC
from sendit.records.models import Batch, BatchIdentifiers, Delivery, Image
from sendit.terms import DeliveryState, Stage, Status, Verdict
from tests.pipeline.machine.rows import (
    LAPSED,
    NOW,
    TRIES,
    batch_at,
    make_batch,
    take,
    take_images,
    try_to_take,
)

pytestmark = pytest.mark.usefixtures("database")


def state(batch: Batch) -> tuple[str, str, str]:
    batch.refresh_from_db()
    return batch.stage, batch.status, batch.held


def stop(batch: Batch, stage: Stage) -> None:
    machine.fail(take(batch, stage), BatchStopped("no"), tries=TRIES, now=NOW)


def test_uid_is_registered_once() -> None:
    batch = make_batch()

    with pytest.raises(IntegrityError):
        machine.register(
            uid=batch.uid,
            uid_digest=batch.uid_digest,
            folder="other",
            folder_key="2:2",
            inbox="/inbox",
            project="demo",
            profile_id=batch.profile_id,
            priority=0,
        )


def test_batch_is_admitted_once() -> None:
    batch = make_batch()

    assert machine.admit(batch.pk, now=NOW)
    assert not machine.admit(batch.pk, now=LAPSED)

    assert state(batch) == (Stage.IMPORT, Status.NEW, "")
    assert batch.started == NOW


def test_manual_batch_waits_for_upload_finished() -> None:
    batch = batch_at(Stage.SEND, send="manual")
    assert state(batch) == (Stage.SEND, Status.DONEPROCESSING, HELD_MANUAL)
    assert try_to_take(batch, Stage.SEND) is None

    assert machine.upload_finished(batch.pk, now=NOW)

    assert not machine.upload_finished(batch.pk, now=NOW)
    assert try_to_take(batch, Stage.SEND) is not None


def test_batch_without_targets_rests_and_upload_finished_does_not_move_it() -> None:
    batch = batch_at(Stage.SEND, targets=0)

    assert not machine.upload_finished(batch.pk, now=NOW)

    assert state(batch) == (Stage.SEND, Status.DONEPROCESSING, HELD_STATIC)
    assert try_to_take(batch, Stage.SEND) is None


@pytest.mark.parametrize(
    ("stage", "status"),
    [
        (Stage.IMPORT, Status.NEW),
        (Stage.IDENTIFY, Status.PROCESSING),
        (Stage.SEND, Status.DONEPROCESSING),
        (Stage.VERIFY, Status.DONEPROCESSING),
        (Stage.CLEAN_UP, Status.DONE),
    ],
)
def test_retry_gives_a_stopped_batch_its_stage_and_status_again(
    stage: Stage, status: Status
) -> None:
    batch = batch_at(stage)
    stop(batch, stage)
    assert state(batch)[:2] == (stage, Status.ERROR)
    assert batch.finished == NOW

    machine.retry(batch.pk, target=None, now=LAPSED)

    assert state(batch) == (stage, status, "")
    assert (batch.attempts, batch.has_error) == (0, False)
    assert (batch.finished is None) == (status is not Status.DONE)
    assert batch.errors[0]["resolved"] == "retried"
    assert try_to_take(batch, stage) is not None


def test_retry_of_a_waiting_batch_ends_the_wait() -> None:
    batch = batch_at(Stage.SEND)
    machine.fail(take(batch, Stage.SEND), TargetUnavailable("away"), tries=TRIES, now=NOW)
    assert try_to_take(batch, Stage.SEND) is None

    machine.retry(batch.pk, target=None, now=NOW)

    assert try_to_take(batch, Stage.SEND) is not None


def test_retry_of_the_shared_stage_gives_images_their_tries_again() -> None:
    batch = batch_at(Stage.DEIDENTIFY, images=2)
    claim = take_images(batch)
    assert claim is not None
    machine.fail(claim, BatchStopped("no"), tries=TRIES, now=NOW)
    Image.objects.update(attempts=2)

    machine.retry(batch.pk, target=None, now=NOW)

    assert state(batch)[:2] == (Stage.DEIDENTIFY, Status.PROCESSING)
    assert set(Image.objects.values_list("attempts", flat=True)) == {0}


def test_nothing_to_retry_is_refused() -> None:
    batch = batch_at(Stage.IDENTIFY)

    with pytest.raises(UsageError, match="nothing to retry"):
        machine.retry(batch.pk, target=None, now=NOW)
    with pytest.raises(UsageError, match="no failed delivery"):
        machine.retry(batch.pk, target="out0", now=NOW)


def test_retry_under_somebodys_hands_is_refused() -> None:
    batch = batch_at(Stage.VERIFY)
    Delivery.objects.create(batch=batch, target="out0", kind="folder", state=DeliveryState.FAILED)
    take(batch, Stage.VERIFY)

    with pytest.raises(UsageError, match="being worked on"):
        machine.retry(batch.pk, target=None, now=NOW)


def test_delivery_that_could_not_be_proven_is_sent_again() -> None:
    batch = batch_at(Stage.VERIFY)
    Delivery.objects.create(batch=batch, target="out0", kind="folder", state=DeliveryState.FAILED)
    stop(batch, Stage.VERIFY)

    machine.retry(batch.pk, target="out0", now=NOW)

    assert state(batch) == (Stage.SEND, Status.DONEPROCESSING, "")
    assert Delivery.objects.get().state == DeliveryState.PENDING


def test_failed_clean_up_that_is_retried_keeps_the_moment_that_retention_counts_from() -> None:
    batch = batch_at(Stage.CLEAN_UP)
    stop(batch, Stage.CLEAN_UP)

    machine.retry(batch.pk, target=None, now=LAPSED)

    batch.refresh_from_db()
    assert batch.finished == NOW


class TestRerun:
    def ready(self) -> Batch:
        batch = batch_at(Stage.SEND, images=2, send="manual")
        BatchIdentifiers.objects.create(batch=batch, answers=[])
        return batch

    def test_image_is_processed_again(self) -> None:
        batch = self.ready()
        image = batch.images.get(nr=1)

        assert machine.rerun(image.pk, now=NOW)

        assert state(batch) == (Stage.DEIDENTIFY, Status.PROCESSING, "")
        assert list(batch.images.order_by("nr").values_list("status", flat=True)) == [
            Status.NEW,
            Status.DONEPROCESSING,
        ]
        claim = take_images(batch)
        assert claim is not None
        assert claim.image_ids == (image.pk,)

    def test_not_after_a_delivery_has_begun(self) -> None:
        batch = self.ready()
        Delivery.objects.create(
            batch=batch, target="out0", kind="folder", state=DeliveryState.SENDING
        )

        assert not machine.rerun(batch.images.get(nr=1).pk, now=NOW)

        assert state(batch)[0] == Stage.SEND

    def test_not_when_a_target_took_it_and_is_to_get_it_again(self) -> None:
        batch = self.ready()
        Delivery.objects.create(
            batch=batch, target="out0", kind="folder", receipt={"location": "there"}
        )

        assert not machine.rerun(batch.images.get(nr=1).pk, now=NOW)

    def test_not_of_an_image_that_was_left_out(self) -> None:
        batch = self.ready()
        batch.images.filter(nr=1).update(verdict=Verdict.EXCLUDED)

        assert not machine.rerun(batch.images.get(nr=1).pk, now=NOW)

        assert state(batch)[0] == Stage.SEND

    def test_not_of_a_project_that_does_not_anonymize(self) -> None:
        batch = batch_at(Stage.IMPORT)
        machine.move(take(batch, Stage.IMPORT), Event.IMPORTED_AS_IS, now=NOW)

        assert not machine.rerun(batch.images.get(nr=1).pk, now=NOW)

    def test_not_under_somebodys_hands(self) -> None:
        batch = batch_at(Stage.SEND)
        BatchIdentifiers.objects.create(batch=batch, answers=[])
        take(batch, Stage.SEND)

        assert not machine.rerun(batch.images.get(nr=1).pk, now=NOW)


def test_error_list_follows_the_findings() -> None:
    batch = batch_at(Stage.IDENTIFY)
    error = NewFinding("NOT_DICOM", "1 file", Stage.IMPORT, file="a/b", nr=7)
    alert = NewFinding("DUPLICATE_FOLDER", "another", Stage.IMPORT, severity="alert")

    machine.note(batch.pk, [error, alert], now=NOW)

    batch.refresh_from_db()
    assert (batch.has_error, batch.unreadable) == (True, 1)
    assert [entry["code"] for entry in batch.alerts] == ["DUPLICATE_FOLDER"]
    assert batch.errors == [
        {
            "time": "2026-05-04T10:00:00Z",
            "stage": "import",
            "code": "NOT_DICOM",
            "message": "1 file",
            "file": None,
            "image": None,
            "target": None,
            "resolved": None,
            "finding": batch.findings.get(code="NOT_DICOM").pk,
        }
    ]


def test_alert_alone_is_no_error() -> None:
    batch = batch_at(Stage.IDENTIFY)

    machine.note(batch.pk, [NewFinding("X", "x", Stage.IMPORT, severity="alert")], now=NOW)

    batch.refresh_from_db()
    assert (batch.has_error, batch.errors) == (False, [])
