"""The report of a batch as JSON."""

import json

import pytest

from sendit.metrics.report_document import report_document
from sendit.terms import Stage, Status
from tests.support.batches import add_unreadable, make_batch

pytestmark = [pytest.mark.django_db]
UID = "ACC-CANARY-771"


def test_every_file_has_one_entry_under_its_number() -> None:
    batch = make_batch(UID, status=Status.DONEPROCESSING, stage=Stage.CLEAN_UP, excluded=2)
    add_unreadable(batch, nr=5, file=f"{UID}/secret-notes.txt")

    document = report_document(batch)

    assert [image["source"] for image in document["images"]] == [1, 2, 3, 4, 5]
    assert [image["outcome"] for image in document["images"]] == [
        "written",
        "written",
        "excluded",
        "excluded",
        "unreadable",
    ]
    assert document["totals"] == {
        "files": 5,
        "written": 2,
        "excluded": 2,
        "held": 0,
        "rejected": 0,
        "unreadable": 1,
        "bytes_in": 78_412,
        "bytes_out": 76_000,
    }


def test_the_document_says_what_was_done_by_which_recipe() -> None:
    document = report_document(make_batch(UID, status=Status.DONE))

    assert document["schema"] == 1
    assert document["recipe"]["preset"] == "basic"
    assert document["recipe"]["digest"].startswith("sha256:")
    assert document["actions"]["U"] == 4
    assert {
        "path": "(0008,1140)/(0008,1155)",
        "action": "U",
        "rule": "basic",
        "count": 4,
    } in document["elements"]
    assert document["images"][0]["file"].endswith(".dcm")


def test_the_document_identifies_nobody() -> None:
    batch = make_batch(UID, status=Status.DONE, excluded=1)
    add_unreadable(batch, nr=4, file=f"{UID}/secret-notes.txt")

    text = json.dumps(report_document(batch))

    assert "CANARY" not in text
    assert "secret" not in text


def test_a_batch_that_is_not_at_rest_has_no_end() -> None:
    batch = make_batch(UID, status=Status.DONEPROCESSING, stage=Stage.SEND)

    assert report_document(batch)["finished"] is None
