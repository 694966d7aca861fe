"""What a migration makes of rows that are there."""

from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection

from sendit.pipeline.machine import NewFinding, note
from sendit.records.models import Batch, Finding
from sendit.terms import Stage, Status
from tests.support.batches import NOW, make_batch


@pytest.mark.django_db
@pytest.mark.usefixtures("in_this_process")
def test_what_a_person_said_is_encrypted_and_the_word_stays() -> None:
    batch = make_batch("ACC1", status=Status.DONE)
    note(batch.pk, [NewFinding("NOT_DICOM", "1 file", Stage.IMPORT, nr=1)], now=NOW)
    Finding.objects.update(resolved="accepted: SECRET of him")
    batch = Batch.objects.get()
    entries = [{**entry, "resolved": "accepted: SECRET of him"} for entry in batch.errors]
    Batch.objects.update(errors=entries)

    import_module("sendit.records.migrations.0003_decisions").encrypt(apps, connection)

    finding = Finding.objects.get()
    assert (finding.resolved, finding.decision) == ("accepted", "SECRET of him")
    assert Batch.objects.get().errors[0]["resolved"] == "accepted"
    with connection.cursor() as cursor:
        cursor.execute("SELECT decision FROM records_finding")
        assert b"SECRET" not in bytes(cursor.fetchone()[0])
