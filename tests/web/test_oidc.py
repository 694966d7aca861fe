"""In through a provider: who is let in, with which roles, and everything that lets nobody in."""

import json
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django.fixtures import Settings

from sendit.config import Configuration
from sendit.records import audit
from sendit.records.audit import verify
from sendit.records.audit_tables import AuditEntry
from sendit.records.people import Grant, ProviderAccount
from sendit.records.roles import Role
from sendit.web.oidc import PER_MINUTE
from tests.support.certificates import Authority
from tests.support.installation import INSTALLATION, Installation
from tests.support.oidc_provider import CLIENT, SECRET, OidcProvider
from tests.support.visitors import make_user

pytestmark = pytest.mark.django_db

SECTION = """
[oidc]
issuer = "{issuer}"
client_id = "{client}"
client_secret = "{secret}"
label = "Sign in with Example Hospital"
[[oidc.roles]]
group = "imaging"
role = "operator"
project = "demo"
[[oidc.roles]]
group = "privacy"
role = "re-identifier"
"""


def browser() -> Client:
    return Client(headers={"host": "localhost:8080"})


@pytest.fixture
def client() -> Client:
    return browser()


@pytest.fixture
def provider() -> Iterator[OidcProvider]:
    with OidcProvider().running() as one:
        yield one


@pytest.fixture
def configuration(
    provider: OidcProvider,
    installation: Installation,
    in_this_process: Configuration,
    settings: Settings,
    db: None,
) -> Configuration:
    audit.begin()
    section = SECTION.format(issuer=provider.issuer, client=CLIENT, secret=SECRET)
    installation.write_config(INSTALLATION + section)
    settings.SENDIT = installation.configuration()
    return settings.SENDIT


def ask_provider(address: str) -> tuple[int, str]:
    """Follow a browser to the provider; return the status and where it is sent on to."""
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.request("GET", f"{parts.path}?{parts.query}")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers.get("Location", "")


def begin(client: Client, onward: str = "") -> str:
    """Return the path and query with which the provider sends the browser back."""
    there = client.get("/oidc/", {"next": onward} if onward else {})
    assert there.status_code == 302, there.content.decode()
    status, back = ask_provider(there.headers["Location"])
    assert status == 302
    parts = urlsplit(back)
    assert parts.path == "/oidc/back/"
    return f"{parts.path}?{parts.query}"


def sign_in(client: Client, onward: str = "") -> Any:
    return client.get(begin(client, onward))


def is_in(client: Client) -> bool:
    return client.get("/").status_code == 200


def log_of() -> list[tuple[str, str, str]]:
    return list(AuditEntry.objects.order_by("number").values_list("actor", "action", "subject"))


def grants() -> set[tuple[str, str, str]]:
    return set(Grant.objects.values_list("user__username", "role", "project"))


@pytest.mark.usefixtures("configuration")
def test_the_page_that_asks_who_is_there_offers_the_provider(client: Client) -> None:
    page = client.get("/login/?next=/batches/%3Fq%3D1%26page%3D2").content.decode()

    assert "Sign in with Example Hospital" in page
    assert 'href="/oidc/?next=%2Fbatches%2F%3Fq%3D1%26page%3D2"' in page
    assert SECRET not in page


@pytest.mark.usefixtures("in_this_process")
def test_without_a_provider_there_is_neither_button_nor_address(client: Client) -> None:
    assert "/oidc" not in client.get("/login/").content.decode()
    for path in ("/oidc/", "/oidc", "/oidc/back/?code=1&state=2"):
        assert client.get(path).status_code == 404


@pytest.mark.usefixtures("configuration")
def test_the_provider_is_asked_with_state_nonce_and_proof_key(client: Client) -> None:
    there = client.get("/oidc/").headers["Location"]

    asked = {name: values[0] for name, values in parse_qs(urlsplit(there).query).items()}
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == "http://localhost:8080/oidc/back/"
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 20
    assert SECRET not in there


def test_a_member_of_a_group_comes_in_with_its_role(
    client: Client, configuration: Configuration
) -> None:
    answer = sign_in(client, "/batches/?number=1")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/batches/?number=1")
    assert is_in(client)
    assert grants() == {("maria", "operator", "demo")}
    assert log_of() == [("maria", "signed in", "provider")]
    assert verify(head_folder=configuration.settings.keys.site_file.parent) == 1
    assert not User.objects.get().has_usable_password()


@pytest.mark.usefixtures("configuration")
def test_roles_are_those_of_today(client: Client, provider: OidcProvider) -> None:
    sign_in(client)
    provider.person["groups"] = ["privacy"]
    sign_in(browser())

    assert grants() == {("maria", "re-identifier", "")}
    assert ProviderAccount.objects.count() == 1


