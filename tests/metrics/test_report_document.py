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
        "open": 0,
    }


@pytest.mark.parametrize(
    ("status", "stage", "turned_down", "detail"),
    [
        (Status.ERROR, Stage.IDENTIFY, False, "not processed: the batch stopped"),
        (Status.PROCESSING, Stage.DEIDENTIFY, False, "not processed yet"),
        (Status.ERROR, "", True, "rejected by a person"),
    ],
    ids=["stopped", "on its way", "given back"],
)
def test_file_without_an_outcome_has_its_entry_all_the_same(
    status: Status, stage: Stage, turned_down: bool, detail: str
) -> None:
    batch = make_batch(UID, status=status, stage=stage, excluded=1)
    batch.turned_down = turned_down
    if not turned_down:
        batch.images.update(file="", status=Status.NEW)

    document = report_document(batch)

    assert [image["source"] for image in document["images"]] == [1, 2, 3]
    assert [image["outcome"] for image in document["images"]] == [None, None, "excluded"]
    assert document["images"][0]["detail"].startswith(detail)
    assert document["images"][0]["file"] is None
    assert (document["totals"]["files"], document["totals"]["open"]) == (3, 2)


def test_files_that_go_as_they_are_have_an_entry_that_names_nothing() -> None:
    batch = make_batch(UID, status=Status.DONE)
    batch.images.update(file="", sop_instance_uid="", sha256="")
    batch.profile.content["anonymize"] = False

    document = report_document(batch)

    assert [image["outcome"] for image in document["images"]] == ["written", "written"]
    assert {image[key] for image in document["images"] for key in ("file", "sha256")} == {None}
    assert document["totals"]["bytes_out"] == document["totals"]["bytes_in"] > 0


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
