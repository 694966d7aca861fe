"""Prepared statements do what the same words of Django's do, on both databases."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q
from django.test.utils import CaptureQueriesContext

from sendit.records.models import Batch, Finding, StageRun, Treatment
from sendit.records.prepared import Prepared, insert, insert_all
from tests.pipeline.machine.rows import NOW, make_batch

pytestmark = pytest.mark.usefixtures("database")

BATCH = Prepared(lambda batch: Batch.objects.filter(pk=batch))
DUE = Prepared(
    lambda now: Batch.objects.filter(Q(due_at=None) | Q(due_at__lte=now)).order_by("-pk")
)
NAMES = Prepared(lambda project: Batch.objects.filter(project=project).values_list("uid", "bytes"))


def test_objects_are_those_that_django_reads() -> None:
    batch = make_batch()
    other = make_batch()
    Batch.objects.filter(pk=batch.pk).update(due_at=NOW, removals={"results": {"gone": None}})

    [found] = BATCH.objects(batch=batch.pk)

    read = Batch.objects.get(pk=batch.pk)
    for field in Batch._meta.concrete_fields:
        assert getattr(found, field.attname) == getattr(read, field.attname), field.name
    assert [one.pk for one in DUE.objects(now=NOW)] == [other.pk, batch.pk]
    assert [one.pk for one in DUE.objects(now=NOW - timedelta(seconds=1))] == [other.pk]


def test_columns_are_decrypted_and_converted() -> None:
    batch = make_batch()

    assert NAMES.rows(project="demo") == [(batch.uid, batch.bytes)]
    assert NAMES.row(project="demo") == (batch.uid, batch.bytes)
    assert NAMES.row(project="another") is None


def test_columns_that_are_put_off_are_read_when_they_are_wanted() -> None:
    batch = make_batch()
    without = Prepared(lambda batch: Batch.objects.defer("uid", "folder").filter(pk=batch))

    [found] = without.objects(batch=batch.pk)

    assert found.get_deferred_fields() == {"uid", "folder"}
    assert found.uid == batch.uid


def test_an_update_changes_what_it_names_and_nothing_else() -> None:
    batch, other = make_batch(), make_batch()
    later = NOW + timedelta(days=1)

    for attempts in (1, 2):
        changes = {"attempts": F("attempts") + 1, "due_at": later, "errors": [["x", 1]]}
        assert BATCH.update(changes, batch=batch.pk) == 1
        assert Batch.objects.get(pk=batch.pk).attempts == attempts
    assert BATCH.update({"attempts": F("attempts") + 10, "due_at": None}, batch=batch.pk) == 1
    assert BATCH.update({"attempts": 5}, batch=0) == 0

    changed, same = Batch.objects.get(pk=batch.pk), Batch.objects.get(pk=other.pk)
    assert (changed.attempts, changed.due_at, changed.errors) == (12, None, [["x", 1]])
    assert (same.attempts, same.errors) == (0, [])


def test_the_text_is_made_once() -> None:
    made: Counter[str] = Counter()

    def build(batch):  # type: ignore[no-untyped-def]
        made["times"] += 1
        return Batch.objects.filter(pk=batch)

    query, batches = Prepared(build), [make_batch().pk for _ in range(3)]
    with CaptureQueriesContext(connection) as asked:
        for pk in batches:
            assert [one.pk for one in query.objects(batch=pk)] == [pk]

    assert len(asked) == 3
    assert made["times"] == 2  # for its text, and for its model


def test_new_rows_are_written_with_their_defaults() -> None:
    batch = make_batch()
    run = StageRun(batch_id=batch.pk, stage="send", worker="w", attempt=1, started=NOW)

    insert(run)

    read = StageRun.objects.get()
    assert run.pk == read.pk
    for field in StageRun._meta.concrete_fields:
        assert getattr(read, field.attname) == getattr(run, field.attname), field.name


def test_many_rows_are_written_or_none() -> None:
    insert_all([])
    insert_all([Treatment("a", [["x"]]), Treatment("b", [])])
    insert_all([Treatment("b", [["other"]]), Treatment("c", [])], unless_there=True)

    assert dict(Treatment.objects.values_list("digest", "elements")) == {
        "a": [["x"]],
        "b": [],
        "c": [],
    }
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_all([Treatment("d", []), Treatment("a", [])])
    assert Treatment.objects.count() == 3


def test_a_value_of_a_name_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        BATCH.rows(number=1)
    assert not Finding.objects.exists()
