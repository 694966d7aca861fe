from collections.abc import Callable
from datetime import timedelta

import pytest

from sendit.errors import BatchStopped, LeaseLost, UsageError
from sendit.pipeline import machine
from sendit.pipeline.machine import Event, NewFinding
from sendit.pipeline.machine.table import HELD_MANUAL, HELD_PERSON, HELD_RETURN
from sendit.records.models import Batch, Finding, Image
from sendit.terms import Reason, Stage, Status, Verdict
from tests.pipeline.machine.rows import (
    LAPSED,
    NOW,
    TRIES,
    batch_at,
    finish,
    take,
    take_images,
    try_to_take,
)
from tests.pipeline.machine.test_decisions import state, stop

pytestmark = pytest.mark.usefixtures("database")

BAD = NewFinding(Reason.NOT_DICOM, "1 file", Stage.IMPORT, file="notes.txt", nr=9)


def proven(**options: object) -> Batch:
    """Return a batch with an open error that every target has proven."""
    batch = batch_at(Stage.VERIFY, **options)
    machine.note(batch.pk, [BAD], now=NOW)
    claim = take(batch, Stage.VERIFY)
    machine.mark_sent(claim, now=NOW)
    machine.move(claim, Event.PROVEN, now=NOW)
    return batch


def test_proven_batch_with_an_open_error_waits_for_a_person() -> None:
    batch = proven()

    assert state(batch) == (Stage.CLEAN_UP, Status.DONEPROCESSING, HELD_PERSON)
    assert batch.images.get().status == Status.SENT
    assert try_to_take(batch, Stage.CLEAN_UP) is None
    assert batch.finished is None


def test_proven_batch_with_a_held_image_waits_for_a_person() -> None:
    batch = batch_at(Stage.VERIFY, images=2)
    batch.images.filter(nr=2).update(verdict=Verdict.HELD)

    machine.move(take(batch, Stage.VERIFY), Event.PROVEN, now=NOW)

    assert state(batch) == (Stage.CLEAN_UP, Status.DONEPROCESSING, HELD_PERSON)


def test_error_that_is_resolved_while_verify_runs_does_not_hold_the_batch() -> None:
    batch = batch_at(Stage.VERIFY)
    machine.note(batch.pk, [BAD], now=NOW)
    claim = take(batch, Stage.VERIFY)
    machine.accept(batch.pk, reason="", now=NOW)

    machine.move(claim, Event.PROVEN, now=NOW)

    assert state(batch) == (Stage.CLEAN_UP, Status.DONE, "")


def test_accepted_batch_is_done_and_goes_on_to_clean_up() -> None:
    batch = proven()

    machine.accept(batch.pk, reason="known scanner fault", now=LAPSED)

    assert state(batch) == (Stage.CLEAN_UP, Status.DONE, "")
    assert (batch.has_error, batch.finished) == (False, LAPSED)
    assert batch.errors[0]["resolved"] == "accepted"
    assert Finding.objects.get(batch=batch).decision == "known scanner fault"
    assert batch.images.get().status == Status.DONE
    assert try_to_take(batch, Stage.CLEAN_UP) is not None


def test_accepting_leaves_held_images_out() -> None:
    batch = batch_at(Stage.DEIDENTIFY, images=1)
    claim = take_images(batch)
    assert claim is not None
    finish(claim, verdict=Verdict.HELD, reason=Reason.DOCUMENT, file="")
    machine.settle(batch.pk, now=NOW)
    assert state(batch) == (Stage.DEIDENTIFY, Status.PROCESSING, HELD_PERSON)

    machine.accept(batch.pk, reason="", now=NOW)
    assert machine.settle(batch.pk, now=NOW)

    image = batch.images.get()
    assert (image.verdict, image.reason) == (Verdict.EXCLUDED, Reason.REVIEW)
    assert state(batch) == (Stage.CLEAN_UP, Status.EMPTY, "")


@pytest.mark.parametrize(
    ("decide", "word"), [(machine.accept, "accepted"), (machine.turn_down, "rejected")]
)
def test_what_a_person_decided_tells_nobody_to_release_images(
    decide: Callable[..., None], word: str
) -> None:
    batch = batch_at(Stage.DEIDENTIFY, images=1)
    batch.images.update(verdict=Verdict.HELD, reason=Reason.PIXELS_UNREAD)
    held = NewFinding(Reason.PIXELS_UNREAD, "1 image", Stage.DEIDENTIFY, severity=Finding.ALERT)
    left_out = NewFinding(Reason.MODALITY, "1 file", Stage.IMPORT, severity=Finding.ALERT)
    machine.note(batch.pk, [held, left_out], now=NOW)

    decide(batch.pk, reason="not needed", now=NOW)

    batch.refresh_from_db()
    assert [alert["resolved"] for alert in batch.alerts] == [word, None]
    assert Finding.objects.get(code=Reason.PIXELS_UNREAD).decision == "not needed"


def test_accepting_does_not_release_a_manual_batch() -> None:
    batch = batch_at(Stage.SEND, send="manual")
    machine.note(batch.pk, [BAD], now=NOW)

    machine.accept(batch.pk, reason="", now=NOW)

    assert state(batch) == (Stage.SEND, Status.DONEPROCESSING, HELD_MANUAL)


