import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sendit.errors import IdentityError, IdentityUnavailable
from sendit.identity import IdentityContext, IdentityService, Matching
from sendit.identity.dasher_client import Client
from sendit.identity.http_json import Line
from sendit.identity.registry import build, options_model
from sendit.identity.rest import Rest
from tests.contracts.identity_services import SITE_KEY, IdentityContract, ask, make_context
from tests.support.certificates import Authority, server_context
from tests.support.dasher import JITTER, Dasher, Reply, dasher


@pytest.fixture
def there() -> Iterator[Dasher]:
    with dasher() as service:
        yield service


@pytest.fixture
def secrets(there: Dasher, tmp_path: Path) -> Path:
    return there.write_secrets(tmp_path / "secrets.json")


def make(
    there: Dasher, secrets: Path, context: IdentityContext | None = None, **options: Any
) -> Rest:
    """Make the client, with pauses that last no time."""
    context = context or make_context()
    chosen = options_model("rest").model_validate(
        {"url": there.url, "secrets_file": str(secrets), **options}
    )
    client = Client(
        url=f"{there.url}/v1/uid/{chosen.study or context.project}",  # type: ignore[attr-defined]
        secrets_file=secrets,
        line=Line(timeout=chosen.timeout),  # type: ignore[attr-defined]
        progress=context.progress,
        wait=lambda _: None,
    )
    return Rest(chosen, context, client=client)  # type: ignore[arg-type]


class TestRest(IdentityContract):
    @pytest.fixture
    def service(self, there: Dasher, secrets: Path) -> IdentityService:
        options = {"url": there.url, "secrets_file": str(secrets)}
        return build("rest", options, context=make_context())


ONE = (("A-1", "1.2.1", "ACC1"),)


def test_the_request_is_what_the_protocol_says(there: Dasher, secrets: Path) -> None:
    make(there, secrets).identify(ask(*ONE, ("B-2", "1.2.3", "ACC3")))

    assert there.paths == ["/identifiers/api/v1/uid/irb-1"]
    assert there.headers[0]["Authorization"] == "Bearer access-1"
    assert there.headers[0]["Content-Type"] == "application/json"
    assert there.asked == [
        {
            "identifiers": [
                {
                    "id": patient,
                    "id_source": "Stanford MRN",
                    "id_timestamp": "1950-03-02T00:00:00Z",
                    "items": [
                        {
                            "id": item,
                            "id_source": "DCM Accession #",
                            "id_timestamp": "2015-06-01T00:00:00Z",
                        }
                    ],
                }
                for patient, item in (("A1", "ACC1"), ("B2", "ACC3"))
            ]
        }
    ]


def test_every_image_gets_the_answer_of_its_own_patient(there: Dasher, secrets: Path) -> None:
    there.change = lambda answer: {"results": answer["results"][::-1], "more": "than we know"}

    identities = make(there, secrets).identify(ask(*ONE, ("B-2", "1.2.3", "ACC3")))

    first, second = identities.of("A-1", "1.2.1"), identities.of("B-2", "1.2.3")
    assert (first.patient_pseudonym, first.study_pseudonym) == ("IR10f5", "IR10f6")
    assert (second.patient_pseudonym, second.study_pseudonym) == ("IR10f7", "IR10f8")
    assert first.shift_days == second.shift_days == JITTER


def test_study_sources_and_hyphens_are_the_projects_choice(there: Dasher, secrets: Path) -> None:
    service = make(
        there,
        secrets,
        study="RadiologyDeid",
        entity_source="Charité MRN",
        item_source="GE PACS",
        remove_hyphens=False,
    )

    service.identify(ask(*ONE))

    entity = there.asked[0]["identifiers"][0]
    assert there.paths == ["/identifiers/api/v1/uid/radiologydeid"]
    assert (entity["id"], entity["id_source"]) == ("A-1", "Charité MRN")
    assert entity["items"][0]["id_source"] == "GE PACS"


def test_more_items_than_a_call_may_have_are_asked_in_several(there: Dasher, secrets: Path) -> None:
    studies = [("A-1", f"1.2.{n}", f"ACC{n}") for n in range(1200)]
    others = [("B-2", f"1.3.{n}", f"ACC{n}") for n in range(800)]

    identities = make(there, secrets).identify(ask(*studies, *others))

    sizes = [[len(e["items"]) for e in call["identifiers"]] for call in there.asked]
    assert sizes == [[950], [250, 700], [100]]
    assert len({one.study_pseudonym for one in identities.answers.values()}) == 2000
    assert len({one.patient_pseudonym for one in identities.answers.values()}) == 2


