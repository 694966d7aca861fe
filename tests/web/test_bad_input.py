"""What nobody should send: tampered numbers, strange queries, images that are gone."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from django.test import Client

from sendit.config import Configuration
from sendit.pipeline.workspace import Workspace
from sendit.records.audit import begin
from sendit.records.audit_tables import AuditEntry
from sendit.records.encrypted import keyed_digest
from sendit.records.models import Batch, Delivery, Image, Treatment
from sendit.records.roles import Role
from sendit.terms import DeliveryState, Stage, Status, Verdict
from tests.support.batches import add_unreadable, make_batch
from tests.support.make_study import make_study
from tests.support.visitors import visitor

pytestmark = pytest.mark.django_db
CANARY = "CANARY-ACC-77"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def workspace(in_this_process: Configuration, db: None) -> Workspace:
    begin()
    workspace = Workspace(in_this_process.settings.work_dir)
    workspace.create()
    return workspace


@pytest.fixture
def client(workspace: Workspace) -> Client:
    del workspace
    return visitor("admin", Role.ADMIN, Role.REIDENTIFIER)


@pytest.mark.parametrize(
    "path",
    [
        "/batch/0/", "/batch/-1/", "/batch/1e3/", "/batch/99999999999999999999999/", "/batch/%00/",
        "/batch/999999999999999999/", "/batch/..%2f1/", "/image/0/", "/image/x/",
        "/image/1/preview",
        "/image/999999999999999999/preview/", "/batch/1/report", "/batch/1%0d%0aX:1/",
        "/static/../sendit.toml", "/static/web/..%2f..%2fsettings.py", "/batch/%F0%9F%92%A9/",
    ],
)  # fmt: skip
def test_a_tampered_address_is_404_in_plain_words(client: Client, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 404
    if not path.startswith("/static/"):
        assert "There is no such page" in answer.content.decode()


@pytest.mark.parametrize(
    "query",
    [
        "page=0", "page=-1", "page=99999999999999999999", "page=x", "number=%00",
        "number=" + "9" * 5000, "number=%27+OR+1%3D1", "number=%ED%A0%80", "number=,-1,%2012",
        "status=NOPE", "status=DONE%00", "errors=x", "since=x",
        "since=0001-01-01", "since=9999-12-31&until=9999-12-31", "until=2026-02-31", "sort=uid",
        "sort=-bytes", "project=%00", "project=" + "a" * 9000, "project=../../etc",
    ],
)  # fmt: skip
def test_any_query_of_the_list_is_answered(client: Client, query: str) -> None:
    make_batch(CANARY, status=Status.DONE)

    assert client.get(f"/batches/?{query}").status_code == 200


def test_search_finds_a_number_a_whole_name_and_its_copies(client: Client) -> None:
    batch = make_batch("irrelevant", status=Status.DONE)
    named = [
        make_batch(uid, status=Status.DONE, uid_digest=keyed_digest(uid)).pk
        for uid in (CANARY, f"{CANARY}~2")
    ]

    by_name, by_number, by_part = (
        client.post("/batches/", {"called": text, "sort": "oldest"}, follow=True)
        for text in (CANARY, f"#{batch.pk}", CANARY[:-1])
    )

    assert "2 batches found" in by_name.content.decode()
    assert "1 batch found" in by_number.content.decode()
    assert "No batch is like that" in by_part.content.decode()
    found = f"/batches/?number={named[0]}%2C{named[1]}&sort=oldest"
    assert by_name.redirect_chain == [(found, 302)]
    assert by_part.redirect_chain == [("/batches/?number=0&sort=oldest", 302)]


@pytest.mark.parametrize("text", ["\0", "9" * 5000, "' OR 1=1", "\ud800", "", ",,#"])
def test_any_search_is_answered(client: Client, text: str) -> None:
    make_batch(CANARY, status=Status.DONE)
    posted = text.encode("utf-8", "surrogatepass").decode("latin-1")

    assert client.post("/batches/", {"called": posted}, follow=True).status_code == 200


@pytest.mark.parametrize("action", ["burn", "RETRY", "accept2"])
def test_an_unknown_action_does_nothing(client: Client, action: str) -> None:
    batch = make_batch(CANARY, status=Status.ERROR, stage=Stage.SEND)

    assert client.post(f"/batch/{batch.pk}/do/{action}").status_code == 404
    assert Batch.objects.get().status == Status.ERROR


def test_a_page_that_is_old_decides_nothing(client: Client) -> None:
    batch = make_batch(CANARY, status=Status.ERROR, stage=Stage.SEND)

    answer = client.post(f"/batch/{batch.pk}/do/retry", {"seen": "0" * 32})

    assert answer.status_code == 412
    assert "has changed since you looked" in answer.content.decode()
    assert Batch.objects.get().status == Status.ERROR


def test_what_is_not_possible_says_so(client: Client) -> None:
    batch = make_batch(CANARY, status=Status.DONE)

    answer = client.post(f"/batch/{batch.pk}/do/retry")

    assert answer.status_code == 409
    assert "has nothing to retry" in answer.content.decode()


def test_a_release_needs_a_reason(client: Client) -> None:
    batch = make_batch(CANARY, status=Status.PROCESSING, stage=Stage.DEIDENTIFY)
    Image.objects.filter(batch=batch, nr=1).update(verdict=Verdict.HELD, reason="DOCUMENT")

    answer = client.post(f"/batch/{batch.pk}/do/release", {"reason": "  "})

    assert answer.status_code == 409
    assert "Say why" in answer.content.decode()


def test_a_reason_without_end_is_cut(client: Client) -> None:
    batch = make_batch(CANARY, status=Status.DONEPROCESSING, stage=Stage.CLEAN_UP)
    add_unreadable(batch, nr=9, file="f")

    client.post(f"/batch/{batch.pk}/do/accept", {"reason": "x\0" * 100_000})

    batch.refresh_from_db()
    assert len(batch.errors[0]["resolved"]) < 1100


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_pages_only_read(client: Client, method: str) -> None:
    batch = make_batch(CANARY, status=Status.DONE)

    for path in (
        "/",
        "/batches/",
        f"/batch/{batch.pk}/",
        "/settings",
        f"/batch/{batch.pk}/do/retry",
    ):
        assert getattr(client, method)(path).status_code == 405


# Pictures


def with_result(workspace: Workspace, tmp_path: Path, *, n_images: int = 3) -> list[Image]:
    """Write a batch whose results lie where de-identify puts them."""
    batch = make_batch(CANARY, status=Status.DONEPROCESSING, stage=Stage.SEND, n_images=n_images)
    pixels = np.add.outer(np.arange(16), np.arange(16)).astype(np.uint16) * 100
    files = make_study(tmp_path / "made", n_series=1, n_images=n_images, PixelData=pixels.tobytes())
    images = list(Image.objects.filter(batch=batch).order_by("nr"))
    for image, file in zip(images, files, strict=True):
        result = workspace.clean(batch.pk) / image.file
        result.parent.mkdir(parents=True, exist_ok=True)
        file.rename(result)
    return images


def test_a_slice_is_drawn_and_scrolled(
    client: Client, workspace: Workspace, tmp_path: Path
) -> None:
    images = with_result(workspace, tmp_path)

    page = client.get(f"/image/{images[1].pk}/").content.decode()
    first, own, windowed = (
        client.get(f"/image/{images[1].pk}/preview{query}").content
        for query in ("?slice=1", "", "?slice=1&centre=100&width=50")
    )

    assert 'data-slice="2" data-count="3"' in page
    assert first.startswith(PNG)
    assert own.startswith(PNG)
    assert windowed.startswith(PNG)
    assert windowed != first


@pytest.mark.parametrize(
    "query", ["slice=0", "slice=4", "slice=-1", "slice=x", "slice=99999999999999999999"]
)
def test_a_slice_that_is_not_there_is_404(
    client: Client, workspace: Workspace, tmp_path: Path, query: str
) -> None:
    images = with_result(workspace, tmp_path)

    assert client.get(f"/image/{images[0].pk}/preview?{query}").status_code == 404
    assert client.get(f"/image/{images[0].pk}/?{query}").status_code == 404


@pytest.mark.parametrize("window", ["nan", "inf", "1e300", "x", "", "-1"])
def test_a_window_that_shows_nothing_is_left_out(
    client: Client, workspace: Workspace, tmp_path: Path, window: str
) -> None:
    images = with_result(workspace, tmp_path)

    answer = client.get(f"/image/{images[0].pk}/preview?centre={window}&width={window}")

    assert answer.content.startswith(PNG)


def test_an_image_that_was_cleaned_up_shows_what_was_kept(
    client: Client, workspace: Workspace
) -> None:
    batch = make_batch(CANARY, status=Status.DONE)
    image = Image.objects.filter(batch=batch).first()
    assert image is not None

    gone = client.get(f"/image/{image.pk}/")
    no_picture = client.get(f"/image/{image.pk}/preview")
    kept = workspace.previews(batch.pk) / f"{image.series_instance_uid}.png"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(PNG)

    assert "no picture of its series was kept" in gone.content.decode()
    assert no_picture.status_code == 404
    assert client.get(f"/image/{image.pk}/preview").content == PNG
    assert "was kept" in client.get(f"/image/{image.pk}/").content.decode()


def test_a_result_that_is_broken_has_no_picture(
    client: Client, workspace: Workspace, tmp_path: Path
) -> None:
    images = with_result(workspace, tmp_path)
    (workspace.clean(images[0].batch_id) / images[0].file).write_bytes(b"no DICOM")

    assert client.get(f"/image/{images[0].pk}/").status_code == 200
    assert client.get(f"/image/{images[0].pk}/preview").status_code == 404


@pytest.mark.parametrize("verdict", [Verdict.HELD, Verdict.REJECTED, Verdict.EXCLUDED])
def test_no_original_is_ever_drawn(
    client: Client, workspace: Workspace, tmp_path: Path, verdict: Verdict
) -> None:
    images = with_result(workspace, tmp_path)
    Image.objects.filter(pk=images[0].pk).update(verdict=verdict)
    original = workspace.original(images[0].batch_id, images[0].nr)
    original.parent.mkdir(parents=True)
    (workspace.clean(images[0].batch_id) / images[0].file).rename(original)

    assert client.get(f"/image/{images[0].pk}/preview").status_code == 404


def test_a_look_at_an_original_is_for_few_and_written_down(
    client: Client, workspace: Workspace, tmp_path: Path
) -> None:
    image = with_result(workspace, tmp_path)[0]
    original = workspace.original(image.batch_id, image.nr)
    original.parent.mkdir(parents=True)
    shutil.copy(workspace.clean(image.batch_id) / image.file, original)
    viewer = visitor("viewer", Role.VIEWER)

    page = client.get(f"/image/{image.pk}/compare")
    looked = client.get(f"/image/{image.pk}/original/")
    refused = [viewer.get(f"/image/{image.pk}/{what}") for what in ("compare", "original")]

    assert "Before and after" in page.content.decode()
    assert looked.content.startswith(PNG)
    assert [answer.status_code for answer in refused] == [404, 404]
    (entry,) = AuditEntry.objects.all()
    assert (entry.actor, entry.action) == ("admin", "original viewed")
    assert entry.subject == f"image {image.nr} of batch {image.batch_id}"
    assert "Compare with the original" in client.get(f"/image/{image.pk}/").content.decode()
    assert "Compare" not in viewer.get(f"/image/{image.pk}/").content.decode()


def test_what_was_painted_over_is_framed_before_and_after(
    client: Client, workspace: Workspace, tmp_path: Path
) -> None:
    image = with_result(workspace, tmp_path)[0]
    original = workspace.original(image.batch_id, image.nr)
    original.parent.mkdir(parents=True)
    shutil.copy(workspace.clean(image.batch_id) / image.file, original)
    region = {"left": 2, "top": 3, "right": 12, "bottom": 7}
    Image.objects.filter(pk=image.pk).update(report={**image.report, "regions": [region]})

    framed = client.get(f"/image/{image.pk}/compare").content.decode()
    original.write_bytes(b"no header")
    unread = client.get(f"/image/{image.pk}/compare").content.decode()

    assert framed.count('x="2" y="3" width="10" height="4"') == 2
    assert "The original cannot be drawn" in unread


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_written_down_is_not_shown(
    client: Client, workspace: Workspace, tmp_path: Path
) -> None:
    image = with_result(workspace, tmp_path)[0]
    original = workspace.original(image.batch_id, image.nr)
    original.parent.mkdir(parents=True)
    shutil.copy(workspace.clean(image.batch_id) / image.file, original)
    head = workspace.work_dir / "keys" / "audit.head"
    head.mkdir(parents=True)
    client.raise_request_exception = False

    answer = client.get(f"/image/{image.pk}/original/")

    assert answer.status_code == 500
    assert PNG not in answer.content


def test_a_decision_is_written_into_the_audit_log(client: Client) -> None:
    batch = make_batch(CANARY, status=Status.ERROR, stage=Stage.SEND)

    client.post(f"/batch/{batch.pk}/do/retry")

    (entry,) = AuditEntry.objects.all()
    assert (entry.actor, entry.action, entry.subject) == (
        "admin", "batch retry", f"batch {batch.pk}",
    )  # fmt: skip
    assert entry.details == {}


def test_the_one_target_that_is_tried_again_stands_in_the_audit_log(client: Client) -> None:
    batch = make_batch(CANARY, status=Status.DONEPROCESSING, stage=Stage.SEND)
    Delivery.objects.create(batch=batch, target="out", kind="folder", state=DeliveryState.FAILED)

    client.post(f"/batch/{batch.pk}/do/retry", {"target": "out"})

    (entry,) = AuditEntry.objects.all()
    assert entry.details == {"target": "out"}


def test_a_project_that_does_not_deidentify_has_no_pictures(
    client: Client, workspace: Workspace, tmp_path: Path
) -> None:
    images = with_result(workspace, tmp_path)
    profile = images[0].batch.profile
    type(profile).objects.update(content={**profile.content, "anonymize": False})

    assert client.get(f"/image/{images[0].pk}/preview").status_code == 404


def test_tags_actions_and_rules_are_shown(client: Client) -> None:
    batch = make_batch(CANARY, status=Status.DONE)
    Treatment.objects.create(digest="d", elements=[["(0010,0010)", "Z", "basic", 1]])
    Image.objects.filter(batch=batch).update(
        report={"actions": {"Z": 1}, "rules": {"basic": 1}, "regions": [], "treatment": "d"}
    )
    image = Image.objects.filter(batch=batch).first()
    assert image is not None

    page = client.get(f"/image/{image.pk}/").content.decode()

    for words in ("(0010,0010)", "PatientName", "emptied", "basic"):
        assert words in page


def test_every_page_costs_a_fixed_number_of_queries(
    client: Client, django_assert_max_num_queries: object
) -> None:
    batches = []
    for number in range(40):
        batch = make_batch(
            f"B{number}", status=Status.ERROR, stage=Stage.SEND, n_images=60 if not number else 2
        )
        add_unreadable(batch, nr=99, file="f")
        batches.append(batch)
    image = Image.objects.filter(batch=batches[0]).first()
    assert image is not None

    for path, most in (
        ("/errors/", 12),
        (f"/batch/{batches[0].pk}/", 20),
        (f"/image/{image.pk}/", 12),
        ("/targets/", 8),
        ("/projects/", 8),
        ("/settings/", 8),
        ("/api/batches?page_size=40", 10),
        ("/api/images?page_size=100", 8),
    ):
        with django_assert_max_num_queries(most):  # type: ignore[operator]
            assert client.get(path).status_code == 200
