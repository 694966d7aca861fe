"""The numbers of batches that are kept are those that counting finds, whatever happened."""

import random
from collections import Counter
from datetime import datetime

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from sendit.errors import StageError
from sendit.pipeline import machine
from sendit.pipeline.machine import Event
from sendit.records.counting import COUNTS, batches_by_status, put_together
from sendit.records.models import Batch, BatchCount
from sendit.terms import Stage, Status
from tests.pipeline.machine.rows import NOW, WAY, make_batch, pass_stage, take
from tests.pipeline.machine.test_claims import in_threads

pytestmark = pytest.mark.usefixtures("database")


def counted() -> Counter[tuple[str, str]]:
    return Counter(Batch.objects.values_list("project", "status"))


def kept() -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for project, status, number in BatchCount.objects.values_list("project", "status", "number"):
        found[project, status] += number
    return +found


def go_on(batch: Batch, chance: random.Random, *, now: datetime = NOW) -> None:
    """Take a batch one step further, or let it fail."""
    if batch.status == Status.QUEUE:
        machine.admit(batch.pk, now=now)
    elif batch.status == Status.ERROR:
        machine.retry(batch.pk, target=None, now=now)
    elif batch.stage == Stage.IMPORT and chance.random() < 0.2:
        machine.move(take(batch, Stage.IMPORT, now=now), Event.EMPTIED, now=now)
    elif batch.stage == Stage.IDENTIFY and chance.random() < 0.3:
        machine.fail(take(batch, Stage.IDENTIFY, now=now), StageError("no"), tries=1, now=now)
    elif batch.stage:
        pass_stage(batch, Stage(batch.stage), WAY[Stage(batch.stage)], now=now)


@pytest.mark.parametrize("seed", range(4))
def test_numbers_are_right_after_any_history(seed: int) -> None:
    chance = random.Random(seed)

    for _ in range(50):
        with transaction.atomic():
            batch = chance.choice([None, *Batch.objects.order_by("pk")])
            if batch is None:
                make_batch()
            elif batch.status == Status.QUEUE and chance.random() < 0.2:
                Batch.objects.filter(pk=batch.pk).delete()
            else:
                go_on(batch, chance)
            # As when whoever does it dies before the end.
            transaction.set_rollback(chance.random() < 0.25)
        if chance.random() < 0.3:
            put_together(few=10)
        assert kept() == counted()

    assert len(counted()) > 3
    assert COUNTS.are_right()
    assert sum(batches_by_status().values()) == Batch.objects.count()
    assert batches_by_status(["demo"]) == batches_by_status()
    assert batches_by_status(["another"]) == batches_by_status([]) == {}


def test_numbers_are_right_while_many_write_and_some_put_them_together() -> None:
    def write(number: int) -> None:
        for _ in range(5):
            if number == 0:
                put_together(few=2)
            elif number == 1:
                COUNTS.sum_anew()
            else:
                batch = make_batch()
                machine.admit(batch.pk, now=NOW)
                pass_stage(batch, Stage.IMPORT, Event.IMPORTED)

    in_threads(8, write)

    assert kept() == counted()
    put_together(few=0)
    assert list(BatchCount.objects.values_list("project", "status", "number")) == [
        ("demo", "PROCESSING", 30)
    ]
    assert COUNTS.are_right()


def test_numbers_that_are_wrong_are_noticed_and_counted_anew() -> None:
    make_batch()
    BatchCount.objects.create(project="demo", status=Status.DONE, number=5)
    assert not COUNTS.are_right()

    COUNTS.sum_anew()

    assert COUNTS.are_right()
    assert batches_by_status() == {"QUEUE": 1}


def test_what_is_there_before_the_upgrade_is_counted() -> None:
    make_batch()
    executor = MigrationExecutor(connection)
    executor.migrate([("records", "0013_lists_by_time")])
    make_batch()

    call_command("migrate", interactive=False, verbosity=0)

    assert kept() == counted() == Counter({("demo", "QUEUE"): 2})
