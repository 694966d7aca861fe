import io
from typing import Any

import pytest
from django.core.management import call_command

from sendit.errors import UsageError
from sendit.records.audit_tables import AuditEntry
from sendit.records.ledger_tables import LedgerId, LedgerItem, LedgerPatient, LedgerUid
from sendit.records.models import Batch, BatchIdentifiers
from sendit.terms import Status
from tests.pipeline.line import Line, make_line
from tests.support.installation import PROJECT, Installation

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
    assert "were destroyed" in batch.errors[-1]["message"]
    assert AuditEntry.objects.get().action == "project close"
    Batch.objects.all().delete()
    with pytest.raises(UsageError, match="was closed on"):
        close()


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