@pytest.mark.usefixtures("configuration")
@pytest.mark.parametrize("groups", [["other"], [], None, {"imaging": 1}, 7, "other", [["imaging"]]])
def test_whose_groups_have_no_role_stays_out(
    client: Client, provider: OidcProvider, groups: object
) -> None:
    sign_in(browser())
    provider.person["groups"] = groups

    answer = sign_in(client)

    assert answer.status_code == 403
    assert "none of your groups has a role here" in answer.content.decode()
    assert not is_in(client)
    assert grants() == set()
    assert log_of()[-1] == ("maria", "sign-in refused", "provider")


@pytest.mark.usefixtures("configuration")
def test_a_disabled_account_stays_out(client: Client) -> None:
    sign_in(browser())
    User.objects.update(is_active=False)

    answer = sign_in(client)

    assert answer.status_code == 403
    assert "is disabled here" in answer.content.decode()
    assert not is_in(client)


@pytest.mark.usefixtures("configuration")
@pytest.mark.parametrize("name", ["maria", "MARIA", "local"])
def test_a_name_gives_nobody_the_account_of_somebody_else(
    client: Client, provider: OidcProvider, name: str
) -> None:
    make_user("maria", Role.ADMIN)
    provider.person["preferred_username"] = name

    sign_in(client)

    made = ProviderAccount.objects.get().user.username
    assert made == f"{name}~2"
    assert (made, "operator", "demo") in grants()
    assert ("maria", "admin", "") in grants()


@pytest.mark.usefixtures("configuration")
@pytest.mark.parametrize(
    ("name", "called"),
    [("Maria Huber", "Maria_Huber"), ("<b>x</b>", "b_x__b_"), (None, "user"), ("", "user")],
)
def test_a_name_is_made_fit_for_a_log(
    client: Client, provider: OidcProvider, name: object, called: str
) -> None:
    provider.person["preferred_username"] = name

    sign_in(client)

    assert User.objects.get().username == called


def _set(name: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda claims: claims.update({name: value})


SPOILT: dict[str, Callable[[dict[str, Any]], object]] = {
    "another nonce": _set("nonce", "another"),
    "no nonce": lambda claims: claims.pop("nonce"),
    "another audience": _set("aud", "somebody-else"),
    "many audiences, none of them us": _set("aud", ["a", "b"]),
    "no audience": lambda claims: claims.pop("aud"),
    "ours among others, for another party": lambda claims: claims.update(
        aud=[CLIENT, "other"], azp="other"
    ),
    "another issuer": _set("iss", "https://login.example.org"),
    "no issuer": lambda claims: claims.pop("iss"),
    "expired": lambda claims: claims.update(exp=claims["exp"] - 3600, iat=claims["iat"] - 3600),
    "without an end": lambda claims: claims.pop("exp"),
    "of tomorrow": lambda claims: claims.update(
        iat=claims["iat"] + 86_400, exp=claims["exp"] + 86_400
    ),
    "about nobody": lambda claims: claims.pop("sub"),
    "about a number": _set("sub", 7),
    "about a zero byte": _set("sub", "a\0b"),
}


@pytest.mark.usefixtures("configuration")
@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_a_token_that_is_not_right_in_every_part_lets_nobody_in(
    client: Client, provider: OidcProvider, spoil: Callable[[dict[str, Any]], object]
) -> None:
    provider.spoil = spoil

    answer = sign_in(client)

    assert answer.status_code == 403
    assert "You were not let in" in answer.content.decode()
    assert not is_in(client)
    assert not User.objects.exists()


@pytest.mark.usefixtures("configuration")
@pytest.mark.parametrize("algorithm", ["none", "HS256", "a stranger's key"])
def test_a_token_that_the_provider_did_not_sign_lets_nobody_in(
    client: Client, provider: OidcProvider, algorithm: str
) -> None:
    if algorithm.startswith("a "):
        provider.stranger = True
    else:
        provider.algorithm = algorithm

    assert sign_in(client).status_code == 403
    assert not is_in(client)


@pytest.mark.usefixtures("configuration")
def test_new_keys_of_the_provider_count_at_once(client: Client, provider: OidcProvider) -> None:
    sign_in(browser())
    provider.change_key()

    assert sign_in(client).status_code == 302


@pytest.mark.usefixtures("configuration")
def test_an_answer_is_good_once_and_in_the_browser_that_asked(client: Client) -> None:
    back = begin(client)

    assert browser().get(back).status_code == 403
    assert client.get(back.replace("state=", "state=x")).status_code == 403
    assert client.get(back).status_code == 302
    assert client.get(back).status_code == 403


@pytest.mark.usefixtures("configuration")
@pytest.mark.parametrize("query", ["", "?code=1", "?state=2", "?code=1&state=2", "?error=x%0Ay"])
def test_what_nobody_asked_for_lets_nobody_in(client: Client, query: str) -> None:
    assert client.get(f"/oidc/back/{query}").status_code == 403
    assert not is_in(client)


@pytest.mark.usefixtures("configuration")
def test_a_refusal_of_the_provider_is_told_in_our_words(
    client: Client, provider: OidcProvider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.refuse = "access_denied"

    page = sign_in(client).content.decode()

    assert "The provider did not let you in" in page
    assert "said by the provider" not in page + caplog.text


@pytest.mark.usefixtures("configuration")
@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("issuer", "https://login.example.org", "another issuer"),
        ("issuer", None, "another issuer"),
        ("token_endpoint", "http://login.example.org/token", "token_endpoint is not encrypted"),
        ("authorization_endpoint", None, "authorization_endpoint is not"),
        ("jwks_uri", "file:///etc/passwd", "jwks_uri is not"),
    ],
)
def test_a_provider_that_cannot_be_trusted_gets_nobody(
    client: Client, provider: OidcProvider, name: str, value: object, told: str
) -> None:
    provider.metadata = {name: value}

    answer = client.get("/oidc/")

    assert answer.status_code == 403
    assert told in answer.content.decode()


