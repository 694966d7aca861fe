"""The field key is changed while values of the old one are there."""

import io

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.core.management import call_command
from django.db import connection

from sendit.config import Configuration
from sendit.pipeline.preparation import prepare
from sendit.records.audit import verify
from sendit.records.ledger_tables import LedgerId
from sendit.records.models import Batch
from tests.contracts.identity_services import ask
from tests.records.test_encrypted import make_batch
from tests.records.test_ledger import ONE, make

pytestmark = pytest.mark.django_db(transaction=True)


def stored() -> list[bytes]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT folder FROM records_batch")
        found = [bytes(row[0]) for row in cursor.fetchall()]
        cursor.execute("SELECT content FROM records_ledgerid")
        return found + [bytes(row[0]) for row in cursor.fetchall()]


def rotate(*words: str) -> str:
    out = io.StringIO()
    call_command("key", "rotate", *words, stdout=out)
    return out.getvalue()


def test_everything_is_encrypted_with_the_new_key_and_found_as_before(
    in_this_process: Configuration,
) -> None:
    prepare(in_this_process)
    file = in_this_process.settings.keys.field_file
    make_batch()
    identity = make().identify(ask(*ONE))
    old = file.read_bytes().split()

    said = rotate()

    new = file.read_bytes().split()
    assert new[1:] == old
    assert file.stat().st_mode & 0o777 == 0o600
    for value in stored():
        Fernet(new[0]).decrypt(value)
        with pytest.raises(InvalidToken):
            Fernet(old[0]).decrypt(value)
    assert "rows are encrypted" in said
    assert Batch.objects.get().folder == "Sandpiper 1961"
    assert LedgerId.objects.get().content["id"] == "A-1"
    assert make().identify(ask(*ONE)) == identity
    prepare(in_this_process)
    assert verify(head_folder=in_this_process.settings.keys.site_file.parent) == 1


def test_a_rotation_that_was_interrupted_is_finished(in_this_process: Configuration) -> None:
    prepare(in_this_process)
    make_batch()
    file = in_this_process.settings.keys.field_file
    file.write_bytes(Fernet.generate_key() + b"\n" + file.read_bytes())
    keys = file.read_bytes()

    rotate("--no-new-key")

    assert file.read_bytes() == keys
    for value in stored():
        Fernet(keys.split()[0]).decrypt(value)


def test_a_process_that_read_the_old_file_reads_values_of_the_new_key(
    in_this_process: Configuration,
) -> None:
    prepare(in_this_process)
    batch = make_batch()
    assert Batch.objects.get().folder == "Sandpiper 1961"
    file = in_this_process.settings.keys.field_file
    new = Fernet.generate_key()
    file.write_bytes(new + b"\n" + file.read_bytes())  # as another process does
    with connection.cursor() as cursor:
        value = Fernet(new).encrypt(b'"written by the other"')
        cursor.execute("UPDATE records_batch SET folder = %s WHERE id = %s", [value, batch.pk])

    assert Batch.objects.get().folder == "written by the other"
