"""``sendit check``: everything that the configuration names is tried."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO

import pytest
from django.core.management import call_command
from pytest_django.fixtures import Settings

from sendit.pipeline.preparation import prepare
from sendit.records.ledger_tables import IdentityHistory
from tests.support.installation import INSTALLATION, PROJECT, Installation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_this_process")]


def test_check_tries_every_target(installation: Installation) -> None:
    out = StringIO()

    call_command("check", stdout=out)

    said = out.getvalue()

    assert "ok      project demo: target out" in said
    assert "ok      project demo: identity service keyed" in said
    assert installation.delivered() == []


def test_check_tells_what_does_not_work(installation: Installation) -> None:
    installation.out.rmdir()
    installation.out.write_text("a file stands in the way")
    out = StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("check", "--json", stdout=out)

    told = json.loads(out.getvalue())
    assert ended.value.code == 1
    assert not told["ok"]
    assert len(told["problems"]) == 1
    assert told["problems"][0].startswith("project demo: target out: ")
    assert [check["what"] for check in told["checks"] if not check["ok"]] == [
        "project demo: target out"
    ]


REAL_TIME = "project demo: dates: studies are sent on as they come"


@pytest.mark.parametrize(
    ("first", "rest", "warns"),
    [
        ("", "", True),
        ('hold_releases = "30 days"\n', "", False),
        ('send = "manual"\n', "", False),
        ("", 'options = ["retain-longitudinal-full-dates"]\n', False),
    ],
    ids=["at once", "held", "by hand", "dates as they are"],
)
def test_check_warns_that_real_time_gives_the_shift_away(
    installation: Installation, settings: Settings, first: str, rest: str, warns: bool
) -> None:
    installation.write_project(first + PROJECT.replace("[deid]\n", f"[deid]\n{rest}"))
    settings.SENDIT = installation.configuration()
    out = StringIO()

    call_command("check", "--json", stdout=out)

    told = json.loads(out.getvalue())
    assert told["ok"]
    assert any(one.startswith(REAL_TIME) for one in told["warnings"]) == warns


@pytest.mark.parametrize(
    ("first", "proof", "warns"),
    [
        ("anonymize = false\n", "find", True),
        ("anonymize = false\n", "retrieve", False),
        ("", "find", False),
    ],
    ids=["as it is, by UID", "as it is, by content", "de-identified"],
)
def test_check_warns_that_a_correction_may_be_lost_where_no_ledger_knows(
    installation: Installation, settings: Settings, first: str, proof: str, warns: bool
) -> None:
    target = 'name = "pacs"\nkind = "dicom"\nhost = "127.0.0.1"\nport = 1\ncalled_ae = "A"\n'
    more = f'accepts_identified = true\nproof = "{proof}"\n'
    installation.write_project(f"{first}[[targets]]\n{target}{more}")
    settings.SENDIT = installation.configuration()
    out = StringIO()

    with suppress(SystemExit):  # nobody listens there
        call_command("check", "--json", stdout=out)

    told = json.loads(out.getvalue())
    assert any("corrected study" in one for one in told["warnings"]) == warns


def test_check_tells_of_another_identity_service(
    installation: Installation, settings: Settings
) -> None:
    settings.SENDIT = installation.configuration()
    prepare(settings.SENDIT)
    IdentityHistory.objects.create(project="demo", namespace="demo", kind="ledger")
    out = StringIO()

    with pytest.raises(SystemExit):
        call_command("check", stdout=out)

    assert 'named patients by identity.kind = "ledger"' in out.getvalue()


def test_check_warns_of_another_namespace(installation: Installation, settings: Settings) -> None:
    settings.SENDIT = installation.configuration()
    prepare(settings.SENDIT)
    IdentityHistory.objects.create(project="demo", namespace="before", kind="keyed")
    out = StringIO()

    call_command("check", stdout=out)

    assert 'warning: it was "before" before' in out.getvalue()


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        (None, 0, "No such file"),
        ("patient_id,patient_pseudonym\nA-1,SUBJ-001\n", 0o644, "Run: chmod o= "),
        ("patient_id,patient_pseudonym\nA-1,A-1\n", 0o600, "line 2: patient_pseudonym is"),
        ("patient_id,patient_pseudonym\nA-1,SUBJ-001\n", 0o600, ""),
    ],
    ids=["missing", "public", "wrong", "right"],
)
def test_check_reads_the_table_of_an_honest_broker(
    installation: Installation, content: str | None, mode: int, says: str
) -> None:
    table = '[identity]\nkind = "table"\npath = "../map.csv"'
    installation.write_project(PROJECT.replace("[identity]", table))
    if content is not None:
        (installation.root / "map.csv").write_text(content)
        (installation.root / "map.csv").chmod(mode)

    done = installation.run("check")

    assert done.returncode == (1 if says else 0)
    assert says in done.stdout
    assert "A-1" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("projects", "says"),
    [
        (True, "warning: none is named, so no folder is taken in and no study is sent. Add"),
        (False, "There is no project yet, either:"),
    ],
    ids=["a project", "nothing at all"],
)
def test_check_says_that_a_configuration_without_inbox_takes_nothing_in(
    installation: Installation, projects: bool, says: str
) -> None:
    installation.write_config("")
    if not projects:
        (installation.projects / "demo.toml").unlink()

    done = installation.run("check")

    assert done.returncode == 0, done.stdout
    assert "ok      inboxes" in done.stdout
    assert says in done.stdout


def test_run_warns_of_a_configuration_without_inbox(installation: Installation) -> None:
    installation.write_config("")

    done = installation.run("run", "--once")

    assert done.returncode == 0, done.stderr
    assert "WARNING no inbox is named, so no folder is taken in" in done.stderr


def test_check_does_not_speak_of_inboxes_that_are_named(installation: Installation) -> None:
    assert "inboxes" not in installation.run("check").stdout


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Return the address of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("silent", [True, False], ids=["says nothing", "is not there"])
def test_check_asks_the_broker_of_a_site_and_does_not_wait_for_ever(
    installation: Installation, silent_server: str, silent: bool
) -> None:
    installation.write_config(INSTALLATION.replace("pool", "celery"))
    address = silent_server if silent else "127.0.0.1:1"

    done = installation.run(
        "check", "--json", SENDIT_BROKER_URL=f"redis://:CANARY@{address}/0", timeout=40
    )

    told = json.loads(done.stdout)
    assert done.returncode == 1
    [problem] = told["problems"]
    assert problem.startswith("broker: The broker does not answer at broker.url; start Redis")
    assert "CANARY" not in done.stdout + done.stderr


def test_check_asks_no_broker_where_none_is_used(installation: Installation) -> None:
    assert "broker" not in installation.run("check").stdout
