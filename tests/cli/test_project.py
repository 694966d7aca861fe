import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from sendit.errors import IdentityError, UsageError
from sendit.pipeline.preparation import prepare
from sendit.records.audit_tables import AuditEntry
from sendit.records.ledger_tables import (
    LedgerId,
    LedgerItem,
    LedgerNamespace,
    LedgerPatient,
    LedgerUid,
)
from sendit.records.models import BatchIdentifiers
from sendit.records.provider import require_same
from sendit.terms import Status
from tests.pipeline.line import Line, make_line
from tests.support.installation import PROJECT, Installation
from tests.support.make_study import make_study

pytestmark = pytest.mark.django_db(transaction=True)
LEDGER = PROJECT.replace("[identity]", '[identity]\nkind = "ledger"\nkeep_uids = true') + (
    'identifiers = "keep"\n'
)


@pytest.fixture
def line(installation: Installation, in_this_process: Any, settings: Any) -> Line:
    line = make_line(installation, in_this_process)
    line.set_project(LEDGER)
    settings.SENDIT = line.configuration
    return line


def close(name: str = "demo") -> str:
    out = io.StringIO()
    call_command("project", "close", name, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["ledger", "keyed"])
def test_a_closed_project_leads_nobody_back_and_names_nobody(
    line: Line, kind: str, settings: Any
) -> None:
    line.set_project(LEDGER.replace("ledger", kind))
    settings.SENDIT = line.configuration
    line.installation.add_study("ACC1", n_series=1)
    assert line.run("ACC1").status == Status.DONE
    assert BatchIdentifiers.objects.exists()
    assert LedgerUid.objects.exists()
    assert LedgerPatient.objects.exists() == (kind == "ledger")

    said = close()

    assert "can be derived again by whoever has that key" in said
    for table in (LedgerPatient, LedgerId, LedgerItem, LedgerUid, BatchIdentifiers):
        assert not table._default_manager.exists()
    line.installation.add_study("ACC2", n_series=1)
    batch = line.run("ACC2")
    assert (batch.status, batch.stage) == (Status.ERROR, "identify")
    assert "was closed with its project" in batch.errors[-1]["message"]
    assert AuditEntry.objects.get().action == "project close"
    LedgerNamespace.objects.all().delete()  # as in a database made anew
    line.installation.add_study("ACC3", n_series=1)
    assert "was closed with its project" in line.run("ACC3").errors[-1]["message"]
    marks = line.configuration.settings.keys.site_file.with_name("closed.namespaces")
    assert marks.read_text() == "demo\n"


def test_a_project_is_closed_once(line: Line) -> None:
    close()

    assert "was closed on" in close()
    assert AuditEntry.objects.get().action == "project close"
    with pytest.raises(IdentityError, match="were destroyed"):
        require_same(line.configuration.projects["demo"])


def test_no_client_gets_a_token_for_a_closed_project(line: Line, tmp_path: Path) -> None:
    close()
    secrets = tmp_path / "client.json"

    with pytest.raises(IdentityError, match="were destroyed"):
        call_command("identity", "token", "issue", "--study", "Demo", "--output", str(secrets))

    assert not secrets.exists()


def test_a_folder_of_a_closed_project_is_not_de_identified(
    installation: Installation, in_this_process: Any
) -> None:
    prepare(in_this_process)
    close()
    make_study(installation.root / "in")
    words = ("in", "clean", "--project", str(installation.projects / "demo.toml"))

    done = installation.run("deid", *words)

    assert done.returncode == 1
    assert "was closed with its project" in done.stderr
    assert not list(installation.root.glob("clean/**/*.dcm"))


def test_a_namespace_that_is_still_needed_is_not_closed(line: Line, settings: Any) -> None:
    shared = LEDGER.replace("[identity]", '[identity]\nnamespace = "demo"')
    line.installation.write_project(shared, name="other")
    settings.SENDIT = line.installation.configuration()

    with pytest.raises(UsageError, match="also that of other"):
        close()
    with pytest.raises(UsageError, match="There is no project"):
        close("nobody")


def test_a_project_with_unfinished_batches_is_not_closed(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=1)
    line.hand_in("ACC1")

    with pytest.raises(UsageError, match="1 of its batches is not finished"):
        close()
