from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from pytest_django.fixtures import Settings

from sendit.config import Configuration
from sendit.errors import KeyProblem
from sendit.records.encrypted import keyed_digest
from sendit.records.models import Batch, Profile

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_this_process")]


def make_batch(folder: str = "Sandpiper 1961") -> Batch:
    profile = Profile.objects.create(digest="d", project="demo", content={})
    return Batch.objects.create(
        uid=folder,
        uid_digest=keyed_digest(folder),
        folder=folder,
        folder_key="1:1",
        inbox="/inbox",
        project="demo",
        profile=profile,
        status="QUEUE",
        stage="import",
    )


def stored(batch: Batch) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute("SELECT folder FROM records_batch WHERE id = %s", [batch.pk])
        return bytes(cursor.fetchone()[0])


@pytest.mark.parametrize("name", ["Sandpiper", "new\nline", "raw\udcff\udcfe", "ümläut", ""])
def test_value_comes_back_and_never_stands_in_clear(name: str) -> None:
    batch = make_batch(name)

    assert Batch.objects.get().folder == name
    assert not name or name.encode("utf-8", "surrogateescape") not in stored(batch)


def test_same_value_is_stored_differently_and_found_by_its_digest() -> None:
    batch = make_batch()
    before = stored(batch)
    Batch.objects.filter(pk=batch.pk).update(folder=batch.folder)

    assert stored(batch) != before
    assert Batch.objects.filter(uid_digest=keyed_digest("Sandpiper 1961")).exists()
    assert not Batch.objects.filter(uid_digest=keyed_digest("sandpiper 1961")).exists()


def test_new_key_in_front_reads_old_values_and_keeps_digests(
    in_this_process: Configuration, settings: Settings, tmp_path: Path
) -> None:
    make_batch()
    old = in_this_process.settings.keys.field_file.read_bytes().strip()
    digest = keyed_digest("x")
    settings.SENDIT_FIELD_KEY_FILE = tmp_path / "rotated.key"
    settings.SENDIT_FIELD_KEY_FILE.write_bytes(Fernet.generate_key() + b"\n" + old)

    assert Batch.objects.get().folder == "Sandpiper 1961"
    assert keyed_digest("x") == digest


def test_another_key_is_told_from_the_right_one(settings: Settings, tmp_path: Path) -> None:
    make_batch()
    settings.SENDIT_FIELD_KEY_FILE = tmp_path / "other.key"
    settings.SENDIT_FIELD_KEY_FILE.write_bytes(Fernet.generate_key())

    with pytest.raises(KeyProblem, match="put the right key back"):
        Batch.objects.get()
