from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from sendit.config import Configuration
from sendit.errors import AuditBroken, DatabaseLost, KeyProblem
from sendit.pipeline.preparation import prepare
from sendit.pipeline.workspace import Workspace
from sendit.records import audit
from sendit.records.audit_tables import AuditHead
from sendit.records.ledger_tables import LedgerNamespace
from sendit.records.models import Installation

pytestmark = pytest.mark.django_db


def test_keys_are_made_once_and_kept(in_this_process: Configuration) -> None:
    first = prepare(in_this_process)
    second = prepare(in_this_process)

    assert first.site == second.site
    assert len(first.site) == 32
    assert Installation.objects.count() == 1
    assert in_this_process.settings.keys.site_file.stat().st_mode & 0o777 == 0o600
    assert first.site.hex() not in repr(first)


def remove(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    text = Fernet.generate_key() if "field" in path.name else b"ab" * 32
    path.write_bytes(text)


@pytest.mark.parametrize("key", ["site_file", "field_file"])
@pytest.mark.parametrize("harm", [remove, replace])
def test_missing_or_other_key_beside_history_refuses_to_start(
    in_this_process: Configuration, key: str, harm: Callable[[Path], None]
) -> None:
    prepare(in_this_process)
    path = getattr(in_this_process.settings.keys, key)
    harm(path)

    with pytest.raises(KeyProblem, match="backup"):
        prepare(in_this_process)

    if harm is remove:
        assert not path.exists()


def test_the_folder_of_keys_that_are_away_is_not_made_anew(in_this_process: Configuration) -> None:
    """Whoever moves it back would else move it into an empty one."""
    prepare(in_this_process)
    folder = in_this_process.settings.keys.site_file.parent
    folder.rename(folder.with_name("away"))

    with pytest.raises(KeyProblem):
        prepare(in_this_process)

    assert not folder.exists()
    folder.with_name("away").rename(folder)
    prepare(in_this_process)


def test_a_database_that_is_gone_refuses_to_start_where_work_was_done(
    in_this_process: Configuration,
) -> None:
    before = prepare(in_this_process)
    workspace = Workspace(in_this_process.settings.work_dir)
    workspace.make_phi(7, "excluded")
    workspace.remove(workspace.phi(7))  # as clean-up does; what was done is known all the same
    Installation.objects.all().delete()

    with pytest.raises(DatabaseLost, match="sendit restore"):
        prepare(in_this_process)

    assert not Installation.objects.exists()
    for name in ("phi", "clean", "previews"):
        (workspace.work_dir / name).rename(workspace.work_dir / f"{name}.before")
    assert prepare(in_this_process) == before  # begun anew, as the message says


def test_keys_that_are_lost_with_the_database_are_not_made_anew_where_work_was_done(
    in_this_process: Configuration,
) -> None:
    prepare(in_this_process)
    (in_this_process.settings.work_dir / "previews/7").mkdir()
    Installation.objects.all().delete()
    in_this_process.settings.keys.site_file.unlink()

    with pytest.raises(DatabaseLost):
        prepare(in_this_process)

    assert not in_this_process.settings.keys.site_file.exists()


def test_the_audit_log_begins_with_the_installation_and_is_never_begun_again(
    in_this_process: Configuration,
) -> None:
    prepare(in_this_process)
    folder = in_this_process.settings.audit.folder
    assert audit.verify(head_folder=folder) == 0
    # Whoever would hide it removes what made the installation, too.
    LedgerNamespace.objects.create(name="demo")
    AuditHead.objects.all().delete()
    Installation.objects.all().delete()

    prepare(in_this_process)

    assert Installation.objects.count() == 1
    with pytest.raises(AuditBroken, match="has 0 entries"):
        audit.verify(head_folder=folder)
