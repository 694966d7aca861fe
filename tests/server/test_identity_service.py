"""The identity service over real HTTP: raw requests, our own client, many processes at once."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sendit.identity import IdentityService
from sendit.identity.registry import build
from tests.contracts.identity_services import IdentityContract, make_context
from tests.support.identity_service import Running, identity_service
from tests.support.installation import INSTALLATION, PROJECT, Installation, make_installation

UID = "/identifiers/api/v1/uid/demo"
MRN = "/identifiers/api/v1/mrn/demo"
REFRESH = "/token/api/v1/refresh"
ROOT = Path(__file__).parents[2]


def write_installation(root: Path) -> Installation:
    service = '[identity_service]\nzone = "America/Los_Angeles"\nrate = 100000\n'
    ledger = '[identity]\nkind = "ledger"\nprefix = "IR"\nsuid = "counter"'
    return make_installation(
        root, config=INSTALLATION + service, project=PROJECT.replace("[identity]", ledger)
    )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with identity_service(write_installation(tmp_path_factory.mktemp("service"))) as running:
        yield running


@pytest.fixture(scope="module")
def secrets(running: Running) -> Path:
    return running.issue()


@pytest.fixture(scope="module")
def token(secrets: Path) -> str:
    return str(json.loads(secrets.read_text())["accessToken"])


class TestOurClient(IdentityContract):
    @pytest.fixture
    def service(self, running: Running, secrets: Path) -> IdentityService:
        options = {"url": running.url, "secrets_file": str(secrets), "study": "demo"}
        return build("rest", options, context=make_context())


def entity(patient: str = "70010001", item: str | None = "ACC0001", **more: Any) -> dict[str, Any]:
    items = [
        {
            "id": item,
            "id_source": "DCM Accession #",
            "id_timestamp": "2015-06-01T11:50:00Z",
        }
    ]
    return {
        "id": patient,
        "id_source": "Stanford MRN",
        "id_timestamp": "1950-03-02T00:00:00.123Z",
        "items": items if item else [],
        **more,
    }


def asked(*entities: dict[str, Any]) -> dict[str, Any]:
    return {"identifiers": list(entities or [entity()])}


def test_an_answer_has_the_published_shape(running: Running, token: str) -> None:
    reply = running.post(UID, asked(entity("100"), entity("200", "ACC200")), token=token)

    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    first, second = reply.document["results"]
    assert set(first) == {"id", "id_source", "suid", "jitter", "jittered_timestamp", "items"}
    assert (first["id"], first["id_source"], second["id"]) == ("100", "Stanford MRN", "200")
    (item,) = first["items"]
    assert set(item) == {"id", "id_source", "suid", "jitter", "jittered_timestamp"}
    assert all(re.fullmatch("IR[0-9a-f]{4}", one["suid"]) for one in (first, second, item))
    days = first["jitter"]
    assert days == item["jitter"] != 0
    moved = item["jittered_timestamp"]
    assert (date.fromisoformat(moved[:10]) - date(2015, 6, 1)).days == days
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT11:50:00-0[78]00", moved)
    # Which of the two depends on the day that the shift has led to.
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00-0[78]00", first["jittered_timestamp"])


def test_the_same_question_gets_the_same_answer(running: Running, token: str) -> None:
    first = running.post(UID, asked(entity("300")), token=token)

    assert running.post(f"{UID}/", asked(entity("300")), token=token).text == first.text
    assert running.post(UID.replace("demo", "DEMO"), asked(entity("300")), token=token).text == (
        first.text
    )


def test_mrn_answers_only_what_exists_and_writes_nothing(running: Running, token: str) -> None:
    running.post(UID, asked(entity("400")), token=token)
    two = entity("400")
    two["items"].append({"id": "ACC9", "id_source": "DCM Accession #"})

    known, unknown = running.post(MRN, asked(two, entity("401")), token=token).document["results"]

    assert "suid" in known
    assert ["suid" in item for item in known["items"]] == [True, False]
    assert set(unknown) == {"id", "id_source", "items"}
    assert set(unknown["items"][0]) == {"id", "id_source"}
    assert running.post(MRN, asked(entity("401")), token=token).document["results"] == [unknown]


def test_the_study_test_answers_and_keeps_nothing(running: Running, token: str) -> None:
    path = UID.replace("demo", "test")
    first = running.post(path, asked(entity("500")), token=token).document

    assert running.post(path, asked(entity("500")), token=token).document == first
    assert re.fullmatch("[0-9a-f]{12}", first["results"][0]["suid"])
    assert first["results"][0]["jitter"] != 0
    lookup = running.post(MRN.replace("demo", "test"), asked(entity("500")), token=token)
    assert "suid" not in lookup.document["results"][0]
    found = running.post(MRN, asked(entity("500")), token=token).document["results"][0]
    assert "suid" not in found


def test_custom_fields_are_kept_replaced_and_removed(running: Running, token: str) -> None:
    def send(*pairs: tuple[str, str]) -> Any:
        fields = [{"key": key, "value": value} for key, value in pairs]
        document = asked(entity("600", custom_fields=fields))
        return running.post(UID, document, token=token).document["results"][0]

    assert send(("a", "1"), ("b", "2"))["custom_fields"] == [
        {"key": "a", "value": "1"},
        {"key": "b", "value": "2"},
    ]
    assert send(("a", ""), ("b", "3"))["custom_fields"] == [{"key": "b", "value": "3"}]
    mapping = asked(entity("600", custom_fields={"c": "4"}))
    answer = running.post(UID, mapping, token=token).document["results"][0]
    assert answer["custom_fields"] == [{"key": "b", "value": "3"}, {"key": "c", "value": "4"}]


def test_a_missing_timestamp_is_no_error(running: Running, token: str) -> None:
    bare = entity("700")
    del bare["id_timestamp"]

    answer = running.post(UID, asked(bare), token=token).document["results"][0]

    assert "jitter" in answer
    assert "jittered_timestamp" not in answer


def items(number: int) -> list[dict[str, str]]:
    return [{"id": f"I{n}", "id_source": "ACC"} for n in range(number)]


BAD: list[tuple[str, Any, int]] = [
    ("no list", {}, 400),
    ("a list", [entity()], 400),
    ("null", None, 400),
    ("no id", asked(entity(id=None)), 400),
    ("empty id", asked(entity(id="")), 400),
    ("number", asked(entity(id=7)), 400),
    ("pattern", asked(entity(id="7 0")), 400),
    ("path", asked(entity(id="../7")), 400),
    ("not ASCII", asked(entity(id="é")), 400),
    ("long", asked(entity(id="7" * 65)), 400),
    ("no source", asked(entity(id_source="")), 400),
    ("no items", asked(entity(items=None)), 400),
    ("item no object", asked(entity(items=["A"])), 400),
    ("item no id", asked(entity(items=[{"id_source": "ACC"}])), 400),
    ("timestamp", asked(entity(id_timestamp="19500302")), 400),
    ("no day", asked(entity(id_timestamp="1950-02-30T00:00:00Z")), 400),
    ("end of time", asked(entity("9999", id_timestamp="0001-01-01T00:00:00Z")), 400),
    ("custom", asked(entity(custom_fields=[{"key": "a"}])), 400),
    ("twice", asked(entity(), entity()), 400),
    ("twice in other case", asked(entity("a1"), entity("A1")), 400),
    ("item twice", asked(entity(items=items(1) * 2)), 400),
    ("too many", asked(entity(items=items(1001))), 413),
]


@pytest.mark.parametrize(("document", "status"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_a_bad_request_is_refused_as_json(
    running: Running, token: str, document: Any, status: int
) -> None:
    reply = running.post(UID, document, token=token)

    assert reply.status == status, reply.text
    assert set(reply.document) == {"message", "code"}
    assert "7001" not in reply.text


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{", 400), (b"\xff", 400), (b"[" * 100_000, 400), (b" " * (17 * 2**20), 413)],
    ids=["empty", "half", "no text", "deep", "huge"],
)
def test_a_body_that_is_no_document_is_refused(
    running: Running, token: str, body: bytes, status: int
) -> None:
    reply = running.post(UID, token=token, body=body)

    assert reply.status == status
    assert reply.document["message"]


@pytest.mark.parametrize("token", [None, "", "made up", "\x00"])
def test_without_a_good_token_nothing_is_answered(running: Running, token: str | None) -> None:
    if token == "\x00":
        token = "x" * 5000

    for path in (UID, MRN, UID.replace("demo", "nobody")):
        reply = running.post(path, asked(), token=token)

        assert reply.status == 401
        assert reply.document["message"]


def test_a_client_knows_its_own_study_only(running: Running, token: str) -> None:
    for path in (UID.replace("demo", "other"), "/identifiers/api/v1/uid/", "/nothing"):
        reply = running.post(path, asked(), token=token)

        assert reply.status == 404
        assert reply.document["message"]


def test_other_methods_are_refused(running: Running, token: str) -> None:
    reply = running.post(UID, asked(), token=token, method="PUT")

    assert (reply.status, reply.headers["Allow"]) == (405, "POST")


def test_a_refresh_rotates_both_tokens(running: Running) -> None:
    old = json.loads(running.issue(name="rotating.json").read_text())
    assert old["token_uri"] == running.url.replace("/identifiers/api", REFRESH)
    assert set(old) == {"accessToken", "refreshToken", "client_id", "token_uri"}

    reply = running.post(REFRESH, {"refreshToken": old["refreshToken"]})

    new = reply.document
    assert (reply.status, set(new)) == (200, {"accessToken", "refreshToken"})
    assert running.post(UID, asked(), token=old["accessToken"]).status == 401
    assert running.post(UID, asked(), token=new["accessToken"]).status == 200
    assert running.post(REFRESH, {"refreshToken": old["refreshToken"]}).status == 401
    assert running.post(REFRESH, {"refreshToken": 7}).status == 400
    assert running.post(REFRESH, {}).status == 400


def test_a_revoked_client_is_refused(running: Running) -> None:
    kept = json.loads(running.issue(name="revoked.json").read_text())
    done = running.installation.run("identity", "token", "revoke", kept["client_id"])

    assert done.returncode == 0, done.stderr
    assert running.post(UID, asked(), token=kept["accessToken"]).status == 401
    assert running.post(REFRESH, {"refreshToken": kept["refreshToken"]}).status == 401
    listed = running.installation.run("identity", "token", "list").stdout
    assert re.search(f"{kept['client_id']} .* revoked", listed)
    assert kept["accessToken"] not in listed


WORKER = """
import json, sys
from pathlib import Path
from sendit.identity.registry import build
from tests.contracts.identity_services import ask, make_context
url, secrets, first = sys.argv[1:]
options = {"url": url, "secrets_file": secrets, "study": "demo"}
service = build("rest", options, context=make_context())
rows = []
for n in range(int(first), int(first) + 12):
    answer = service.identify(ask(*[(f"N{n}", f"1.2.{n}.{i}", f"NACC{n}-{i}") for i in range(3)]))
    rows += sorted(map(repr, answer.answers.values()))
