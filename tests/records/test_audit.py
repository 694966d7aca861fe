from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.db import connection, transaction
from pytest_django.fixtures import Settings

from sendit.config import Configuration
from sendit.errors import AuditBroken
from sendit.records.audit import HEAD_FILE, Act, append, begin, verify
from sendit.records.audit_tables import AuditEntry, AuditHead

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 5, 4, 10, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _begun(in_this_process: Configuration) -> None:
    begin()


def write(folder: Path, number: int = 1) -> None:
    for one in range(number):
        act = Act("dr-b", "reidentify", f"S{one}", reason="Sandpiper 1961", details={"n": one})
        append(act, now=NOW, head_folder=folder)


def test_a_log_that_nobody_touched_is_whole(tmp_path: Path) -> None:
    assert verify(head_folder=tmp_path) == 0
    write(tmp_path, 5)

    assert verify(head_folder=tmp_path) == 5
    assert [one.number for one in AuditEntry.objects.order_by("number")] == [1, 2, 3, 4, 5]
    assert (tmp_path / HEAD_FILE).stat().st_mode & 0o777 == 0o600


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE records_auditentry SET actor = 'x' WHERE number = 3", "Entry 3 .* was changed"),
        ("UPDATE records_auditentry SET subject = '' WHERE number = 1", "Entry 1 .* was changed"),
        ("UPDATE records_auditentry SET reason = NULL WHERE number = 2", "Entry 2 .* was changed"),
        (
            "UPDATE records_auditentry SET time = '2020-01-01 00:00:00+00:00' WHERE number = 4",
            "Entry 4 .* was changed",
        ),
        ("DELETE FROM records_auditentry WHERE number = 1", "Entry 1 .* is missing"),
        ("DELETE FROM records_auditentry WHERE number = 3", "Entry 3 .* is missing"),
        ("DELETE FROM records_auditentry WHERE number = 5", "Entry 5 .* is missing"),
        ("DELETE FROM records_auditentry", "Entry 1 .* is missing, and all up to 5"),
        ("UPDATE records_audithead SET last = 4", "proof does not fit"),
        ("UPDATE records_auditentry SET seal = 'x' WHERE number = 5", "Entry 5 .* was changed"),
    ],
)
def test_what_was_changed_or_removed_is_found(tmp_path: Path, statement: str, says: str) -> None:
    write(tmp_path, 5)
    sql(statement)

    with pytest.raises(AuditBroken, match=says):
        verify(head_folder=tmp_path)


def test_a_renumbered_log_is_broken(tmp_path: Path) -> None:
    write(tmp_path, 5)
    sql("DELETE FROM records_auditentry WHERE number = 3")
    sql("UPDATE records_auditentry SET number = 3 WHERE number = 4")
    sql("UPDATE records_auditentry SET number = 4 WHERE number = 5")

    with pytest.raises(AuditBroken, match=r"Entry 3 .* was changed"):
        verify(head_folder=tmp_path)


def test_an_older_copy_of_the_whole_database_is_noticed(tmp_path: Path) -> None:
    write(tmp_path, 3)
    head = AuditHead.objects.values().get()
    write(tmp_path, 2)
    AuditEntry.objects.filter(number__gt=3).delete()
    AuditHead.objects.update(**{key: head[key] for key in ("last", "seal", "proof")})

    with pytest.raises(AuditBroken, match=r"Entry 4 .* up to 5: .* an older copy"):
        verify(head_folder=tmp_path)


def test_a_log_that_lost_everything_but_the_file_is_noticed(tmp_path: Path) -> None:
    write(tmp_path, 2)
    AuditEntry.objects.all().delete()
    AuditHead.objects.all().delete()

    with pytest.raises(AuditBroken, match=r"Entry 1 .* is missing, and all up to 2"):
        verify(head_folder=tmp_path)


@pytest.mark.parametrize("entries", [0, 3])
def test_a_log_that_is_gone_with_its_file_is_not_an_empty_one(tmp_path: Path, entries: int) -> None:
    write(tmp_path, entries)
    AuditEntry.objects.all().delete()
    AuditHead.objects.all().delete()
    (tmp_path / HEAD_FILE).unlink(missing_ok=True)

    with pytest.raises(AuditBroken, match=r"has 0 entries\. .* is gone from the database"):
        verify(head_folder=tmp_path)
    with pytest.raises(AuditBroken, match="Nothing that has to be in it is done"):
        write(tmp_path, 1)

    assert not AuditEntry.objects.exists()
    AuditHead.objects.create(pk=1)
    with pytest.raises(AuditBroken, match="proof does not fit"):
        verify(head_folder=tmp_path)


@pytest.mark.parametrize("harm", [AuditHead.objects.all().delete, None], ids=["gone", "moved"])
def test_a_head_that_was_removed_or_taken_from_another_day_is_noticed(
    tmp_path: Path, harm: Callable[[], object] | None
) -> None:
    write(tmp_path, 1)
    head = AuditHead.objects.values().get()
    write(tmp_path, 1)
    if harm is None:
        AuditHead.objects.update(**{key: head[key] for key in ("last", "seal", "proof")})
    else:
        harm()

    with pytest.raises(AuditBroken, match=r"head was changed|where the audit log ends is gone"):
        verify(head_folder=tmp_path)


def test_without_the_key_nobody_makes_a_seal(tmp_path: Path, settings: Settings) -> None:
    write(tmp_path, 1)
    right = settings.SENDIT_FIELD_KEY_FILE
    settings.SENDIT_FIELD_KEY_FILE = tmp_path / "other.key"
    settings.SENDIT_FIELD_KEY_FILE.write_bytes(Fernet.generate_key())
    AuditEntry.objects.update(reason="something else")
    write(tmp_path, 1)
    settings.SENDIT_FIELD_KEY_FILE = right
    AuditEntry.objects.update(reason="something else")

    with pytest.raises(AuditBroken, match=r"Entry 1"):
        verify(head_folder=tmp_path)


def test_a_reason_never_stands_in_clear(tmp_path: Path) -> None:
    write(tmp_path, 1)

    with connection.cursor() as cursor:
        cursor.execute("SELECT reason, details, actor, subject FROM records_auditentry")
        row = cursor.fetchone()

    assert b"Sandpiper" not in bytes(row[0])
    assert AuditEntry.objects.get().reason == "Sandpiper 1961"


def test_an_act_that_was_rolled_back_is_not_in_the_log(tmp_path: Path) -> None:
    write(tmp_path, 1)
    with transaction.atomic():
        write(tmp_path, 1)
        transaction.set_rollback(True)

    write(tmp_path, 1)

    assert verify(head_folder=tmp_path) == 2


def test_many_who_write_at_once_make_one_chain(tmp_path: Path) -> None:
    def work(_: int) -> None:
        try:
            write(tmp_path, 5)
        finally:
            connection.close()

    at_once = 4 if connection.vendor == "postgresql" else 1  # a SQLite in memory has one writer
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(work, range(4)))

    assert verify(head_folder=tmp_path) == 20
