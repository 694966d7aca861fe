"""What a log says of a database that did not answer: why, and nothing of what was asked."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from django.db import DatabaseError, OperationalError, connection
from pytest_django import DjangoDbBlocker

from sendit.records.refusals import cause_of
from tests.pipeline.machine.conftest import as_default


def ask(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def refused(url: str, blocker: DjangoDbBlocker, act: Callable[[], None]) -> str:
    with blocker.unblock(), as_default(url), pytest.raises(DatabaseError) as raised:
        act()
    return cause_of(raised.value)


def test_postgresql_is_told_by_its_error_and_sqlstate(
    django_db_blocker: DjangoDbBlocker, postgresql_url: str
) -> None:
    def end_myself() -> None:
        ask("SELECT 1")
        with psycopg.connect(postgresql_url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s",
                [connection.connection.info.backend_pid],
            )
        ask("SELECT 'Doe^Jane'")

    def give_a_value() -> None:
        ask("SELECT 'Doe^Jane'::int")

    nobody_there = "postgresql://jane:secret@127.0.0.1:1/sendit"
    assert refused(postgresql_url, django_db_blocker, end_myself) == "AdminShutdown, sqlstate 57P01"
    assert refused(postgresql_url, django_db_blocker, give_a_value) == (
        "InvalidTextRepresentation, sqlstate 22P02"
    )
    assert refused(nobody_there, django_db_blocker, lambda: ask("SELECT 1")) == (
        "OperationalError, no connection"
    )


def test_sqlite_is_told_by_its_error_and_code(
    django_db_blocker: DjangoDbBlocker, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/some.sqlite3"
    with closing(sqlite3.connect(tmp_path / "some.sqlite3")) as other:
        other.execute("CREATE TABLE jane (doe)")
        other.execute("BEGIN EXCLUSIVE")

        def wait_for_nobody() -> None:
            ask("PRAGMA busy_timeout=1")
            ask("INSERT INTO jane VALUES ('Doe^Jane')")

        locked = refused(url, django_db_blocker, wait_for_nobody)

    assert locked == "OperationalError, SQLITE_BUSY"
    assert (
        refused(
            f"sqlite:///{tmp_path}/nowhere/some.sqlite3", django_db_blocker, lambda: ask("SELECT 1")
        )
        == "OperationalError, SQLITE_CANTOPEN"
    )


def test_what_no_driver_said_is_told_by_its_class() -> None:
    assert cause_of(OperationalError("Doe^Jane")) == "OperationalError"