print(json.dumps(rows))
"""


def run_many(running: Running, secrets: Path, first: int) -> list[str]:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, running.url, str(secrets), str(first)],
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": "/usr/bin"},
            text=True,
        )
        for _ in range(6)
    ]
    return [worker.communicate(timeout=100)[0] for worker in workers]


def test_many_processes_that_ask_for_the_same_new_patients_agree(
    running: Running, secrets: Path
) -> None:
    answers = run_many(running, secrets, 1000)

    assert len(json.loads(answers[0])) == 36
    assert len(set(answers)) == 1


def test_many_processes_agree_on_postgresql(tmp_path: Path, postgresql_database: str) -> None:
    installation = write_installation(tmp_path)
    with identity_service(installation, SENDIT_DATABASE_URL=postgresql_database) as service:
        answers = run_many(service, service.issue(), 1000)

    assert len(json.loads(answers[0])) == 36
    assert len(set(answers)) == 1


def test_too_many_requests_are_put_off_and_an_expired_token_is_exchanged(
    tmp_path: Path,
) -> None:
    installation = write_installation(tmp_path)
    installation.write_config(
        INSTALLATION + '[identity_service]\nrate = 6\ntoken_lifetime = "0.001 s"\n'
    )
    with identity_service(installation) as service:
        secrets = service.issue()
        old = json.loads(secrets.read_text())["accessToken"]
        assert service.post(UID, asked(), token=old).status == 401

        statuses = [service.post(UID, asked(), token="wrong").status for _ in range(7)]
        reply = service.post(UID, asked(), token="wrong")

    assert statuses[0] == 401
    assert reply.status == 429
    assert 1 <= int(reply.headers["Retry-After"]) <= 11
    assert reply.document["message"]


def test_a_batch_is_named_over_http_end_to_end(running: Running, tmp_path: Path) -> None:
    secrets = running.issue(name="end-to-end.json")
    rest = f'[identity]\nkind = "rest"\nurl = "{running.url}"\nsecrets_file = "{secrets}"'
    other = make_installation(tmp_path, project=PROJECT.replace("[identity]", rest))
    other.add_study("ACC1", n_series=1, PatientID="800-1", AccessionNumber="E2E1")

    assert other.run("check").returncode == 0
    done = other.run("run", "--once")

    assert done.returncode == 0, done.stderr
    assert other.delivered()
    token = json.loads(secrets.read_text())["accessToken"]
    answer = running.post(MRN, asked(entity("8001", "E2E1")), token=token).document["results"][0]
    assert {path.relative_to(other.out).parts[0] for path in other.delivered()} == {answer["suid"]}


def test_a_namespace_with_its_own_key_is_served_until_it_is_closed(tmp_path: Path) -> None:
    installation = write_installation(tmp_path)
    text = (installation.projects / "demo.toml").read_text()
    installation.write_project(text.replace("[identity]", "[identity]\nown_key = true"))
    key = installation.work_dir / "keys/namespaces/demo.key"
    with identity_service(installation) as service:
        token = json.loads(service.issue().read_text())["accessToken"]
        nobody = service.post(MRN, asked(entity("8001", "E2E1")), token=token).document
        assert not key.exists()
        named = service.post(UID, asked(entity("8001", "E2E1")), token=token).document
        assert key.exists()
        installation.add_study("ACC1", n_series=1, PatientID="8001", AccessionNumber="E2E1")
        assert installation.run("run", "--once").returncode == 0
        known = service.post(MRN, asked(entity("8001", "E2E1")), token=token).document
        closed = installation.run("project", "close", "demo")
        late = [service.post(UID, asked(entity(one, "E2E1")), token=token) for one in ("8001", "9")]

    assert "suid" not in nobody["results"][0]
    assert known["results"][0]["suid"] == named["results"][0]["suid"]
    folders = {path.relative_to(installation.out).parts[0] for path in installation.delivered()}
    assert folders == {named["results"][0]["suid"]}
    assert closed.returncode == 0, closed.stderr
    assert not key.exists()
    assert {reply.status for reply in late} <= {401, 404}  # its clients' tokens end, too
