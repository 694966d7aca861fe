"""The machine's tests run on both databases, with real commits."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.core.management.color import no_style
from django.core.management.sql import sql_flush
from django.db import ConnectionHandler, connection, connections
from pytest_django import DjangoDbBlocker, Settings

from sendit.records.encrypted import forget_keys
from sendit.server.database import SQLITE_OPTIONS, database_from_url

FAST = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
MADE: dict[str, str] = {}
"""Addresses of the databases that have their tables, by kind."""


@pytest.fixture(params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest,
    django_db_blocker: DjangoDbBlocker,
    settings: Settings,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
) -> Iterator[str]:
    """Make an empty database the default one until the test ends; return its kind."""
    kind = str(request.param)
    if kind == "postgresql":
        request.node.user_properties.append(("server", "postgresql_url"))
        url = str(request.getfixturevalue("postgresql_url"))
    else:
        url = MADE.get(kind) or f"sqlite:///{tmp_path_factory.mktemp('machine')}/machine.sqlite3"
    settings.SENDIT_FIELD_KEY_FILE = tmp_path / "field.key"
    settings.SENDIT_FIELD_KEY_FILE.write_bytes(Fernet.generate_key())
    forget_keys()  # an earlier test may have had a file of that name
    with django_db_blocker.unblock(), as_default(url):
        if kind not in MADE:
            call_command("migrate", interactive=False, verbosity=0)
            MADE[kind] = url
        yield kind
        connection.ops.execute_sql_flush(sql_flush(no_style(), connection, allow_cascade=True))


class as_default:
    """Put a database into the place of the default one, for every thread."""

    def __init__(self, url: str) -> None:
        entry = database_from_url(url)
        if url.startswith("sqlite"):  # as careful as in service, but for the wait for the disk
            entry["OPTIONS"] = {**SQLITE_OPTIONS, "init_command": FAST}
        self._mine = ConnectionHandler({"default": entry})

    def __enter__(self) -> None:
        self._was = connections.settings["default"], connections["default"]
        connections.settings["default"] = self._mine.settings["default"]
        connections["default"] = self._mine["default"]

    def __exit__(self, *_: object) -> None:
        connections["default"].close()
        connections.settings["default"], connections["default"] = self._was
