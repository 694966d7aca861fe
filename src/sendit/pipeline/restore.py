"""A backup put in place: into an empty database, beside no other key.

The tables are first made as they were when the backup was made, then filled in one
transaction, then brought up to date.  Nothing is overwritten: whoever wants to restore over
something moves that away first.
"""

import json
import os
import shutil
from pathlib import Path

from django.apps import apps
from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from sendit.config import Configuration
from sendit.config.own_keys import restore_own_keys
from sendit.errors import KeyProblem, SchemaMismatch, UsageError
from sendit.pipeline.backup import MANIFEST, SQLITE_FILE, Manifest, digest_of
from sendit.pipeline.preparation import prepare
from sendit.pipeline.workspace import Workspace
from sendit.records.counting import COUNTS
from sendit.records.hours import HOURS
from sendit.records.models import Batch, Installation
from sendit.records.schema import make_database_file

_BLOCK = 1 << 20


def restore(configuration: Configuration, folder: Path) -> Manifest:
    """Put database and keys in place, and make the installation ready.

    Raises
    ------
    sendit.errors.UsageError
        When the folder is no whole backup, or something stands where it is to go.
    sendit.errors.KeyProblem
        When another key stands in place.
    sendit.errors.SchemaMismatch
        When the backup is of a newer version.
    """
    manifest = _read(folder)
    _require_room(configuration, manifest)
    _put_keys(configuration, folder)
    if manifest.vendor == "postgresql":
        _fill_tables(folder, manifest)
    else:
        _put_file(configuration, folder)
    workspace = Workspace(configuration.settings.work_dir)
    if not workspace.was_worked_in():
        workspace.create()
    prepare(configuration)
    return manifest


def _read(folder: Path) -> Manifest:
    try:
        document = json.loads((folder / MANIFEST).read_bytes())
        del document["schema"]
        manifest = Manifest(**document)
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{folder} is no backup: its {MANIFEST} is missing or damaged.") from None
    for name, digest in manifest.files.items():
        path = folder / name
        if not path.is_file() or digest_of(path) != digest:
            raise UsageError(f"The backup is damaged: {path} is missing or was changed.")
    return manifest


def _require_room(configuration: Configuration, manifest: Manifest) -> None:
    if connection.vendor != manifest.vendor:
        raise UsageError(
            f"The backup is of {manifest.vendor}, and database.url names {connection.vendor}."
        )
    file = configuration.settings.database.sqlite_file
    if file is not None and not file.exists():
        return
    with connection.cursor() as cursor:
        there = Batch._meta.db_table in connection.introspection.table_names(cursor)
    if there and (Batch.objects.exists() or Installation.objects.exists()):
        raise UsageError(
            "The database is in use already; a backup is only restored into an empty one. Move "
            "it away first."
        )


def _put_keys(configuration: Configuration, folder: Path) -> None:
    keys = configuration.settings.keys
    for place in (keys.site_file, keys.field_file):
        kept = folder / "keys" / place.name
        if not kept.is_file():
            raise UsageError(f"The backup holds no key named {place.name}; rename it there.")
        if not place.exists():
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(kept.read_bytes())
                stream.flush()
                os.fsync(descriptor)
        elif place.read_bytes().split() != kept.read_bytes().split():
            raise KeyProblem(f"Another key is in {place}; move it away first, it was left alone.")
    restore_own_keys(configuration.settings, folder / "keys")


def _fill_tables(folder: Path, manifest: Manifest) -> None:
    _make_tables(manifest)
    quote = connection.ops.quote_name
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(map(quote, manifest.tables))}")
        for table, columns in manifest.tables.items():
            if table in (COUNTS.table, HOURS.table):
                continue  # the database adds up while the others come in, batches before runs
            listed = ", ".join(map(quote, columns))
            with (
                (folder / f"{table}.copy").open("rb") as stream,
                cursor.copy(f"COPY {quote(table)} ({listed}) FROM STDIN") as rows,
            ):
                while block := stream.read(_BLOCK):
                    rows.write(block)
        models = apps.get_models(include_auto_created=True)
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)


def _make_tables(manifest: Manifest) -> None:
    """Make the tables as they were when the backup was made."""
    executor = MigrationExecutor(connection)
    known = executor.loader.disk_migrations
    targets = [(app, names[-1]) for app, names in manifest.migrations.items() if names]
    if unknown := [target for target in targets if target not in known]:
        raise SchemaMismatch(
            f"The backup was made by sendit {manifest.version}, which is newer than this one "
            f"({unknown[0][0]}); restore it with that version."
        )
    executor.migrate(targets)


def _put_file(configuration: Configuration, folder: Path) -> None:
    file = configuration.settings.database.sqlite_file
    if file is None:
        raise UsageError("database.url names no file.")
    connection.close()
    make_database_file(configuration)
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(folder / SQLITE_FILE, file)
