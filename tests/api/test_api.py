"""The API: shapes, filters, pages, decisions, errors; and who gets what."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sendit.config import Configuration
from sendit.records.models import Batch, Image
from sendit.records.people import ApiToken
from sendit.records.roles import Role, Scope
from sendit.terms import Stage, Status, Verdict
from tests.support.batches import add_recall, add_unreadable, make_batch, make_profile
from tests.support.visitors import bearer, make_user, visitor

pytestmark = pytest.mark.django_db
CANARY = "CANARY-ACC-77"
EVERYTHING = (Role.ADMIN, Role.REIDENTIFIER)


@pytest.fixture
def admin() -> Client:
    return visitor("admin", *EVERYTHING)


def get(client: Client, path: str, **headers: str) -> Any:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.content
    return answer.json()


def stopped(uid: str = "ACC1", **columns: object) -> Batch:
    return make_batch(uid, status=Status.ERROR, stage=Stage.SEND, **columns)


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    "path",
    [
        *("", "schema", "batches", "batches/{}", "images", "images/{}", "metrics", "metrics/gb/3"),
        *("batches/99", "images/99", "nothing", "batches/{}/retry", "metrics/gb"),
    ],
)
def test_head_answers_as_get_does_without_the_body(admin: Client, path: str, slash: str) -> None:
    batch = make_batch("B1", status=Status.DONE)
    address = f"/api/{path.format(batch.pk)}{slash if path else ''}"

    with_body, without = admin.get(address), admin.head(address)

    assert without.status_code == with_body.status_code
    assert without.content == b""
    assert without.headers.keys() == with_body.headers.keys()
    assert without.headers.get("ETag") == with_body.headers.get("ETag")


@pytest.mark.parametrize("slash", ["", "/"])
def test_lists_have_count_next_previous_and_results(admin: Client, slash: str) -> None:
    batches = [make_batch(f"B{n}", status=Status.DONE) for n in range(12)]

    first = get(admin, f"/api/batches{slash}")
    second = get(admin, first["next"])

    assert first.keys() == {"count", "next", "previous", "results"}
    assert (first["count"], first["previous"], len(first["results"])) == (12, None, 10)
    assert (second["next"], len(second["results"])) == (None, 2)
    numbers = [row["id"] for row in first["results"] + second["results"]]
    assert numbers == [batch.pk for batch in reversed(batches)]


def test_a_batch_is_told_as_status_tells_it(admin: Client) -> None:
    batch = make_batch(CANARY, status=Status.DONEPROCESSING, stage=Stage.CLEAN_UP)
    add_unreadable(batch, nr=9, file="notes.txt")

    told = get(admin, f"/api/batches/{batch.pk}")

    assert told["id"] == told["batch"] == batch.pk
    assert told["uid"] == CANARY
    assert told["images"] == {
        "NEW": 0, "PROCESSING": 0, "DONEPROCESSING": 2, "SENT": 0, "DONE": 0,
    }  # fmt: skip
    assert told["errors"][0]["file"] == "notes.txt"
    assert {"created", "modified", "deliveries", "alerts", "held", "bytes"} <= told.keys()


def test_a_delivery_that_was_recalled_says_so(admin: Client) -> None:
    batch = make_batch(CANARY, status=Status.DONE)
    add_recall(batch, instances=3, left=0)

    (delivery,) = get(admin, f"/api/batches/{batch.pk}")["deliveries"]

    assert delivery["state"] == "verified"
    assert delivery["recalled"] == {"time": "2026-05-04T10:15:00Z", "instances": 3, "left": 0}


def test_names_of_files_are_for_those_with_the_right(admin: Client) -> None:
    batch = make_batch(CANARY, status=Status.DONEPROCESSING, stage=Stage.CLEAN_UP)
    add_unreadable(batch, nr=9, file="notes.txt")

    told = get(visitor("viewer", Role.VIEWER), f"/api/batches/{batch.pk}")

    assert told["errors"][0]["code"] == "NOT_DICOM"
    assert told["errors"][0]["file"] is None


def test_an_image_shows_its_new_uid_only(admin: Client) -> None:
    batch = make_batch(CANARY, status=Status.DONE, excluded=1)
    done, excluded = Image.objects.filter(batch=batch, nr__in=[1, 3]).order_by("nr")

    one, other = (get(admin, f"/api/images/{image.pk}/") for image in (done, excluded))

    assert one.keys() == {
        "id", "uid", "status", "verdict", "reason", "batch", "created", "modified",
    }  # fmt: skip
    assert one["uid"] == done.sop_instance_uid
    assert (other["uid"], other["verdict"], other["reason"]) == (None, "EXCLUDED", "MODALITY")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=DONE", ["c", "a"]),
        ("project=irb-2", ["c"]),
        ("has_error=true", ["b"]),
        ("has_error=False&status=DONE", ["c", "a"]),
        ("ordering=status", ["a", "c", "b"]),
        ("ordering=-status", ["b", "c", "a"]),
        ("ordering=id", ["a", "b", "c"]),
        ("status=EMPTY", []),
    ],
)
def test_batches_are_filtered_and_ordered(admin: Client, query: str, found: list[str]) -> None:
    make_batch("a", status=Status.DONE)
    make_batch("b", status=Status.ERROR, stage=Stage.SEND, has_error=True)
    make_batch("c", status=Status.DONE, project="irb-2")

    assert [row["uid"] for row in get(admin, f"/api/batches?{query}")["results"]] == found


def test_images_are_filtered(admin: Client) -> None:
    batch = make_batch("a", status=Status.DONE)
    make_batch("b", status=Status.ERROR, stage=Stage.SEND, project="irb-2")

    for query in ("status=DONE", f"batch={batch.pk}", "project=irb-1"):
        found = get(admin, f"/api/images?{query}")
        assert {row["batch"] for row in found["results"]} == {batch.pk}
        assert found["count"] == 2


@pytest.mark.parametrize("ordering", ["id", "created", "modified", "status"])
def test_images_are_ordered(admin: Client, ordering: str) -> None:
    for name in "ab":
        make_batch(name, status=Status.DONE)

    up = [row[ordering] for row in get(admin, f"/api/images?ordering={ordering}")["results"]]
    down = [row[ordering] for row in get(admin, f"/api/images?ordering=-{ordering}")["results"]]

    assert len(up) == 4
    assert up == sorted(up)
    assert down == up[::-1]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("page=0", 400),
        ("page=x", 400),
        ("page=2", 404),
        ("page=99999999999999999999999", 404),
        ("page_size=0", 400),
        ("page_size=-1", 400),
        ("status=NOPE", 400),
        ("has_error=maybe", 400),
        ("ordering=uid", 400),
        ("project=%00", 400),
        ("page_size=999999", 200),
    ],
)
@pytest.mark.parametrize("what", ["batches", "images"])
def test_a_query_that_makes_no_sense_is_refused_in_plain_words(
    admin: Client, what: str, query: str, status: int
) -> None:
    make_batch("a", status=Status.DONE)

    answer = admin.get(f"/api/{what}?{query}")

    assert answer.status_code == status
    if status != 200:
        assert answer.json().keys() == {"message", "code"}


def test_a_page_holds_at_most_a_hundred(admin: Client) -> None:
    make_batch("a", status=Status.DONE, n_images=105)

    assert len(get(admin, "/api/images?page_size=1000")["results"]) == 100


def test_metrics_have_the_names_of_the_original(
    admin: Client, configuration: Configuration
) -> None:
    make_batch("a", status=Status.DONE)
    make_batch("b", status=Status.QUEUE, stage=Stage.IMPORT, n_images=0)
    inbox = configuration.settings.inboxes[0].path
    (inbox / "waiting").mkdir()

    told = get(admin, "/api/metrics")

    assert told.keys() == {"timestamp", "data_root", "data_total", "batches"}
    assert told["data_root"] == str(inbox)
    assert told["data_total"] == 1
    assert told["batches"] == {"SEEN": 2, "SENT": 1, "EMPTY": 0, "QUEUE": 1}


@pytest.mark.parametrize("path", ["gb", "gb/", "gb/7", "gb/7/"])
def test_volume_by_day(admin: Client, path: str) -> None:
    make_batch("a", status=Status.DONE, finished=datetime.now(UTC), bytes=14 * 10**9)

    told = get(admin, f"/api/metrics/{path}")

    assert (told["gb_per_day"], told["days"]) == (2.0, 7)


@pytest.mark.parametrize("days", ["0", "-1", "x", "1.5", "9" * 30, "٣"])
def test_days_that_make_no_sense_are_refused(admin: Client, days: str) -> None:
    answer = admin.get(f"/api/metrics/gb/{days}/")

    assert answer.status_code == 400
    assert answer.json()["code"] == "INVALID"


# Decisions


def post(client: Client, path: str, body: object = None, **headers: str) -> Any:
    return client.post(
        path, json.dumps({} if body is None else body), "application/json", headers=headers
    )


def test_a_stopped_batch_is_retried_with_the_version_that_was_seen(admin: Client) -> None:
    batch = stopped()
    etag = admin.get(f"/api/batches/{batch.pk}").headers["ETag"]

    answer = post(admin, f"/api/batches/{batch.pk}/retry", **{"If-Match": etag})

    batch.refresh_from_db()
    assert answer.status_code == 200, answer.content
    assert answer.json()["status"] == batch.status == Status.DONEPROCESSING
    assert answer.headers["ETag"] != etag


@pytest.mark.parametrize("tag", ['"0123"', "x", '"a", "b"', 'W/"1"', '"'])
def test_a_batch_that_has_changed_is_left_alone(admin: Client, tag: str) -> None:
    batch = stopped()

    answer = post(admin, f"/api/batches/{batch.pk}/retry/", **{"If-Match": tag})

    batch.refresh_from_db()
    assert (answer.status_code, answer.json()["code"]) == (412, "CHANGED")
    assert batch.status == Status.ERROR


def test_what_is_not_possible_is_a_conflict(admin: Client) -> None:
    batch = make_batch("a", status=Status.DONE)

    for action, body in (
        ("retry", {}),
        ("resolve", {"decision": "accept"}),
        ("release", {"reason": "looked at"}),
        ("upload_finished", {}),
    ):
        answer = post(admin, f"/api/batches/{batch.pk}/{action}", body, **{"If-Match": "*"})
        assert (answer.status_code, answer.json()["code"]) == (409, "NOT_POSSIBLE"), action


def test_errors_are_accepted_and_who_did_it_is_kept(admin: Client) -> None:
    batch = make_batch("a", status=Status.DONEPROCESSING, stage=Stage.CLEAN_UP)
    add_unreadable(batch, nr=9, file="notes.txt")

    answer = post(
        admin, f"/api/batches/{batch.pk}/resolve", {"decision": "accept", "reason": "fine"}
    )

    told = answer.json()
    assert (answer.status_code, told["status"], told["has_error"]) == (200, "DONE", False)
    assert told["errors"][0]["resolved"] == "accepted: fine (admin)"


def test_held_images_are_released(admin: Client) -> None:
    batch = make_batch("a", status=Status.PROCESSING, stage=Stage.DEIDENTIFY)
    Image.objects.filter(batch=batch, nr=1).update(verdict=Verdict.HELD, reason="DOCUMENT")

    without = post(admin, f"/api/batches/{batch.pk}/release")
    released = post(admin, f"/api/batches/{batch.pk}/release", {"reason": "seen", "image": 1})

    assert (without.status_code, without.json()["code"]) == (400, "INVALID")
    assert released.status_code == 200
    assert Image.objects.get(batch=batch, nr=1).verdict == Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("{", "application/json", 400),
        ("[]", "application/json", 400),
        ("null", "application/json", 400),
        ('"x"', "application/json", 400),
        ("\xff", "application/json", 400),
        ("a=1", "application/x-www-form-urlencoded", 415),
        ('{"decision": "burn"}', "application/json", 400),
        ('{"decision": "accept", "reason": "\\u0000"}', "application/json", 400),
        ('{"decision": "accept", "reason": "\\ud800"}', "application/json", 400),
        ('{"decision": NaN}', "application/json", 400),
    ],
)
def test_a_body_that_makes_no_sense_is_refused(
    admin: Client, body: str, kind: str, status: int
) -> None:
    batch = stopped()

    answer = admin.post(f"/api/batches/{batch.pk}/resolve", body.encode("latin-1"), kind)

    assert answer.status_code == status
    assert answer.json().keys() == {"message", "code"}


def test_a_body_without_end_is_refused(admin: Client) -> None:
    batch = stopped()

    answer = admin.post(
        f"/api/batches/{batch.pk}/resolve", "x" * 3_000_000, content_type="application/json"
    )

    assert (answer.status_code, answer.json()["code"]) == (413, "TOO_LARGE")


def test_a_session_cannot_be_used_from_another_site() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("a", Role.ADMIN), "django.contrib.auth.backends.ModelBackend")
    batch = stopped()

    assert post(client, f"/api/batches/{batch.pk}/retry").status_code == 403
    batch.refresh_from_db()
    assert batch.status == Status.ERROR


# Access


@pytest.mark.parametrize(
    "path",
    [
        "batches",
        "batches/1",
        "images",
        "images/1",
        "metrics",
        "metrics/gb/7/",
        "schema",
        "batches/",
        "nix",
        "batches/x",
        "batches/1/nix",
        "images/99999999999999999999",
        "/",
    ],
)
def test_nothing_is_told_without_a_login(client: Client, path: str) -> None:
    answer = client.get(f"/api/{path}")

    assert answer.status_code == 401
    assert answer.json()["code"] == "NOT_SIGNED_IN"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("method", ["get", "post", "put", "delete", "patch", "head", "options"])
def test_what_is_there_and_what_is_not_look_alike_without_a_login(
    client: Client, method: str
) -> None:
    batch = make_batch("a", status=Status.DONE)
    there, not_there = (
        getattr(client, method)(f"/api/batches/{name}") for name in (batch.pk, "nix")
    )

    assert (there.status_code, there.content) == (not_there.status_code, not_there.content)
    assert there.status_code == 401
    assert dict(there.headers).keys() == dict(not_there.headers).keys()


@pytest.mark.parametrize(
    "header",
    [
        "Bearer x",
        "Bearer",
        "Bearer sendit_",
        "bearer a b c",
        "Bearer \xff\xfe",
        "Bearer " + "a" * 5000,
    ],
)
def test_a_broken_token_lets_nobody_in(client: Client, header: str) -> None:
    answer = client.get("/api/batches", headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer.json()["code"] == "BAD_TOKEN"


def test_a_token_reads_until_it_ends(client: Client) -> None:
    make_batch("a", status=Status.DONE)
    user = make_user("program", Role.VIEWER)
    good = bearer(user, Scope.READ)
    ended = bearer(user, Scope.READ, expires=datetime.now(UTC) - timedelta(seconds=1))
    revoked = bearer(user, Scope.READ)
    ApiToken.objects.filter(pk=ApiToken.objects.latest("pk").pk).update(revoked=datetime.now(UTC))

    assert get(client, "/api/batches", **good)["count"] == 1
    for header in (ended, revoked):
        assert client.get("/api/batches", headers=header).status_code == 401
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert client.get("/api/batches", headers=good).status_code == 401


def test_a_token_is_kept_as_digest_only(client: Client) -> None:
    header = bearer(make_user("program", Role.VIEWER), Scope.READ)
    token = ApiToken.objects.get()

    text = header["Authorization"].partition(" ")[2]
    assert text not in json.dumps({f.name: str(getattr(token, f.name)) for f in token._meta.fields})
    assert client.get("/api/batches", headers=header).status_code == 200
    token.refresh_from_db()
    assert token.used is not None


def test_a_token_may_no_more_than_its_scopes_and_its_owner(client: Client) -> None:
    batch = stopped()
    operator, viewer = make_user("operator", Role.OPERATOR), make_user("viewer", Role.VIEWER)
    path = f"/api/batches/{batch.pk}/retry"

    assert post(client, path, **bearer(operator, Scope.READ)).status_code == 403
    assert post(client, path, **bearer(viewer, Scope.READ, Scope.ACT)).status_code == 403
    assert post(client, path, **bearer(operator, Scope.ACT)).status_code == 200


def test_a_token_for_one_project_sees_no_other(client: Client) -> None:
    make_batch("a", status=Status.DONE)
    other = make_batch("b", status=Status.DONE, project="irb-2")
    header = bearer(make_user("admin2", Role.ADMIN), Scope.READ, project="irb-1")

    assert [row["uid"] for row in get(client, "/api/batches", **header)["results"]] == ["a"]
    assert client.get(f"/api/batches/{other.pk}", headers=header).status_code == 404


def test_another_projects_batch_is_as_if_it_were_not_there() -> None:
    make_profile("irb-2")
    other = stopped(CANARY, project="irb-2")
    image = Image.objects.filter(batch=other).first()
    assert image is not None
    client = visitor("one", Role.ADMIN, Role.REIDENTIFIER, project="irb-1")

    missing = client.get("/api/batches/999999")
    hidden = client.get(f"/api/batches/{other.pk}")

    assert (hidden.status_code, hidden.json()) == (404, missing.json())
    assert client.get(f"/api/images/{image.pk}").status_code == 404
    assert post(client, f"/api/batches/{other.pk}/retry").status_code == 404
    assert get(client, "/api/batches")["count"] == get(client, "/api/images")["count"] == 0
    assert get(client, "/api/metrics")["batches"]["SEEN"] == 0
    assert get(client, "/api/metrics/gb")["gb_per_day"] == 0


# Errors


@pytest.mark.parametrize("path", ["/api/nothing", "/api/batches/x", "/api/batches/" + "9" * 30])
def test_an_unknown_address_is_json(admin: Client, path: str) -> None:
    answer = admin.get(path)

    assert answer.status_code == 404
    assert answer.json() == {
        "message": "There is nothing here, or you may not see it.", "code": "NOT_FOUND",
    }  # fmt: skip


def test_a_wrong_method_is_json(admin: Client) -> None:
    answer = admin.delete("/api/batches")

    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")


def test_a_defect_shows_no_trace(admin: Client, configuration: Configuration) -> None:
    batch = make_batch(CANARY, status=Status.DONE)
    Batch.objects.filter(pk=batch.pk).update(errors=[{"no": "entry"}])
    admin.raise_request_exception = False

    answer = admin.get(f"/api/batches/{batch.pk}")

    assert answer.status_code == 500
    assert answer.json()["code"] == "INTERNAL"
    assert b"Traceback" not in answer.content
    assert CANARY.encode() not in answer.content


def test_the_description_names_every_address_once(admin: Client) -> None:
    answer = admin.get("/api/schema/?format=json")

    assert answer.status_code == 200, answer.content
    assert "/api/batches" in json.loads(answer.content)["paths"]
    assert admin.get("/api/schema/").content.startswith(b"openapi: 3")
    page = admin.get("/api/")
    assert page.status_code == 200
    for word in (b"swagger-ui", b"/static/drf_spectacular_sidecar"):
        assert word in page.content
    assert b"http://" not in page.content
    assert b"https://" not in page.content
