"""The tables are what the models say, whichever way they came about."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from pytest_django import DjangoDbBlocker

from sendit.config import Configuration
from sendit.pipeline.preparation import prepare
from sendit.records.audit import verify
from sendit.records.ledger_tables import NamespaceKey
from sendit.records.models import Delivery
from sendit.records.schema import migrate
from sendit.terms import Stage, Status
from tests.pipeline.machine.conftest import as_default


@pytest.mark.django_db
def test_no_model_has_changed_without_a_migration() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def rows(question: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(question)
        return sorted(cursor.fetchall())


def tables() -> dict[str, object]:
    """Return what a file of SQLite's says of its tables; the order of columns means nothing."""
    found: dict[str, object] = {
        "indexes": [
            (table, re.sub(r'"\w+_uniq"', "", sql))
            for table, sql in rows(
                "SELECT tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
            )
        ],
        "triggers": rows("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"),
        "made": rows("SELECT app, name FROM django_migrations"),
        "rights": rows("SELECT codename FROM auth_permission"),
        "kinds": rows("SELECT app_label, model FROM django_content_type"),
    }
    for (name,) in rows("SELECT name FROM sqlite_master WHERE type = 'table'"):
        found[f"{name} columns"] = rows(
            f"SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('{name}')"
        )
        found[f"{name} references"] = rows(
            f'SELECT "table", "from", "to", on_delete FROM pragma_foreign_key_list(\'{name}\')'
        )
        found[f"{name} checks"] = sorted(
            re.findall(
                r"CONSTRAINT \"\w+\" (?:CHECK|UNIQUE).*?(?=, CONSTRAINT|\)$|, FOREIGN)",
                rows(f"SELECT sql FROM sqlite_master WHERE name = '{name}'")[0][0],
            )
        )
    return found


def test_tables_made_at_once_are_those_of_the_migrations(
    django_db_blocker: DjangoDbBlocker, tmp_path: Path
) -> None:
    with django_db_blocker.unblock():
        with as_default(f"sqlite:///{tmp_path}/stepwise.sqlite3"):
            call_command("migrate", interactive=False, verbosity=0)
            stepwise = tables()
        with as_default(f"sqlite:///{tmp_path}/at-once.sqlite3"):
            migrate()
            at_once = tables()
            migrate()  # there is nothing left to do
            assert tables() == at_once

    assert len(stepwise) > 60
    assert stepwise["triggers"]
    assert at_once.keys() == stepwise.keys()
    for name, expected in stepwise.items():
        assert at_once[name] == expected, name


@pytest.mark.django_db(transaction=True)
def test_an_older_installation_has_no_own_keys_and_a_whole_log(
    in_this_process: Configuration,
) -> None:
    prepare(in_this_process)
    executor = MigrationExecutor(connection)
    executor.migrate([("records", "0010_open_batches")])
    older = executor.loader.project_state([("records", "0010_open_batches")]).apps
    older.get_model("records", "AuditHead").objects.all().delete()
    older.get_model("records", "IdentityHistory").objects.create(
        project="demo", namespace="shared", kind="keyed"
    )

    call_command("migrate", interactive=False, verbosity=0)

    assert list(NamespaceKey.objects.values_list("namespace", "fingerprint", "rules")) == [
        ("shared", "", "")
    ]
    assert verify(head_folder=in_this_process.settings.audit.folder) == 0


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_older_receipt_of_an_identified_delivery_comes_to_name_no_patient(
    request: pytest.FixtureRequest,
    django_db_blocker: DjangoDbBlocker,
    tmp_path: Path,
    kind: str,
) -> None:
    url = f"sqlite:///{tmp_path}/older.sqlite3"
    if kind == "postgresql":
        url = str(request.getfixturevalue("postgresql_database"))
    before = [("records", "0015_hour_counts")]
    receipt = {
        **{"location": "/out", "n_instances": 1, "digests": {"1": "ab" * 32}, "volume": "/"},
        "stored": {"1": ["CANARY1/1.2/1.3/1.4.dcm", "", "", "", 0]},
        "documents": {"CANARY1/1.2/manifest.csv": "cd" * 32},
        "there_already": 0,
    }

    with django_db_blocker.unblock(), as_default(url):
        executor = MigrationExecutor(connection)
        executor.migrate(before)
        older = executor.loader.project_state(before).apps.get_model
        for project, anonymize in (("as-is", False), ("research", True)):
            profile = older("records", "Profile").objects.create(
                digest=project, project=project, content={"anonymize": anonymize}
            )
            batch = older("records", "Batch").objects.create(
                uid=project,
                uid_digest=project,
                folder=project,
                profile=profile,
                project=project,
                status=Status.DONE,
                stage=Stage.CLEAN_UP,
            )
            for target in ("out", "later"):
                older("records", "Delivery").objects.create(
                    batch=batch, target=target, receipt=receipt if target == "out" else None
                )
        call_command("migrate", interactive=False, verbosity=0)
        kept = list(Delivery.objects.order_by("pk").values_list("batch__project", "receipt"))

    assert kept == [
        ("as-is", {**receipt, "stored": {}, "documents": {}}),
        ("as-is", None),
        ("research", receipt),
        ("research", None),
    ]