def test_a_patient_named_differently_in_two_calls_is_refused(there: Dasher, secrets: Path) -> None:
    def rename(answer: dict[str, Any]) -> dict[str, Any]:
        answer["results"][0]["suid"] = f"IR{len(there.asked)}"
        return answer

    there.change = rename

    with pytest.raises(IdentityError, match="two names or shifts in two calls"):
        make(there, secrets, max_items=1).identify(ask(*ONE, ("A-1", "1.2.2", "ACC2")))


@pytest.mark.parametrize(
    ("timestamp", "zone"),
    [
        ("2015-05-13T00:00:00-0700", None),
        ("2015-05-13T00:00:00.123-07:00", None),
        ("2015-05-13T00:00:00Z", None),
        ("2015-05-13T07:00:00Z", "America/Los_Angeles"),
        ("2015-05-12T22:00:00Z", "Europe/Berlin"),
    ],
)
def test_timestamps_are_read_in_every_form(
    there: Dasher, secrets: Path, timestamp: str, zone: str | None
) -> None:
    def stamp(answer: dict[str, Any]) -> dict[str, Any]:
        for entity in answer["results"]:
            del entity["jittered_timestamp"]
            entity["items"][0] |= {"jittered_timestamp": timestamp}
        return answer

    there.change = stamp

    identity = make(there, secrets, zone=zone).identify(ask(*ONE)).of("A-1", "1.2.1")

    assert identity.shift_days == -19


def test_the_answers_timestamp_is_honoured_where_it_says_no_days(
    there: Dasher, secrets: Path
) -> None:
    def without_days(answer: dict[str, Any]) -> dict[str, Any]:
        for thing in [*answer["results"], *answer["results"][0]["items"]]:
            del thing["jitter"]
        return answer

    there.change = without_days

    assert make(there, secrets).identify(ask(*ONE)).of("A-1", "1.2.1").shift_days == -19


def test_the_bare_list_of_2017_and_answers_without_ids_are_read(
    there: Dasher, secrets: Path
) -> None:
    def bare(answer: dict[str, Any]) -> list[Any]:
        for entity in answer["results"]:
            for thing in [entity, *entity["items"]]:
                del thing["id"], thing["id_source"]
        return answer["results"]  # type: ignore[no-any-return]

    there.change = bare

    identities = make(there, secrets).identify(ask(*ONE, ("B-2", "1.2.3", "ACC3")))

    assert identities.of("B-2", "1.2.3").study_pseudonym == "IR10f8"


def _entity(**changes: Any) -> Any:
    return lambda answer: answer["results"][0].update(changes)


def _item(**changes: Any) -> Any:
    return lambda answer: answer["results"][0]["items"][0].update(changes)


def _both(**changes: Any) -> Any:
    return lambda answer: (_entity(**changes)(answer), _item(**changes)(answer))


def _twice(answer: dict[str, Any]) -> None:
    answer["results"][1] = answer["results"][0]


SPOILT: list[tuple[Any, str]] = [
    (_entity(id="SOMEBODY"), "about other patients"),
    (_entity(id=["A1"]), "about other patients"),
    (_entity(id_source="elsewhere"), "about other patients"),
    (_item(id="ACC9"), "about other studies"),
    (_twice, "about other patients"),
    (lambda answer: answer["results"].pop(), "about 2 patients and answered about 1"),
    (lambda answer: answer["results"][0]["items"].clear(), "about 1 studies and .* 0"),
    (lambda answer: answer.pop("results"), "lacks the list of patients"),
    (_entity(items=None), "lacks the list of studies"),
    (lambda answer: answer.update(results=["A1"]), "lacks the list of patients"),
    (_both(jitter=0, jittered_timestamp=None), "by 0 days"),
    (_both(jitter=True, jittered_timestamp=None), "by 0 days"),
    (_both(jitter="5", jittered_timestamp=None), "by 0 days"),
    (_both(jitter=10**9, jittered_timestamp=None), "by 0 days"),
    (_both(jitter=None, jittered_timestamp=None), "does not say by how many days"),
    (_item(jitter=4), "contradict each other"),
    (_item(jittered_timestamp="2015-05-14T00:00:00-0700"), "contradict each other"),
    (_item(jitter=-18, jittered_timestamp="2015-05-14T00:00:00-0700"), "different days"),
    (_item(jittered_timestamp="yesterday"), "timestamp that is none"),
    (_item(jittered_timestamp="2015-02-31T00:00:00Z"), "timestamp that is none"),
    (_entity(suid=""), "no name"),
    (_entity(suid=None), "no name"),
    (_entity(suid="../../etc"), "no name"),
    (_item(suid="x" * 17), "no name"),
    (_item(suid="acc1"), "original id as its new name"),
    (_entity(suid="a1"), "original id as its new name"),
    (_entity(suid="IR10f7"), "two patients, or a study of each, one name"),
    (_item(suid="IR10f8"), "two patients, or a study of each, one name"),
]