def test_accepting_a_stopped_batch_takes_it_on() -> None:
    batch = batch_at(Stage.IMPORT)
    stop(batch, Stage.IMPORT)

    machine.accept(batch.pk, reason="", now=NOW)

    assert state(batch) == (Stage.IMPORT, Status.NEW, "")
    assert (batch.accept_bad, batch.finished) == (True, None)


def test_accepting_under_somebodys_hands_leaves_his_claim() -> None:
    batch = batch_at(Stage.SEND)
    machine.note(batch.pk, [BAD], now=NOW)
    claim = take(batch, Stage.SEND)

    machine.accept(batch.pk, reason="", now=NOW)

    machine.move(claim, Event.DELIVERED, now=NOW)
    assert state(batch)[0] == Stage.VERIFY


def test_nothing_open_is_refused() -> None:
    batch = batch_at(Stage.SEND)

    with pytest.raises(UsageError, match="nothing open"):
        machine.accept(batch.pk, reason="", now=NOW)
    with pytest.raises(UsageError, match="nothing open"):
        machine.turn_down(batch.pk, reason="", now=NOW)


@pytest.mark.parametrize("stage", [s for s in Stage if s is not Stage.CLEAN_UP])
def test_batch_is_turned_down_at_any_stage(stage: Stage) -> None:
    batch = batch_at(stage)
    machine.note(batch.pk, [BAD], now=NOW)

    machine.turn_down(batch.pk, reason="wrong patient", now=LAPSED)

    assert state(batch) == (Stage.CLEAN_UP, Status.ERROR, "")
    assert (batch.has_error, batch.finished) == (False, LAPSED)
    assert batch.errors[0]["resolved"] == "rejected"
    assert Finding.objects.get(batch=batch).decision == "wrong patient"
    machine.move(take(batch, Stage.CLEAN_UP), Event.CLEANED, now=LAPSED)
    assert state(batch) == ("", Status.ERROR, "")


def test_batch_that_was_turned_down_is_neither_accepted_nor_retried_nor_turned_down_again() -> None:
    batch = proven()
    machine.turn_down(batch.pk, reason="", now=NOW)

    for act in (machine.accept, machine.turn_down):
        with pytest.raises(UsageError):
            act(batch.pk, reason="", now=NOW)
    machine.move(take(batch, Stage.CLEAN_UP), Event.CLEANED, now=NOW)
    with pytest.raises(UsageError):
        machine.retry(batch.pk, target=None, now=NOW)


def test_turning_down_under_somebodys_hands_is_refused() -> None:
    whole, shared = batch_at(Stage.SEND), batch_at(Stage.DEIDENTIFY, images=2)
    take(whole, Stage.SEND)
    assert take_images(shared) is not None
    for batch in (whole, shared):
        machine.note(batch.pk, [BAD], now=NOW)

        with pytest.raises(UsageError, match="being worked on"):
            machine.turn_down(batch.pk, reason="", now=NOW)


def test_paused_worker_writes_nothing_after_its_batch_was_turned_down() -> None:
    batch = batch_at(Stage.DEIDENTIFY, images=2)
    claim = take_images(batch)
    assert claim is not None
    machine.note(batch.pk, [BAD], now=NOW)
    machine.turn_down(batch.pk, reason="", now=LAPSED)

    with pytest.raises(LeaseLost):
        finish(claim, now=LAPSED)
    with pytest.raises(LeaseLost):
        machine.fail(claim, BatchStopped("no"), tries=TRIES, now=LAPSED)

    assert state(batch) == (Stage.CLEAN_UP, Status.ERROR, "")


def test_batch_that_was_delivered_whole_is_not_turned_down() -> None:
    batch = batch_at(Stage.CLEAN_UP)
    stop(batch, Stage.CLEAN_UP)

    with pytest.raises(UsageError, match="delivered whole"):
        machine.turn_down(batch.pk, reason="", now=NOW)


def test_originals_that_cannot_be_given_back_do_not_keep_workers_busy() -> None:
    batch = proven()
    machine.turn_down(batch.pk, reason="", now=NOW)
    machine.fail(take(batch, Stage.CLEAN_UP), BatchStopped("no"), tries=TRIES, now=NOW)

    assert state(batch) == (Stage.CLEAN_UP, Status.ERROR, HELD_RETURN)
    assert not Batch.objects.claimable(LAPSED).exists()

    machine.retry(batch.pk, target=None, now=NOW)

    assert state(batch) == (Stage.CLEAN_UP, Status.ERROR, "")
    assert try_to_take(batch, Stage.CLEAN_UP) is not None


def test_giving_back_that_kills_its_worker_each_time_ends() -> None:
    batch = proven()
    machine.turn_down(batch.pk, reason="", now=NOW)
    now = NOW
    while try_to_take(batch, Stage.CLEAN_UP, now=now) is not None:
        now += timedelta(minutes=2)

    assert state(batch) == (Stage.CLEAN_UP, Status.ERROR, HELD_RETURN)
    assert batch.errors[-1]["code"] == "CRASHED"


def test_empty_batch_with_an_open_error_waits_and_then_cleans_up() -> None:
    batch = batch_at(Stage.IMPORT, images=0)
    claim = take(batch, Stage.IMPORT)
    machine.move(claim, Event.EMPTIED, now=NOW, findings=[BAD])
    assert state(batch) == (Stage.CLEAN_UP, Status.EMPTY, HELD_PERSON)

    machine.accept(batch.pk, reason="", now=NOW)

    assert state(batch) == (Stage.CLEAN_UP, Status.EMPTY, "")
    assert not Image.objects.exists()
