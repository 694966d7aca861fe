"""Who gets what: every address and every role, and all that is not to be told."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from urllib.parse import parse_qs

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from sendit.config import Configuration
from sendit.records.models import Batch, Image
from sendit.records.people import Grant
from sendit.records.roles import Role
from sendit.terms import Stage, Status
from tests.support.batches import add_unreadable, make_batch
from tests.support.visitors import make_user, visitor

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("configuration")]
CANARY = "CANARY-ACC-77"
FILE = "canary-file.txt"
PASSWORD = "four-words-and-a-9"

PUBLIC = {"healthz", "readyz", "favicon.ico", "login", "login/TOKEN", "oidc", "oidc/back"}
NOTHING = "api/<path:rest>"
"""Every address of the API that is none."""
"""Addresses that answer without a login; all but the first three let people in."""
EVERYBODY = {Role.VIEWER, Role.OPERATOR, Role.REVIEWER, Role.REIDENTIFIER, Role.ADMIN}
RETRYING = {Role.OPERATOR, Role.ADMIN}
RESOLVING = {Role.OPERATOR, Role.REVIEWER, Role.ADMIN}
RELEASING = {Role.REVIEWER, Role.ADMIN}


@dataclass(frozen=True)
class Rule:
    """What one address answers."""

    allowed: set[Role]
    """Roles that get the first of ``good``; others get 403."""
    post: dict[str, str] | None = None
    good: tuple[int, ...] = (200,)
    json: bool = field(default=False)
    hidden: bool = field(default=False)
    """To those who may not, it is as if it were not there."""


RULES: dict[str, Rule] = {
    "": Rule(EVERYBODY),
    "batches": Rule(EVERYBODY),
    "batch/BATCH": Rule(EVERYBODY),
    "batch/BATCH/report": Rule(EVERYBODY),
    "batch/BATCH/do/retry": Rule(RETRYING, {}, (302,)),
    "batch/BATCH/do/accept": Rule(RESOLVING, {}, (302,)),
    "batch/BATCH/do/reject": Rule(RESOLVING, {}, (302,)),
    "batch/BATCH/do/release": Rule(RELEASING, {"reason": "seen"}, (409,)),
    "batch/BATCH/do/upload_finished": Rule(RETRYING, {}, (409,)),
    "image/IMAGE": Rule(EVERYBODY),
    "image/IMAGE/preview": Rule(EVERYBODY, None, (404,)),
    "image/IMAGE/compare": Rule({Role.REIDENTIFIER}, hidden=True),
    "image/IMAGE/original": Rule({Role.REIDENTIFIER}, None, (404,), hidden=True),
    "errors": Rule(EVERYBODY),
    "errors/retry": Rule(EVERYBODY, {"code": "NOT_DICOM", "stage": "import"}, (302,)),
    "projects": Rule(EVERYBODY),
    "targets": Rule(EVERYBODY),
    "settings": Rule(EVERYBODY),
    "logout": Rule(EVERYBODY, {}),
    "api": Rule(EVERYBODY),
    "api/docs": Rule(EVERYBODY, None, (302,)),
    "api/schema": Rule(EVERYBODY),
    "api/batches": Rule(EVERYBODY),
    "api/batches/BATCH": Rule(EVERYBODY),
    "api/batches/BATCH/retry": Rule(RETRYING, {}, json=True),
    "api/batches/BATCH/resolve": Rule(RESOLVING, {"decision": "accept"}, json=True),
    "api/batches/BATCH/release": Rule(RELEASING, {"reason": "seen"}, (409,), json=True),
    "api/batches/BATCH/upload_finished": Rule(RETRYING, {}, (409,), json=True),
    "api/images": Rule(EVERYBODY),
    "api/images/IMAGE": Rule(EVERYBODY),
    "api/metrics": Rule(EVERYBODY),
    "api/metrics/gb": Rule(EVERYBODY),
    "api/metrics/gb/7": Rule(EVERYBODY),
}


@pytest.fixture
def stopped() -> Batch:
    """Return a batch that can be retried, accepted and rejected."""
    batch = make_batch(CANARY, status=Status.ERROR, stage=Stage.SEND)
    add_unreadable(batch, nr=9, file=FILE)
    return batch


def ask(client: Client, path: str, rule: Rule, batch: Batch) -> int:
    image = Image.objects.filter(batch=batch).order_by("nr").first()
    assert image is not None
    address = "/" + path.replace("BATCH", str(batch.pk)).replace("IMAGE", str(image.pk))
    if rule.post is None:
        return client.get(address).status_code
    kind = {"content_type": "application/json"} if rule.json else {}
    return client.post(address, rule.post, **kind).status_code


def addresses() -> set[str]:
    """Return every address that Django answers, with our words for its parameters."""

    def walk(patterns: list[URLPattern | URLResolver], before: str) -> set[str]:
        found: set[str] = set()
        for one in patterns:
            route = before + str(one.pattern)
            found |= walk(one.url_patterns, route) if isinstance(one, URLResolver) else {route}
        return found

    named = {
        route.replace("batch/<number:number>", "batch/BATCH")
        .replace("batches/<number:number>", "batches/BATCH")
        .replace("image/<number:number>", "image/IMAGE")
        .replace("images/<number:number>", "images/IMAGE")
        .replace("<str:days>", "7")
        .replace("<token>", "TOKEN")
        for route in walk(get_resolver().url_patterns, "")
    }
    return {route.rstrip("/") for route in named}


def test_every_address_is_walked() -> None:
    ours = {path for path in RULES if "/do/" not in path} | PUBLIC

    assert {path for path in addresses() if "<slug:action>" not in path} - {NOTHING} == ours


@pytest.mark.parametrize("path", sorted(RULES))
def test_every_role_gets_what_it_may(path: str) -> None:
    rule = RULES[path]
    for role in Role:
        batch = make_batch(f"{CANARY}-{role}", status=Status.ERROR, stage=Stage.SEND)
        add_unreadable(batch, nr=9, file=FILE)
        client = visitor(f"all-{role}", role)

        refused = (404,) if rule.hidden else (403,)
        expected = rule.good if role in rule.allowed else refused
        assert ask(client, path, rule, batch) in expected, (path, role)


@pytest.mark.parametrize("path", [path for path in sorted(RULES) if path])
def test_without_a_role_or_for_another_project_nothing_is_there(path: str, stopped: Batch) -> None:
    rule = RULES[path]
    for number, client in enumerate((visitor("nobody"), visitor("other", *Role, project="irb-2"))):
        answer = ask(client, path, rule, stopped)

        if "BATCH" in path or "IMAGE" in path:
            assert answer == 404, number
        else:
            assert answer in (200, 302), number
    stopped.refresh_from_db()
    assert stopped.status == Status.ERROR


@pytest.mark.parametrize("path", sorted(RULES))
def test_without_a_login_nothing_is_answered(path: str, stopped: Batch) -> None:
    rule = RULES[path]
    for_programs = path.startswith("api/") and path != "api/docs"
    closed = 401 if for_programs else 302 if rule.post is None and path != "logout" else 403
    assert ask(Client(), path, rule, stopped) == closed
    stopped.refresh_from_db()
    assert stopped.status == Status.ERROR


@pytest.mark.parametrize("path", ["/", "/batch/1", "/batches/?project=a%26b&page=2", "/api/"])
def test_without_a_login_a_page_leads_to_the_sign_in_and_back(path: str) -> None:
    answer = Client().get(path)

    there, _, query = answer.headers["Location"].partition("?")
    assert (answer.status_code, there) == (302, "/login/")
    assert parse_qs(query) == {"next": [path]}
    page = Client().get(answer.headers["Location"]).content.decode()
    assert f'name="next" value="{escape(path)}"' in page


def test_a_page_that_looks_again_by_itself_is_not_led_away() -> None:
    assert Client().get("/", headers={"HX-Request": "true"}).status_code == 403


@pytest.mark.parametrize("path", ["", "batches", "errors", "targets", "projects", "settings"])
def test_a_page_of_lists_names_nothing_of_another_project(path: str, stopped: Batch) -> None:
    page = visitor("other", *Role, project="irb-2").get(f"/{path}").content.decode()

    for word in (CANARY, FILE, "NOT_DICOM", "irb-1"):
        assert word not in page


def test_names_of_files_are_for_those_with_the_right(stopped: Batch) -> None:
    image = Image.objects.filter(batch=stopped).first()
    assert image is not None
    for role in Role:
        client = visitor(f"user-{role}", role)
        pages = "".join(
            client.get(path).content.decode()
            for path in ("/", f"/batch/{stopped.pk}", f"/image/{image.pk}", "/errors")
        )
        assert CANARY in pages
        assert (FILE in pages) == (role == Role.REIDENTIFIER), role
        assert ("secret-1" in pages) == (role == Role.REIDENTIFIER), role


def test_the_configuration_is_for_admins_of_the_whole_installation(
    configuration: Configuration,
) -> None:
    work_dir = str(configuration.settings.work_dir)

    assert work_dir in visitor("admin", Role.ADMIN).get("/settings").content.decode()
    for client in (
        visitor("operator", Role.OPERATOR),
        visitor("one", Role.ADMIN, project="irb-1"),
    ):
        assert work_dir not in client.get("/settings").content.decode()


def test_the_configuration_is_shown_without_secrets(
    configuration: Configuration, settings: object
) -> None:
    page = visitor("admin", Role.ADMIN).get("/settings").content.decode()

    assert configuration.settings.database.url.get_secret_value() not in page
    assert "is set; not shown" in page


def test_a_report_names_nobody(stopped: Batch) -> None:
    client = visitor("viewer", Role.VIEWER)
    for query in ("", "?format=json"):
        answer = client.get(f"/batch/{stopped.pk}/report{query}")
        assert answer.headers["Content-Disposition"].startswith("attachment")
        for word in (CANARY, FILE, "secret-1"):
            assert word not in answer.content.decode()


def test_a_revoked_role_is_gone_at_once(stopped: Batch) -> None:
    client = visitor("viewer", Role.VIEWER)
    assert client.get(f"/batch/{stopped.pk}/").status_code == 200

    Grant.objects.all().delete()

    assert client.get(f"/batch/{stopped.pk}/").status_code == 404


def test_a_disabled_user_is_out_at_once(stopped: Batch) -> None:
    client = visitor("viewer", Role.VIEWER)

    User.objects.update(is_active=False)

    assert client.get("/").status_code == 302


# Signing in


@pytest.fixture
def maria() -> User:
    user = make_user("maria", Role.VIEWER)
    User.objects.filter(pk=user.pk).update(password=make_password(PASSWORD))
    return user


def sign_in(client: Client, password: str, **more: str) -> object:
    return client.post("/login/", {"username": "maria", "password": password, **more})


@pytest.mark.usefixtures("maria")
def test_a_name_and_its_password_let_in(client: Client) -> None:
    first = client.get("/batches/")
    answer = client.post(
        "/login/", {"username": "maria", "password": PASSWORD, "next": "/batches/"}
    )

    assert first.headers["Location"] == "/login/?next=%2Fbatches%2F"
    assert (answer.status_code, answer.headers["Location"]) == (302, "/batches/")
    assert client.get("/").status_code == 200


@pytest.mark.usefixtures("maria")
@pytest.mark.parametrize(
    "onward", ["https://example.org/", "//example.org", "javascript:alert(1)", "/\\example.org"]
)
def test_nobody_is_sent_to_another_site(client: Client, onward: str) -> None:
    answer = client.post("/login/", {"username": "maria", "password": PASSWORD, "next": onward})

    assert answer.headers["Location"] == "/"


@pytest.mark.usefixtures("maria")
def test_guessing_is_stopped_also_with_the_right_password(client: Client) -> None:
    said = []
    for number in range(5):
        answer = client.post("/login/", {"username": "maria", "password": f"guess-{number}"})
        said.append(answer.status_code)
    right = client.post("/login/", {"username": "maria", "password": PASSWORD})
    other = client.post("/login/", {"username": "somebody", "password": "x"})

    assert said[:4] == [403] * 4
    assert (said[4], right.status_code, other.status_code) == (429, 429, 403)
    assert "Too many tries" in right.content.decode()


@pytest.mark.usefixtures("maria")
@pytest.mark.parametrize("name", ["maria", "nobody", "local", "mar\0ia", "m" * 10_000, ""])
def test_a_wrong_name_and_a_wrong_password_look_alike(client: Client, name: str) -> None:
    answer = client.post("/login/", {"username": name, "password": "wrong"})

    assert answer.status_code == 403
    assert "do not belong together" in answer.content.decode()
    assert "wrong" not in re.sub(r"<[^>]*>", "", answer.content.decode())


@pytest.mark.usefixtures("maria")
def test_a_session_gets_a_new_name_when_somebody_signs_in(client: Client) -> None:
    client.get("/")
    before = client.cookies.get("sendit_session")

    client.post("/login/", {"username": "maria", "password": PASSWORD})

    assert before is None or client.cookies["sendit_session"].value != before.value


def test_a_new_password_ends_every_session(maria: User, client: Client) -> None:
    client.post("/login/", {"username": "maria", "password": PASSWORD})
    assert client.get("/").status_code == 200

    User.objects.filter(pk=maria.pk).update(password=make_password("another-one-of-9"))

    assert client.get("/").status_code == 302


@pytest.mark.usefixtures("maria")
def test_a_form_from_another_site_is_refused(stopped: Batch) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("op", Role.ADMIN), "django.contrib.auth.backends.ModelBackend")

    assert client.post(f"/batch/{stopped.pk}/do/retry").status_code == 403
    assert client.post("/login/", {"username": "a", "password": "b"}).status_code == 403


@pytest.mark.usefixtures("maria")
def test_sessions_that_have_ended_are_kept_no_longer(client: Client) -> None:
    Session.objects.create(session_key="a" * 32, expire_date=datetime(2020, 1, 1, tzinfo=UTC))

    sign_in(client, PASSWORD)

    assert Session.objects.count() == 1
    assert not Session.objects.filter(session_key="a" * 32).exists()


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("batch/BATCH/do/retry", "/batch/BATCH/"),
        ("batch/BATCH/do/reject/", "/batch/BATCH/"),
        ("errors/retry", "/errors/"),
        ("logout/", "/"),
    ],
)
def test_the_address_of_a_button_leads_back_and_does_nothing(
    stopped: Batch, path: str, there: str
) -> None:
    client = visitor("admin", Role.ADMIN)

    answer = client.get("/" + path.replace("BATCH", str(stopped.pk)))

    assert answer.status_code == 302
    assert answer.headers["Location"] == there.replace("BATCH", str(stopped.pk))
    stopped.refresh_from_db()
    assert stopped.status == Status.ERROR
    assert client.get("/").status_code == 200


# Addresses of the original


def test_where_resources_were_listed_leads_to_their_description(client: Client) -> None:
    client = visitor("viewer", Role.VIEWER)

    for path in ("/api/docs", "/api/docs/"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/api/")


def test_the_icon_is_found_in_its_old_place(client: Client) -> None:
    answer = client.get("/favicon.ico")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/static/web/icon.svg")