@pytest.mark.parametrize(
    ("spoil", "says"), SPOILT, ids=[f"{n} {says}" for n, (_, says) in enumerate(SPOILT)]
)
def test_an_answer_that_cannot_be_right_is_refused(
    there: Dasher, secrets: Path, spoil: Any, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def change(answer: dict[str, Any]) -> dict[str, Any]:
        spoil(answer)
        return answer

    there.change = change

    with pytest.raises(IdentityError, match=says) as refusal:
        make(there, secrets).identify(ask(*ONE, ("B-2", "1.2.3", "ACC3")))

    assert not refusal.value.retryable
    for value in ("A-1", "A1", "ACC1", "SOMEBODY", "access-1"):
        assert value not in str(refusal.value) + caplog.text


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_overloaded_service_is_asked_again(there: Dasher, secrets: Path, status: int) -> None:
    there.instead = [Reply(status), Reply(status, headers={"Retry-After": "2"}), None]

    assert make(there, secrets).identify(ask(*ONE)).of("A-1", "1.2.1").shift_days == -19


@pytest.mark.parametrize(
    "replies",
    [[Reply(503)] * 4, [Reply(429, headers={"Retry-After": "3600"})], [Reply(seconds=9)] * 4],
    ids=["for long", "wants to be left alone", "silent"],
)
def test_a_service_that_stays_away_is_tried_again_later(
    there: Dasher, secrets: Path, replies: list[Reply]
) -> None:
    there.instead = list(replies)
    signs: list[None] = []
    context = IdentityContext(SITE_KEY, "irb-1", "irb-1", progress=lambda: signs.append(None))
    service = make(there, secrets, context)
    if replies[0].seconds:
        service._client.line = Line(timeout=0.05)

    with pytest.raises(IdentityUnavailable) as refusal:
        service.identify(ask(*ONE))

    assert refusal.value.retryable
    assert signs


def test_a_service_that_is_not_there_is_tried_again_later(secrets: Path, there: Dasher) -> None:
    service = build(
        "rest",
        {"url": "http://127.0.0.1:1", "secrets_file": str(secrets)},
        context=make_context(),
    )
    service._client.pauses = ()  # type: ignore[attr-defined]

    with pytest.raises(IdentityUnavailable, match=r"Connection refused.*identity\.url"):
        service.identify(ask(*ONE))


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply(200, b"<html>Welcome to the VPN</html>"), "not JSON; most often .* VPN"),
        (Reply(200, b"[" * 100_000), "not JSON"),
        (Reply(400, b'{"message": "A1 is no id"}'), r"does not accept .* \(400\)"),
        (Reply(403), "does not let this client"),
        (Reply(404), "identity.study and identity.url"),
        (Reply(413), "smaller identity.max_items"),
        (Reply(302, headers={"Location": "https://elsewhere.example"}), "answered 302"),
        (Reply(204, b""), "answered 204"),
    ],
)
def test_a_refusal_is_explained_and_gives_nothing_away(
    there: Dasher, secrets: Path, reply: Reply, says: str
) -> None:
    there.instead = [reply]

    with pytest.raises(IdentityError, match=says) as refusal:
        make(there, secrets).identify(ask(*ONE))

    assert "A1" not in str(refusal.value)
    assert there.asked == []


def test_an_expired_token_is_refreshed_once_and_both_are_replaced(
    there: Dasher, secrets: Path
) -> None:
    there.expire()

    make(there, secrets).identify(ask(*ONE))

    assert there.refreshes == [{"refreshToken": "refresh-1"}]
    kept = json.loads(secrets.read_text())
    assert (kept["accessToken"], kept["refreshToken"]) == ("access-2", "refresh-2")
    assert (kept["client_id"], kept["token_uri"]) == ("sendit", there.token_uri)
    assert secrets.stat().st_mode & 0o777 == 0o600


def test_many_workers_refresh_once(there: Dasher, secrets: Path) -> None:
    there.expire()
    workers = [make(there, secrets) for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda one: one.identify(ask(*ONE)), workers))

    assert len(there.refreshes) == 1
    assert len({one.of("A-1", "1.2.1") for one in answers}) == 1


def test_a_refresh_that_is_refused_stops_the_batch(there: Dasher, tmp_path: Path) -> None:
    secrets = there.write_secrets(tmp_path / "old.json", access="old", refresh="used up")
    before = secrets.read_text()

    with pytest.raises(IdentityError, match=r"no new token .* new secrets file"):
        make(there, secrets).identify(ask(*ONE))

    assert len(there.refreshes) == 1
    assert secrets.read_text() == before


