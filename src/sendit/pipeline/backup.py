"""Database and keys, copied into a folder as they are at one moment.

On PostgreSQL every table is copied in one snapshot, without stopping anybody; an SQLite file
is copied by SQLite itself.  What identifies stays encrypted, but the field key lies beside it:
the folder belongs where the keys belong.  The files of the working folder are not in it.
"""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any  # a JSON document, whose values are of many types

from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder

from sendit import __version__
from sendit.config import Configuration
from sendit.config import keys as key_files
from sendit.config.own_keys import backup_own_keys
from sendit.errors import UsageError
from sendit.storage.durable import sync_folders, sync_volume

MANIFEST = "manifest.json"
SQLITE_FILE = "database.sqlite3"
MIGRATIONS = "django_migrations"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What lies in a backup."""

    version: str
    created: str
    vendor: str
    """``postgresql`` or ``sqlite``."""
    migrations: Mapping[str, list[str]] = field(default_factory=dict)
    """By app, in the order in which they were made."""
    tables: Mapping[str, list[str]] = field(default_factory=dict)
    """Columns by table; PostgreSQL only."""
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 by path in the backup."""

    def as_json(self) -> dict[str, Any]:
        """Return what is written."""
        return {
            "schema": 1,
            "version": self.version,
            "created": self.created,
            "vendor": self.vendor,
            "migrations": dict(self.migrations),
            "tables": dict(self.tables),
            "files": dict(self.files),
        }


def back_up(configuration: Configuration, folder: Path, *, now: datetime) -> Manifest:
    """Copy database and keys into a new folder, whole or not at all.

    Raises
    ------
    sendit.errors.UsageError
        When the folder holds anything.
    sendit.errors.KeyProblem
        When a key cannot be read.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not empty; name a folder that is not there yet.")
    part = folder.with_name(f"{folder.name}.part")
    if part.exists():
        raise UsageError(f"{part} is left of a backup that was broken off; remove it first.")
    part.mkdir(mode=0o700, parents=True)
    tables = _copy_tables(part) if connection.vendor == "postgresql" else _copy_file(part)
    # After the tables: a key that was made meanwhile does no harm, one that is lacking would.
    key_files.backup(configuration.settings, part / "keys")
    backup_own_keys(configuration.settings, part / "keys")
    manifest = Manifest(
        version=__version__,
        created=now.isoformat().replace("+00:00", "Z"),
        vendor=connection.vendor,
        migrations=applied_migrations(),
        tables=tables,
        files={
            str(path.relative_to(part)): digest_of(path)
            for path in sorted(part.rglob("*"))
            if path.is_file()
        },
    )
    _write(part / MANIFEST, json.dumps(manifest.as_json(), indent=1).encode())
    sync_volume(part)
    if folder.exists():
        folder.rmdir()
    part.rename(folder)
    sync_folders([folder.parent])
    return manifest


def applied_migrations() -> dict[str, list[str]]:
    """Return the changes that were made to the tables, by app, in order."""
    found: dict[str, list[str]] = {}
    rows = MigrationRecorder.Migration.objects.using(connection.alias).order_by("id")
    for app, name in rows.values_list("app", "name"):
        found.setdefault(app, []).append(name)
    return found


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _copy_tables(folder: Path) -> dict[str, list[str]]:
    """Copy every table as PostgreSQL writes it, from one snapshot; return their columns."""
    columns: dict[str, list[str]] = {}
    quote = connection.ops.quote_name
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for table in sorted(connection.introspection.table_names(cursor)):
            if table == MIGRATIONS:
                continue
            described = connection.introspection.get_table_description(cursor, table)
            columns[table] = [column.name for column in described]
            listed = ", ".join(map(quote, columns[table]))
            with (
                _new(folder / f"{table}.copy") as stream,
                cursor.copy(f"COPY {quote(table)} ({listed}) TO STDOUT") as rows,
            ):
                for block in rows:
                    stream.write(block)
    return columns


def _copy_file(folder: Path) -> dict[str, list[str]]:
    _write(folder / SQLITE_FILE, b"")
    connection.ensure_connection()
    with closing(sqlite3.connect(folder / SQLITE_FILE)) as copy:
        connection.connection.backup(copy)
    return {}


def _write(path: Path, content: bytes) -> None:
    with _new(path) as stream:
        stream.write(content)


def _new(path: Path) -> Any:  # a binary stream
    path.touch(mode=0o600, exist_ok=False)
    return path.open("wb")
