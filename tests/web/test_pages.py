"""The status page, its login, and what the server says when something is wrong."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import OperationalError, connection
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import Client, RequestFactory
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from sendit.config import Configuration
from sendit.metrics.standing import standing
from sendit.metrics.target_health import health_of
from sendit.pipeline.machine import NewFinding, note
from sendit.pipeline.machine.table import HELD_MANUAL, HELD_PERSON, HELD_STATIC
from sendit.records.models import Batch, Delivery, Finding, TargetHealth
from sendit.terms import DeliveryState, Stage, Status
from sendit.web.login_links import forget_tokens, is_unused, make_link_token, use_token
from sendit.web.middleware import HeadersMiddleware
from tests.support.batches import NOW, add_recall, add_unreadable, make_batch, make_profile
from tests.support.installation import Installation

pytestmark = pytest.mark.django_db
UID = "ACC-CANARY-771"


@pytest.fixture
def signed_in(configuration: Configuration, client: Client) -> Client:
    token = make_link_token(configuration.settings.work_dir)
    assert client.get(f"/login/{token}").status_code == 302
    return client


@pytest.mark.usefixtures("configuration")
@pytest.mark.parametrize("path", ["/", "/?page=1", "/logout", "/logout/"])
def test_without_a_login_nothing_is_shown(client: Client, path: str) -> None:
    make_batch(UID, status=Status.DONE)

    answer = client.get(path, follow=True)

    assert answer.redirect_chain[0][0].startswith("/login/?next=")
    assert UID not in answer.content.decode()
    assert "sendit serve" in answer.content.decode()


def test_a_login_link_works_once(configuration: Configuration, client: Client) -> None:
    token = make_link_token(configuration.settings.work_dir)

    first, second = client.get(f"/login/{token}/"), Client().get(f"/login/{token}")

    assert (first.status_code, first.headers["Location"]) == (302, "/")
    assert second.status_code == 403
    assert client.get("/").status_code == 200


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(signed_in: Client) -> None:
    cookie = signed_in.cookies["sendit_session"]

    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


@pytest.mark.usefixtures("configuration")
@pytest.mark.parametrize("token", ["x", "..", "%2e%2e%2f", "a" * 5000, "%ff"])
def test_an_invented_token_lets_nobody_in(client: Client, token: str) -> None:
    assert client.get(f"/login/{token}").status_code in (403, 404)


def test_a_token_is_kept_nowhere(tmp_path: Path) -> None:
    token = make_link_token(tmp_path)

    kept = "".join(str(path) + path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert token not in kept
    assert is_unused(tmp_path, token)

    forget_tokens(tmp_path)
    assert not use_token(tmp_path, token)


def test_signing_out_ends_the_session(signed_in: Client) -> None:
    assert signed_in.post("/logout/").status_code == 200

    assert signed_in.get("/").status_code == 302


def test_the_page_shows_batches_and_what_needs_a_person(signed_in: Client) -> None:
    make_batch("ACC1", status=Status.DONE)
    waiting = make_batch(
        UID, status=Status.DONEPROCESSING, stage=Stage.CLEAN_UP, held=HELD_PERSON, excluded=1
    )
    add_unreadable(waiting, nr=4, file="notes.txt")

    page = signed_in.get("/").content.decode()

    for words in (UID, "ACC1", "NOT_DICOM", "notes.txt", f"sendit resolve {waiting.pk}"):
        assert words in page
    assert page.index("Needs a person") < page.index("ACC1")


def test_an_empty_installation_says_what_to_do(signed_in: Client) -> None:
    page = signed_in.get("/").content.decode()

    assert "Nothing has come in yet" in page
    assert "Nobody is at work" in page


def test_names_are_shown_as_text(signed_in: Client) -> None:
    make_batch("<script>alert(1)</script>", status=Status.DONE)

    for path in ("/", "/batches/"):
        page = signed_in.get(path).content
        assert b"<script>alert" not in page
        assert b"&lt;script&gt;alert" in page


def test_the_page_costs_the_same_for_few_and_for_many(
    signed_in: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(60):
        waiting = number % 3 == 0
        batch = make_batch(
            f"B{number}",
            status=Status.ERROR if waiting else Status.DONE,
            stage=Stage.SEND if waiting else "",
        )
        if waiting:
            add_unreadable(batch, nr=9, file="f")

    for path, most in (("/", 26), ("/batches/", 14)):
        with django_assert_max_num_queries(most):
            page = signed_in.get(path).content.decode()

    assert "Page 1 of 2" in page


@pytest.mark.parametrize("page", ["0", "-1", "999999999999999999999", "x", ""])
def test_any_page_number_is_answered(signed_in: Client, page: str) -> None:
    make_batch(UID, status=Status.DONE)

    assert signed_in.get("/", {"page": page}).status_code == 200


@pytest.mark.usefixtures("configuration")
@pytest.mark.parametrize("path", ["/healthz", "/healthz/", "/readyz", "/readyz/"])
def test_health_needs_no_login_and_tells_no_detail(client: Client, path: str) -> None:
    answer = client.get(path)

    assert (answer.status_code, answer.content) == (200, b"ok\n")


def test_a_volume_that_is_not_mounted_is_not_ready(
    configuration: Configuration, client: Client
) -> None:
    (configuration.settings.work_dir / "clean" / ".sendit-volume").unlink()

    answer = client.get("/readyz")

    assert (answer.status_code, answer.content) == (503, b"not ready\n")
    assert client.get("/healthz").status_code == 200


def test_pages_without_the_field_key_are_not_ready(
    configuration: Configuration, client: Client
) -> None:
    key_file = configuration.settings.keys.field_file
    key_file.rename(key_file.with_suffix(".away"))

    answer = client.get("/readyz")

    assert (answer.status_code, answer.content) == (503, b"not ready\n")
    key_file.with_suffix(".away").rename(key_file)
    assert client.get("/readyz").status_code == 200


def test_an_answer_loads_nothing_foreign_and_is_kept_nowhere(signed_in: Client) -> None:
    headers = signed_in.get("/").headers

    assert headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"


@pytest.mark.usefixtures("configuration")
@pytest.mark.parametrize(
    "answer",
    [
        lambda: HttpResponse(b"1234", headers={"Content-Length": "4"}),
        lambda: StreamingHttpResponse([b"12", b"34"], headers={"Content-Length": "4"}),
    ],
    ids=["whole", "streamed"],
)
def test_head_is_handed_no_body_which_the_server_would_complain_of(
    answer: Callable[[], HttpResponseBase],
) -> None:
    given = HeadersMiddleware(lambda _: answer())(RequestFactory().head("/"))

    assert b"".join(given) == b""
    assert given.headers["Content-Length"] == "4"


def test_an_unknown_address_is_answered_in_plain_words(client: Client) -> None:
    answer = client.get("/nothing/here/")

    assert answer.status_code == 404
    assert "There is no such page" in answer.content.decode()


def test_a_failure_shows_no_trace(signed_in: Client, configuration: Configuration) -> None:
    make_batch(UID, status=Status.DONE)
    field_key = configuration.settings.keys.field_file
    field_key.write_bytes(b"x" * 44)
    signed_in.raise_request_exception = False

    page = signed_in.get("/")

    assert page.status_code in (200, 500)
    assert "Traceback" not in page.content.decode()


@pytest.mark.usefixtures("configuration")
def test_a_database_that_does_not_answer_is_not_called_a_fault_of_ours(signed_in: Client) -> None:
    def cut(*_: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    signed_in.raise_request_exception = False
    with connection.execute_wrapper(cut):
        page, data = signed_in.get("/"), signed_in.get("/api/batches")

    assert (page.status_code, page.headers["Retry-After"]) == (503, "10")
    assert "Try again in a moment" in page.content.decode()
    assert (data.status_code, data.json()["code"]) == (503, "NOT_NOW")


@pytest.mark.parametrize(
    ("columns", "tone", "todo"),
    [
        ({"status": Status.DONE}, "good", ""),
        ({"status": Status.EMPTY, "n_images": 0}, "quiet", ""),
        ({"status": Status.QUEUE, "stage": Stage.IMPORT, "n_images": 0}, "waiting", ""),
        ({"status": Status.PROCESSING, "stage": Stage.DEIDENTIFY}, "busy", ""),
        ({"status": Status.ERROR, "stage": Stage.SEND}, "bad", "sendit retry"),
        (
            {"status": Status.DONEPROCESSING, "stage": Stage.SEND, "held": HELD_MANUAL},
            "waiting",
            "sendit upload_finished",
        ),
        ({"status": Status.DONEPROCESSING, "stage": Stage.SEND, "held": HELD_STATIC}, "good", ""),
        (
            {"status": Status.DONEPROCESSING, "stage": Stage.CLEAN_UP, "held": HELD_PERSON},
            "bad",
            "sendit resolve",
        ),
        (
            {"status": Status.ERROR, "stage": Stage.CLEAN_UP, "turned_down": True},
            "quiet",
            "",
        ),
    ],
    ids=["done", "empty", "queue", "processing", "error", "manual", "static", "person", "rejected"],
)
@pytest.mark.usefixtures("configuration")
def test_a_batch_stands_for_what_a_person_has_to_do(
    columns: dict[str, object], tone: str, todo: str
) -> None:
    batch = make_batch(UID, **columns)  # type: ignore[arg-type]

    stands = standing(batch, now=NOW)

    assert stands.tone == tone
    assert stands.todo.startswith(todo)
    assert bool(stands.todo) == bool(todo)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"alerts": [{"code": "EMPTY_FOLDER"}]}, "the folder held no file"),
        ({"unreadable": 1}, "no usable image was in the folder"),
        ({"excluded": 2}, "every image was left out by the filters"),
    ],
    ids=["empty-folder", "unreadable", "filters"],
)
@pytest.mark.usefixtures("configuration")
def test_an_empty_batch_says_why(columns: dict[str, object], words: str) -> None:
    batch = make_batch(UID, status=Status.EMPTY, n_images=0, **columns)  # type: ignore[arg-type]

    assert standing(batch, now=NOW).words == f"Nothing to send: {words}."


def test_a_target_that_is_away_is_shown_as_such(signed_in: Client) -> None:
    make_batch("a", status=Status.DONE, project="demo")
    receipt = signed_in.get("/targets/").content.decode()

    until = datetime.now(UTC) + timedelta(minutes=5)
    TargetHealth.objects.create(project="demo", target="out", failures=5, open_until=until)
    away = signed_in.get("/targets/").content.decode()

    assert "Everything that was sent is proven." in receipt
    assert "2 instances in /data/out" in receipt
    assert "Does not answer; asked again at" in away


def test_what_a_rejected_batch_did_not_deliver_is_no_failure_of_its_target(
    signed_in: Client, configuration: Configuration
) -> None:
    batch = make_batch("a", status=Status.ERROR, stage=Stage.SEND, project="demo")
    failed = Delivery.objects.create(batch=batch, target="out", state=DeliveryState.FAILED)
    project = configuration.projects["demo"]

    def failures() -> tuple[int, int, bool]:
        told = health_of(project, project.targets[0], now=NOW)
        page = signed_in.get("/targets/").content.decode()
        return told.failed, told.waiting, "1 delivery failed." in page

    before = failures()
    Batch.objects.filter(pk=batch.pk).update(turned_down=True, stage=Stage.CLEAN_UP)
    after = failures()
    Delivery.objects.filter(pk=failed.pk).update(state=DeliveryState.PENDING)

    assert (before, after, failures()) == ((1, 0, True), (0, 0, False), (0, 0, False))


@pytest.mark.parametrize(
    ("left", "mark", "told"),
    [(1, "recalled, copies left", "1 left there"), (0, "recalled", "none is left")],
    ids=["copies-left", "all-gone"],
)
def test_a_delivery_that_was_recalled_is_not_shown_as_verified(
    signed_in: Client, left: int, mark: str, told: str
) -> None:
    batch = make_batch(UID, status=Status.DONE)
    add_recall(batch, instances=3, left=left)
    shape = "bad" if left else "quiet"

    listed = signed_in.get("/batches/").content.decode()
    page = signed_in.get(f"/batch/{batch.pk}/").content.decode()

    for answer in (listed, page):
        assert f'<b class="{shape}"><svg class="icon" aria-hidden="true">' in answer
        assert f"{mark}</b>" in answer
        assert "verified</b>" not in answer
    assert f"Recalled 2026-05-04 10:15:00: 3 instances, {told}." in page
    assert (f"sendit recall --batch {batch.pk}" in page) == bool(left)


def test_copies_that_a_recall_left_behind_need_a_person(signed_in: Client) -> None:
    add_recall(make_batch("ACC-GONE", status=Status.DONE), instances=2, left=0)
    add_recall(make_batch("ACC-LEFT", status=Status.DONE), instances=2, left=2)

    found = signed_in.get("/batches/?errors=person").content.decode()

    assert "1 batch found" in found
    assert "ACC-LEFT" in found
    assert "(1) sendit</title>" in signed_in.get("/").content.decode()


def test_a_delivery_of_what_was_there_already_says_so(signed_in: Client) -> None:
    batch = make_batch(UID, status=Status.DONE)
    Delivery.objects.filter(batch=batch).update(
        receipt={"location": "/data/out", "n_instances": 0, "there_already": 2, "digests": {}}
    )

    page = signed_in.get(f"/batch/{batch.pk}/").content.decode()

    assert "0 instances in <code>/data/out</code>, 2 were there already" in page


def test_the_stage_at_which_a_batch_stopped_is_told_in_words(signed_in: Client) -> None:
    batch = make_batch(UID, status=Status.ERROR, stage=Stage.DEIDENTIFY)

    page = signed_in.get(f"/batch/{batch.pk}/").content.decode()

    assert "stopped here, 1 run" in page
    assert page.count(", done</span>") == 2


def test_what_only_an_optional_target_lacks_asks_for_no_retry(signed_in: Client) -> None:
    batch = make_batch(UID, status=Status.DONE)
    alert = NewFinding(
        "TARGET_UNAVAILABLE", "It is tried again.", Stage.SEND, severity=Finding.ALERT
    )
    note(batch.pk, [alert], now=NOW)

    page = signed_in.get(f"/batch/{batch.pk}/").content.decode()

    assert "See whether the target is well" in page
    assert "the tries were used up" not in page
    assert 'class="wash"' not in page


def test_one_gets_to_the_ends_of_a_long_list_at_once(signed_in: Client) -> None:
    for number in range(160):
        make_batch(f"B{number}", status=Status.QUEUE, stage=Stage.IMPORT, n_images=0)

    first, third = (
        signed_in.get(f"/batches/?status=QUEUE&page={number}").content.decode() for number in (1, 3)
    )

    assert 'href="?status=QUEUE&amp;page=4">Last</a>' in first
    assert ">First</a>" not in first
    assert 'href="?status=QUEUE&amp;page=1">First</a>' in third
    assert ">Last</a>" not in third


def test_of_a_project_that_sends_images_as_they_are_nothing_else_is_said(
    signed_in: Client, installation: Installation, settings: Settings
) -> None:
    installation.write_project(
        'anonymize = false\n[[targets]]\nname = "out"\nkind = "folder"\npath = "../out"\n'
        "accepts_identified = true\n"
    )
    settings.SENDIT = installation.configuration()
    batch = make_batch(UID, status=Status.DONE, profile=make_profile("demo", anonymize=False))
    image = batch.images.first()
    batch.images.update(report={})

    project = signed_in.get("/projects/").content.decode()
    page = signed_in.get(f"/image/{image.pk}/").content.decode()

    assert "none: images stay as they are" in project
    assert "Nothing: this project sends images as they are." in page
    assert "no picture of what identifies" in page


@pytest.mark.parametrize("is_removed", [True, False])
def test_a_result_that_cannot_be_seen_is_called_removed_only_when_it_was(
    signed_in: Client, is_removed: bool
) -> None:
    status, stage = (Status.DONE, "") if is_removed else (Status.DONEPROCESSING, Stage.SEND)
    image = make_batch(UID, status=status, stage=stage).images.first()

    page = signed_in.get(f"/image/{image.pk}/").content.decode()

    assert ("The result was removed after its delivery" in page) == is_removed
    assert ("The result cannot be seen from here" in page) != is_removed
