"""No daily question reads a large table from end to end: the databases' own plans say so."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import DjangoDbBlocker

from sendit.api.lists import both_down_or_up
from sendit.records.hours import kept_hours
from sendit.records.models import Batch, Delivery, HourCount, Image, StageRun
from sendit.terms import Status
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
        others = {
            "stagerun_open": StageRun.objects.filter(worker="w:1:1", ended=None).explain(),
            "delivery_retry_at": Delivery.objects.filter(retry_at__gt=now).explain(),
            "hourcount_hour": kept_hours(None).filter(hour__gte=now).explain(),
            "hourcount_added": HourCount.objects.filter(is_sum=False)[:9].explain(),
            "batch_done_when": Batch.objects.filter(
                status=Status.DONE, finished__gt=now, finished__lt=now
            ).explain(),
        }

    for name, plan in plans.items():
        assert "records_batch USING INDEX batch_actionable" in plan, f"{name}:\n{plan}"
        assert "image_status_id" not in plan, f"{name} looks through all open images:\n{plan}"
    for index, plan in others.items():
        assert f"INDEX {index}" in plan


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
