"""The broker's commands: who may, what is written down, what is told."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from sendit.config import Configuration
from sendit.errors import IdentityError, NotAllowed, SenditError, UsageError
from sendit.identity import IdentityContext
from sendit.identity.registry import build
from sendit.pipeline.preparation import prepare
from sendit.records.audit import verify
from sendit.records.audit_tables import AuditEntry
from sendit.records.ledger import DatabaseLedger
from sendit.records.ledger_tables import LedgerId, LedgerItem, LedgerPatient
from tests.contracts.identity_services import ask
from tests.support.installation import PROJECT, Installation

LEDGER = PROJECT.replace("[identity]", '[identity]\nkind = "ledger"')
HEADER = "patient_id,patient_pseudonym,shift_days,item,study_pseudonym\n"

pytestmark = pytest.mark.django_db(transaction=True)

Sendit = Callable[..., str]


@pytest.fixture
def sendit(installation: Installation, in_this_process: Configuration, settings: Any) -> Sendit:
    """Return a function that runs a command in this process and returns what it says."""
    installation.write_project(LEDGER)
    settings.SENDIT = installation.configuration()

    def run(*words: str) -> str:
        out = io.StringIO()
        call_command(*words, stdout=out)
        return out.getvalue()

    return run


@pytest.fixture
def name(sendit: Sendit, in_this_process: Configuration) -> Callable[..., Any]:
    site_key = prepare(in_this_process).site

    def identify(*patients: tuple[str, str, str]) -> Any:
        context = IdentityContext(site_key, "demo", "demo", ledger=DatabaseLedger())
        return build("ledger", {}, context=context).identify(ask(*patients))

    return identify


def acts() -> list[str]:
    return [one.action for one in AuditEntry.objects.order_by("number")]


@pytest.mark.parametrize("what", ["token", "credential"])
def test_a_list_of_nobody_says_how_to_make_one(sendit: Sendit, what: str) -> None:
    told = sendit("identity", what, "list")

    assert told.startswith("No ")
    assert f"sendit identity {what} issue" in told


@pytest.fixture
def credential(sendit: Sendit, tmp_path: Path) -> Path:
    path = tmp_path / "broker.key"
    sendit("identity", "credential", "issue", "Dr B", "--output", str(path))
    return path


def test_a_name_leads_back_to_its_patient_for_who_has_the_right(
    sendit: Sendit, name: Callable[..., Any], credential: Path, in_this_process: Configuration
) -> None:
    identity = name(("MRN 7301", "1.2.1", "ACC7301")).of("MRN 7301", "1.2.1")

    for suid, what in (
        (identity.patient_pseudonym, "patient"),
        (identity.study_pseudonym, "study"),
    ):
        words = ("--reason", "incidental finding", "--credential", str(credential))
        text = sendit("reidentify", suid, *words)

        assert text.startswith(f"{what} in namespace demo")
        assert "MRN 7301" in text
        assert ("ACC7301" in text) == (what == "study")
    last = AuditEntry.objects.order_by("number").last()
    assert last is not None
    assert (last.actor, last.action, last.reason) == ("Dr B", "reidentify", "incidental finding")
    assert last.subject == identity.study_pseudonym
    assert verify(head_folder=in_this_process.settings.keys.site_file.parent) == 3
    assert "whole: 3 entries" in sendit("audit", "verify")


@pytest.mark.parametrize("how", ["none", "made up", "readable", "revoked"])
def test_without_the_right_nothing_is_answered_and_the_attempt_is_written_down(
    sendit: Sendit,
    name: Callable[..., Any],
    credential: Path,
    tmp_path: Path,
    how: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    suid = name(("MRN 7301", "1.2.1", "ACC1")).of("MRN 7301", "1.2.1").patient_pseudonym
    if how == "none":
        credential = tmp_path / "nothing"
    elif how == "made up":
        credential.write_text("a guess\n")
    elif how == "readable":
        credential.chmod(0o644)
    else:
        sendit("identity", "credential", "revoke", "Dr B")

    with pytest.raises(NotAllowed) as refusal:
        sendit("reidentify", suid, "--reason", "x", "--credential", str(credential))

    assert "MRN" not in str(refusal.value) + capsys.readouterr().out
    assert acts()[-1] == "reidentify refused"


def test_a_question_about_nobody_is_in_the_log_without_what_was_asked(
    sendit: Sendit, credential: Path
) -> None:
    with pytest.raises(UsageError, match="keep_uids"):
        sendit("reidentify", "MRN 7301", "--reason", "x", "--credential", str(credential))

    last = AuditEntry.objects.order_by("number").last()
    assert last is not None
    assert (last.action, last.subject, last.details) == ("reidentify", "", {"known": False})


def test_only_a_holder_gives_the_right_to_another(
    sendit: Sendit, credential: Path, tmp_path: Path
) -> None:
    with pytest.raises(NotAllowed):
        sendit(
            *("identity", "credential", "issue", "Dr C", "--output", str(tmp_path / "c")),
            *("--credential", str(tmp_path / "nothing")),
        )
    sendit(
        *("identity", "credential", "issue", "Dr C", "--output", str(tmp_path / "c")),
        *("--credential", str(credential)),
    )

    assert credential.stat().st_mode & 0o777 == 0o600
    assert "Dr C" in sendit("identity", "credential", "list")
    assert AuditEntry.objects.get(action="credential issue", subject="Dr C").actor == "Dr B"


def test_the_map_of_a_trial_is_imported_used_and_exported(
    sendit: Sendit, name: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "map.csv"
    file.touch(0o600)
    rows = "A-1,SUBJ-001,-35,ACC1,SUBJ-001-A\nA-1,SUBJ-001,-35,ACC2,SUBJ-001-B\nB-2,SUBJ-002,,,\n"
    file.write_text(HEADER + rows)

    assert "2 new patients and 2 new studies" in sendit("identity", "import", str(file))
    identity = name(("a-1", "1.2.1", "ACC1")).of("A-1", "1.2.1")
    assert (identity.patient_pseudonym, identity.study_pseudonym, identity.shift_days) == (
        "SUBJ-001",
        "SUBJ-001-A",
        -35,
    )
    assert "0 new patients" in sendit("identity", "import", str(file))
    out = tmp_path / "out.csv"
    assert "2 patients" in sendit("identity", "export", str(out))
    assert out.stat().st_mode & 0o777 == 0o600
    before = list(LedgerItem.objects.values_list("suid", flat=True).order_by("suid"))
    for table in (LedgerItem, LedgerId, LedgerPatient):
        table.objects.all().delete()
    sendit("identity", "import", str(out))
    assert list(LedgerItem.objects.values_list("suid", flat=True).order_by("suid")) == before
    assert name(("A-1", "1.2.1", "ACC1")).of("A-1", "1.2.1") == identity
    assert acts() == ["ledger import", "ledger import", "ledger export", "ledger import"]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("A-1,OTHER,-35,,\n", "line 2: the patient has another pseudonym"),
        ("A-1,SUBJ-001,-36,,\n", "line 2: the patient has other shift_days"),
        ("C-3,SUBJ-001,,,\n", "line 2: a pseudonym is somebody else's"),
        ("C-3,SUBJ-001-A,,,\n", "line 2: a pseudonym is somebody else's"),
        ("A-1,SUBJ-001,-35,ACC1,OTHER\n", "line 2: the study has another pseudonym"),
        ("A-1,SUBJ-001,-35,ACC9,SUBJ-001-A\n", "line 2: a pseudonym is somebody else's"),
    ],
)
def test_a_conflict_is_reported_and_nothing_is_half_imported(
    sendit: Sendit, tmp_path: Path, rows: str, says: str
) -> None:
    file = tmp_path / "map.csv"
    file.touch(0o600)
    file.write_text(HEADER + "A-1,SUBJ-001,-35,ACC1,SUBJ-001-A\n")
    sendit("identity", "import", str(file))
    file.write_text(HEADER + rows + "D-4,SUBJ-004,,,\n")

    with pytest.raises(UsageError, match=says) as refusal:
        sendit("identity", "import", str(file))

    assert LedgerPatient.objects.count() == 1
    assert "A-1" not in str(refusal.value)


def test_a_file_that_contradicts_itself_is_not_imported(sendit: Sendit, tmp_path: Path) -> None:
    file = tmp_path / "map.csv"
    file.touch(0o600)
    file.write_text(HEADER + "A-1,SUBJ-001,-35,,\nB-2,SUBJ-001,,,\n")

    with pytest.raises(IdentityError, match="line 3: patient_pseudonym is taken"):
        sendit("identity", "import", str(file))

    assert not LedgerPatient.objects.exists()


def test_a_map_that_everybody_can_read_is_not_imported(sendit: Sendit, tmp_path: Path) -> None:
    file = tmp_path / "map.csv"
    file.write_text(HEADER + "A-1,SUBJ-001,-35,,\n")
    file.chmod(0o644)

    with pytest.raises(IdentityError, match="Run: chmod o= "):
        sendit("identity", "import", str(file))

    assert not LedgerPatient.objects.exists()
    file.chmod(0o640)
    assert "1 new patient and" in sendit("identity", "import", str(file))


def test_a_namespace_that_is_none_is_not_exported(sendit: Sendit, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"

    with pytest.raises(UsageError, match='no namespace "dmeo"; there are: demo'):
        sendit("identity", "export", str(out), "--namespace", "dmeo")

    assert not out.exists()
    assert acts() == []


def test_an_export_needs_the_right_once_somebody_has_it(
    sendit: Sendit, name: Callable[..., Any], credential: Path, tmp_path: Path
) -> None:
    name(("A-1", "1.2.1", "ACC1"))
    out = str(tmp_path / "out.csv")

    with pytest.raises(NotAllowed):
        sendit("identity", "export", out, "--credential", str(tmp_path / "nothing"))
    sendit("identity", "export", out, "--credential", str(credential))

    assert AuditEntry.objects.get(action="ledger export").actor == "Dr B"


def test_merged_ids_share_names_from_then_on_and_the_old_name_still_leads_back(
    sendit: Sendit, name: Callable[..., Any], credential: Path, tmp_path: Path
) -> None:
    one = name(("A-1", "1.2.1", "ACC1")).of("A-1", "1.2.1")
    two = name(("B-2", "1.2.2", "ACC2")).of("B-2", "1.2.2")

    text = sendit("identity", "merge", "A-1", "B-2")

    assert f"{one.patient_pseudonym} from now on" in text
    after = name(("B-2", "1.2.2", "ACC2"), ("B-2", "1.2.3", "ACC3"), ("A-1", "1.2.4", "ACC3"))
    assert {i.patient_pseudonym for i in after.answers.values()} == {one.patient_pseudonym}
    assert {i.shift_days for i in after.answers.values()} == {one.shift_days}
    assert after.of("B-2", "1.2.2").study_pseudonym == two.study_pseudonym
    assert after.of("B-2", "1.2.3").study_pseudonym == after.of("A-1", "1.2.4").study_pseudonym
    words = ("--reason", "x", "--credential", str(credential))
    for suid in (one.patient_pseudonym, two.patient_pseudonym):
        found = sendit("reidentify", suid, *words)
        assert "A-1" in found
        assert "B-2" in found
    written = acts()
    again = sendit("identity", "merge", "A-1", "B-2")
    assert f"Both ids are {one.patient_pseudonym} already; nothing was done." in again
    assert acts() == written
    out = tmp_path / "out.csv"
    sendit("identity", "export", str(out), "--credential", str(credential))
    for table in (LedgerItem, LedgerId):
        table.objects.all().delete()
    LedgerPatient.objects.update(merged_into=None)
    LedgerPatient.objects.all().delete()
    sendit("identity", "import", str(out))
    later = name(("B-2", "1.2.2", "ACC2"), ("A-1", "1.2.1", "ACC1"))
    assert {i.patient_pseudonym for i in later.answers.values()} == {one.patient_pseudonym}


def test_a_second_id_can_be_declared_before_it_comes(
    sendit: Sendit, name: Callable[..., Any]
) -> None:
    one = name(("A-1", "1.2.1", "ACC1")).of("A-1", "1.2.1")

    sendit("identity", "merge", "A-1", "NEW")

    assert name(("new", "1.2.9", "X")).of("NEW", "1.2.9").patient_pseudonym == (
        one.patient_pseudonym
    )
    with pytest.raises(UsageError, match="knows nobody of the first id"):
        sendit("identity", "merge", "NOBODY", "A-1")


def test_a_token_is_for_a_study_that_the_ledger_may_name(
    sendit: Sendit, installation: Installation, tmp_path: Path, settings: Any
) -> None:
    path = tmp_path / "client.json"
    said = sendit("identity", "token", "issue", "--study", "Demo", "--output", str(path))

    kept = json.loads(path.read_text())
    assert kept["token_uri"] == "http://127.0.0.1:8790/token/api/v1/refresh"
    assert path.stat().st_mode & 0o777 == 0o600
    assert kept["accessToken"] not in said
    with pytest.raises(UsageError, match="is there already"):
        sendit("identity", "token", "issue", "--study", "demo", "--output", str(path))
    installation.write_project(PROJECT)
    settings.SENDIT = installation.configuration()
    with pytest.raises(UsageError, match="second ones"):
        sendit("identity", "token", "issue", "--study", "demo", "--output", str(tmp_path / "b"))


def test_a_service_for_other_machines_needs_a_certificate(sendit: Sendit) -> None:
    with pytest.raises(SenditError, match=r"in clear: set identity_service.certificate"):
        sendit("identity", "serve", "--host", "0.0.0.0", "--port", "0")
