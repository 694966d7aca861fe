"""No daily question reads a large table from end to end: the databases' own plans say so."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any  # Django's

import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django import DjangoDbBlocker

from sendit.api.lists import both_down_or_up
from sendit.metrics.numbers import gb_per_day
from sendit.metrics.throughput import by_day, by_hour
from sendit.pipeline import machine
from sendit.records import hours
from sendit.records.models import Batch, HourCount, Image
from sendit.web.health import number_needing_a_person
from tests.pipeline.machine.conftest import as_default
from tests.support.installation import Installation
from tests.support.stores import PostgreSQL

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_questions_of_all_day_go_by_an_index(
    installation: Installation, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    url = postgresql.new_database(f"plans-{tmp_path.name}"[-60:])

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale_plans", "8000"],
        cwd=ROOT,
        env=installation.environ(
            SENDIT_DATABASE_URL=url,
            DJANGO_SETTINGS_MODULE="sendit.server.settings",
            PYTHONPATH=f"{ROOT / 'src'}:{ROOT}",
        ),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    read_whole = json.loads(done.stdout.splitlines()[-1])
    assert len(read_whole) >= 12
    assert {
        name: tables
        for name, tables in read_whole.items()
        if tables and not name.endswith("(each line)")
    } == {}


def test_sqlite_looks_for_work_among_the_few_that_are_on_their_way(
    django_db_blocker: DjangoDbBlocker, tmp_path: Path
) -> None:
    """On a database of its own: PostgreSQL plans by what it has seen, which is asked above."""
    now = datetime.now(UTC)

    with django_db_blocker.unblock(), as_default(f"sqlite:///{tmp_path}/plans.sqlite3"):
        call_command("migrate", interactive=False, verbosity=0)
        due = Batch.objects.due(now).order_by("stage", "due_at")
        plans = {
            "due": due.values_list("pk").explain(),
            "claimable": Batch.objects.claimable(now).values_list("pk").explain(),
            "untouched": Batch.objects.untouched(now).values_list("pk").explain(),
        }

    for name, plan in plans.items():
        assert "records_batch USING INDEX batch_actionable" in plan, f"{name}:\n{plan}"
        assert "image_status_id" not in plan, f"{name} looks through all open images:\n{plan}"


def scans(ask: Callable[[], object]) -> list[str]:
    """Ask, and return what SQLite reads from end to end; but for what has few rows."""
    sent: list[tuple[str, Any]] = []

    def listen(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        sent.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(listen):
        ask()
    asked = [one for one in sent if one[0].startswith(("SELECT", "UPDATE", "DELETE"))]
    assert asked
    with connection.cursor() as cursor:
        plans = [
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params).fetchall() for sql, params in asked
        ]
    steps = [step for plan in plans for *_, step in plan]
    few = ("records_targethealth", "hourcount_added")
    return [step for step in steps if "SCAN records_" in step and not any(f in step for f in few)]


@pytest.mark.parametrize(
    "ask",
    [
        lambda now: number_needing_a_person(Batch.objects.all()),
        lambda now: by_day(None, days=14, now=now),
        lambda now: by_hour(["demo"], hours=24, now=now),
        lambda now: gb_per_day(days=7, now=now),
        lambda now: Batch.objects.admitted().count(),
        lambda now: machine.release_claims("w:1:1", now=now),
        lambda now: machine.forgive_clock(now=now, lease=timedelta(minutes=1)),
        lambda now: hours.put_together(few=0),
    ],
    ids=["person", "days", "hours", "gb", "admitted", "dead worker", "clock", "put together"],
)
def test_sqlite_reads_no_table_from_end_to_end(
    django_db_blocker: DjangoDbBlocker, tmp_path: Path, ask: Callable[[datetime], object]
) -> None:
    now = datetime.now(UTC)

    with django_db_blocker.unblock(), as_default(f"sqlite:///{tmp_path}/plans.sqlite3"):
        call_command("migrate", interactive=False, verbosity=0)
        HourCount.objects.create(
            project="demo", hour=now, batches=1, bytes=1, images=1, is_sum=False
        )
        assert scans(lambda: ask(now)) == []


@pytest.mark.parametrize("order", ["modified", "-modified", "status", "-status"])
@pytest.mark.parametrize("model", [Batch, Image])
def test_sqlite_sorts_no_list_of_the_api_by_hand(
    django_db_blocker: DjangoDbBlocker, tmp_path: Path, model: type[Batch] | type[Image], order: str
) -> None:
    with django_db_blocker.unblock(), as_default(f"sqlite:///{tmp_path}/plans.sqlite3"):
        call_command("migrate", interactive=False, verbosity=0)
        plan = model.objects.order_by(*both_down_or_up(order))[:10].explain()

    assert f"_{order.removeprefix('-')}" in plan
    assert "TEMP B-TREE" not in plan
