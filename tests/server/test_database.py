import os
import socket
from pathlib import Path

from django.db.utils import ConnectionHandler
from pytest_django import DjangoDbBlocker

from sendit.server.database import SQLITE_OPTIONS, WHILE_ALIVE, database_from_url
from tests.support.installation import Installation


def test_sqlite_address_is_a_file_with_careful_options() -> None:
    entry = database_from_url("sqlite:////srv/sendit/sendit.sqlite3")

    assert entry["NAME"] == "/srv/sendit/sendit.sqlite3"
    assert entry["OPTIONS"] == SQLITE_OPTIONS


def test_sqlite_file_is_for_our_eyes_only(installation: Installation) -> None:
    assert installation.run("status").returncode == 0

    file = installation.work_dir / "sendit.sqlite3"
    assert file.stat().st_mode & 0o777 == 0o600


def test_commit_on_sqlite_is_durable(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> None:
    connections = ConnectionHandler({"default": database_from_url(f"sqlite:///{tmp_path}/db")})

    with django_db_blocker.unblock(), connections["default"].cursor() as cursor:
        found = [
            cursor.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "busy_timeout")
        ]
    connections.close_all()

    assert found == ["wal", 2, 20_000]


def test_postgresql_address_is_taken_apart() -> None:
    entry = database_from_url("postgresql://s%40x:p%2Fw@db.example.org:5433/sendit?sslmode=require")

    assert (entry["USER"], entry["PASSWORD"]) == ("s@x", "p/w")
    assert (entry["HOST"], entry["PORT"], entry["NAME"]) == ("db.example.org", "5433", "sendit")
    assert entry["OPTIONS"] == {"options": "-c jit=off", **WHILE_ALIVE, "sslmode": "require"}


def test_address_opens_a_real_postgresql(
    postgresql_url: str, django_db_blocker: DjangoDbBlocker
) -> None:
    connections = ConnectionHandler({"default": database_from_url(postgresql_url)})

    with django_db_blocker.unblock(), connections["default"].cursor() as cursor:
        cursor.execute("SELECT current_database(), current_setting('jit')")
        found = cursor.fetchone()
    connections.close_all()

    assert found == ("postgres", "off"), "compiling costs a hundred times what a question does"


def test_server_whose_machine_is_gone_is_given_up_within_minutes(
    postgresql_url: str, django_db_blocker: DjangoDbBlocker
) -> None:
    connections = ConnectionHandler({"default": database_from_url(postgresql_url)})

    with (
        django_db_blocker.unblock(),
        connections["default"].cursor() as cursor,
        socket.socket(fileno=os.dup(cursor.connection.fileno())) as ours,
    ):
        keeps = ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        unanswered = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    connections.close_all()

    assert (keeps, idle, unanswered) == (1, 30, 60_000)


def test_options_in_the_address_stand_in_place_of_ours() -> None:
    entry = database_from_url("postgresql://s@db/sendit?options=")

    assert entry["OPTIONS"] == {**WHILE_ALIVE, "options": ""}, "a pooler may refuse any"