def test_a_token_that_is_refused_after_its_refresh_is_not_refreshed_again(
    there: Dasher, secrets: Path
) -> None:
    there.instead = [Reply(401), Reply(401)]

    with pytest.raises(IdentityError, match="refuses the token, also after"):
        make(there, secrets).identify(ask(*ONE))

    assert len(there.refreshes) == 1


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        ("{}", 0o644, "Run: chmod 600"),
        ("{}", 0o600, "is not a secrets file"),
        ("not json", 0o600, "is not a secrets file"),
        (None, 0o600, "No such file"),
        (
            '{"accessToken": "a", "refreshToken": "b", "client_id": "c", '
            '"token_uri": "http://elsewhere.example/refresh"}',
            0o600,
            "token_uri is not encrypted",
        ),
        (
            '{"accessToken": "a\\nX: y", "refreshToken": "b", "client_id": "c", '
            '"token_uri": "https://there.example/refresh"}',
            0o600,
            "cannot be sent",
        ),
    ],
)
def test_a_secrets_file_that_cannot_be_used_is_named(
    there: Dasher, secrets: Path, text: str | None, mode: int, says: str
) -> None:
    if text is None:
        secrets.unlink()
    else:
        secrets.write_text(text)
        secrets.chmod(mode)

    with pytest.raises(IdentityError, match=says):
        make(there, secrets).identify(ask(*ONE))


@pytest.mark.parametrize(
    ("patient", "item"),
    [("A 1", "ACC1"), ("A.1", "ACC1"), ("---", "ACC1"), ("A-1", "x" * 65), ("A-1", "a\x07b")],
)
def test_an_id_that_the_protocol_does_not_know_is_not_sent(
    there: Dasher, secrets: Path, patient: str, item: str
) -> None:
    with pytest.raises(IdentityError, match="Mend the files") as refusal:
        make(there, secrets).identify(ask((patient, "1.2.1", item)))

    assert there.asked == []
    assert patient not in str(refusal.value)


def test_spellings_of_one_patient_are_one_entity(there: Dasher, secrets: Path) -> None:
    context = IdentityContext(
        SITE_KEY, "irb-1", "irb-1", matching=Matching(frozenset({"case", "leading-zeros"}))
    )
    service = make(there, secrets, context)

    identities = service.identify(ask(("007a", "1.2.1", "ACC1"), ("7A", "1.2.2", "acc1")))

    assert [len(e["items"]) for e in there.asked[0]["identifiers"]] == [1]
    assert identities.of("007A", "1.2.1") == identities.of("7a", "1.2.2")


def test_a_date_that_is_missing_is_left_out(there: Dasher, secrets: Path) -> None:
    request = ask(*ONE)
    patient = request.patients[0]
    object.__setattr__(patient, "birth_date", "")
    object.__setattr__(patient.studies[0], "item_date", "2015")

    make(there, secrets).identify(request)

    entity = there.asked[0]["identifiers"][0]
    assert "id_timestamp" not in entity
    assert "id_timestamp" not in entity["items"][0]


def test_tls_is_used_and_checked(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with dasher(tls=server_context(authority.issue("server"))) as there:
        secrets = there.write_secrets(tmp_path / "secrets.json")
        options = {"url": there.url, "secrets_file": str(secrets)}
        trusting = build(
            "rest", {**options, "ca_file": str(authority.certificate)}, context=make_context()
        )

        assert trusting.identify(ask(*ONE)).of("A-1", "1.2.1").shift_days == JITTER
        with pytest.raises(IdentityError, match="not one that this machine trusts"):
            build("rest", options, context=make_context()).identify(ask(*ONE))


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example/identifiers/api",
        "ftp://localhost/",
        "https://",
        "https://user:pw@api.example/",
        "https://api.example/?x=1",
        "https://api.example:99999/",
        "localhost:8790",
    ],
)
def test_an_address_that_identifiers_may_not_be_sent_to_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="allowed: https://"):
        options_model("rest").model_validate({"url": url, "secrets_file": "x"})


@pytest.mark.parametrize(
    "options",
    [{"max_items": 1001}, {"max_items": 0}, {"study": "a b"}, {"zone": "Mars/Olympus"}],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        options_model("rest").model_validate(
            {"url": "https://api.example", "secrets_file": "x", **options}
        )


def test_probe_asks_under_the_study_that_keeps_nothing(there: Dasher, secrets: Path) -> None:
    make(there, secrets).probe()

    assert there.paths == ["/identifiers/api/v1/uid/test"]