@pytest.mark.usefixtures("configuration")
def test_a_provider_that_is_away_is_told(client: Client, provider: OidcProvider) -> None:
    back = begin(client)
    provider.metadata = {"token_endpoint": "http://127.0.0.1:1/token"}

    answer = client.get(back)

    assert answer.status_code == 403
    assert "could not be reached" in answer.content.decode()


@pytest.mark.parametrize("trusted", [True, False])
def test_a_provider_is_known_by_its_certificate(
    trusted: bool,
    client: Client,
    installation: Installation,
    in_this_process: Configuration,
    settings: Settings,
    tmp_path: Path,
) -> None:
    del in_this_process
    authority = Authority(tmp_path / "ca")
    with OidcProvider(authority.issue("provider")).running() as provider:
        section = SECTION.format(issuer=provider.issuer, client=CLIENT, secret=SECRET)
        if trusted:
            line = f'[oidc]\nca_file = "{authority.certificate}"'
            section = section.replace("[oidc]", line, 1)
        installation.write_config(INSTALLATION + section)
        settings.SENDIT = installation.configuration()

        answer = client.get("/oidc/")

    assert answer.status_code == (302 if trusted else 403)
    assert ("oidc.ca_file" in answer.content.decode()) is not trusted


@pytest.mark.usefixtures("configuration")
@pytest.mark.parametrize("onward", ["https://example.org/", "//example.org", "javascript:alert(1)"])
def test_the_provider_sends_nobody_to_another_site(client: Client, onward: str) -> None:
    assert sign_in(client, onward).headers["Location"] == "/"


@pytest.mark.usefixtures("configuration")
def test_no_password_opens_an_account_of_the_provider(client: Client) -> None:
    sign_in(browser())

    for password in ("", "!", User.objects.get().password):
        answer = client.post("/login/", {"username": "maria", "password": password})
        assert answer.status_code == 403


@pytest.mark.usefixtures("configuration")
def test_behind_a_name_the_pages_need_their_address(client: Client, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["sendit.example.org"]

    answer = client.get("/oidc/", headers={"host": "sendit.example.org"})

    assert answer.status_code == 403
    assert "oidc.pages_url" in answer.content.decode()


def test_the_secret_stands_in_no_log(
    client: Client,
    configuration: Configuration,
    caplog: pytest.LogCaptureFixture,
    provider: OidcProvider,
) -> None:
    del configuration
    provider.algorithm = "none"
    with caplog.at_level("INFO"):
        sign_in(client)

    assert "nobody was let in" in caplog.text
    told = caplog.text + json.dumps(list(AuditEntry.objects.values_list("details", flat=True)))
    for word in (SECRET, "maria", provider.person["sub"], "code="):
        assert word not in told


@pytest.mark.usefixtures("configuration")
@pytest.mark.parametrize("path", ["/oidc/", "/oidc/back/"])
def test_nobody_makes_us_ask_the_provider_without_end(path: str) -> None:
    hasty = Client(headers={"host": "localhost:8080"}, REMOTE_ADDR=f"192.0.2.{len(path)}")
    other = Client(headers={"host": "localhost:8080"}, REMOTE_ADDR="192.0.2.200")

    answers = (hasty.get(path) for _ in range(4 * PER_MINUTE))
    refused = next(answer for answer in answers if answer.status_code == 429)
    n_sessions = Session.objects.count()
    again = [hasty.get(path).status_code for _ in range(3)]

    assert "Too many sign-ins at once" in refused.content.decode()
    assert int(refused.headers["Retry-After"]) >= 1
    assert 429 in again
    assert Session.objects.count() <= n_sessions + again.count(302)
    assert other.get(path).status_code in (302, 403)
