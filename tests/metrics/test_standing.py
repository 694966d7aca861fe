"""What a person is told to do about a batch that stopped."""

from datetime import timedelta

import pytest

from sendit.metrics.standing import standing
from sendit.pipeline.machine import NewFinding, note
from sendit.pipeline.machine.table import HELD_MANUAL
from sendit.records.models import Batch
from sendit.terms import Stage, Status
from tests.support.batches import NOW, make_batch

pytestmark = [pytest.mark.django_db]
ASKS = 'Run "sendit resolve --accept" to go on without it.'


def stopped(stage: Stage, **findings: str) -> Batch:
    batch = make_batch("ACC1", status=Status.ERROR, stage=stage)
    note(batch.pk, [NewFinding(code, text, stage) for code, text in findings.items()], now=NOW)
    return Batch.objects.get(pk=batch.pk)


@pytest.mark.parametrize(
    ("stage", "findings"),
    [
        (Stage.IMPORT, {"NOT_DICOM": "1 file is not DICOM.", "STOPPED": ASKS}),
        (Stage.DEIDENTIFY, {"IDENTIFIER_LEFT": "1 image was rejected."}),
        (Stage.IDENTIFY, {"IDENTITY": f"1 study is without PatientID. {ASKS}"}),
    ],
    ids=["import", "deidentify", "identify"],
)
def test_batch_that_a_bad_file_stopped_waits_for_an_answer(
    stage: Stage, findings: dict[str, str]
) -> None:
    batch = stopped(stage, **findings)

    told = standing(batch, now=NOW).todo

    assert told == f"sendit resolve {batch.pk} --accept|--reject"


def test_batch_that_something_else_stopped_is_tried_again() -> None:
    batch = stopped(Stage.SEND, IDENTIFIER_LEFT="1 image was rejected.", DISK_FULL="No room left.")

    assert standing(batch, now=NOW).todo.startswith(f"sendit retry {batch.pk}")


def test_batch_whose_worker_died_each_time_is_tried_again() -> None:
    batch = stopped(Stage.CLEAN_UP, CRASHED="The worker died each time it ran clean_up.")

    assert standing(batch, now=NOW).todo.startswith(f"sendit retry {batch.pk}")


def test_delivered_batch_that_could_not_be_cleaned_up_says_when_it_is_tried_again() -> None:
    later = NOW + timedelta(hours=1)
    batch = make_batch("ACC1", status=Status.DONE, stage=Stage.CLEAN_UP, retry_at=later)

    told = standing(batch, now=NOW)

    assert (told.tone, told.todo) == ("waiting", "")
    assert told.words.startswith("Delivered and verified; cleaning up failed, tried again at ")


def test_batch_with_a_bad_file_that_waits_to_be_sent_by_hand_says_so() -> None:
    batch = make_batch("ACC1", status=Status.DONEPROCESSING, stage=Stage.SEND)
    note(batch.pk, [NewFinding("NOT_DICOM", "1 file is not DICOM.", Stage.IMPORT)], now=NOW)
    Batch.objects.filter(pk=batch.pk).update(held=HELD_MANUAL)

    told = standing(Batch.objects.get(pk=batch.pk), now=NOW)

    assert "ready to be sent" in told.words
    assert told.todo.startswith(f"sendit upload_finished {batch.pk}, or ")


def delivery(state: str, recalled: dict[str, object] | None = None) -> dict[str, object]:
    return {"target": "out", "state": state, "attempts": 1, "error": None, "recalled": recalled}


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (Stage.CLEAN_UP, "Rejected by a person; its originals go back to the inbox."),
        ("", "Rejected by a person; its originals went back to the inbox."),
    ],
    ids=["on their way", "back"],
)
def test_rejected_batch_does_not_say_that_originals_are_back_before_they_are(
    stage: Stage | str, words: str
) -> None:
    batch = make_batch("ACC1", status=Status.ERROR, stage=stage, turned_down=True)

    told = standing(batch, now=NOW, deliveries=[delivery("pending"), delivery("failed")])

    assert (told.words, told.todo) == (words, "")


@pytest.mark.parametrize(
    ("one", "left"),
    [
        (delivery("verified"), True),
        (delivery("sent"), True),
        (delivery("verified", {"left": 2}), True),
        (delivery("verified", {"left": 0}), False),
    ],
    ids=["verified", "sent", "some left", "recalled"],
)
def test_rejected_batch_that_was_delivered_says_how_to_take_it_back(
    one: dict[str, object], *, left: bool
) -> None:
    batch = make_batch("ACC1", status=Status.ERROR, stage="", turned_down=True)

    told = standing(batch, now=NOW, deliveries=[one])

    assert ("What was sent before is still at a target." in told.words) == left
    assert told.todo == (f"sendit recall --batch {batch.pk} --reason TEXT" if left else "")
