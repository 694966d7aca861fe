"""The tables, brought up to date by whoever starts; and workers that only look whether they fit.

Several may start at once: on PostgreSQL a lock lets one after the other look.  A version that
does not know a change that was made leaves the tables alone.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from django.apps import apps
from django.core.management import call_command
from django.core.management.sql import emit_post_migrate_signal
from django.db import OperationalError, ProgrammingError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from sendit.config import Configuration
from sendit.errors import DatabaseReadOnly, SchemaMismatch
from sendit.records.counting import COUNTS
from sendit.records.hours import HOURS

APP = "records"
_LOCK = 7364_1009
"""Any number that no other program takes for an advisory lock in this database."""


def make_database_file(configuration: Configuration) -> None:
    """Make the file of an SQLite database if it is not there, so that only we can read it.

    It holds the sessions of those who are signed in; SQLite gives its other files the same rights.
    """
    file = configuration.settings.database.sqlite_file
    if file is not None and not file.exists():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise OperationalError(f"{file} cannot be made ({error.strerror})") from None


def migrate() -> None:
    """Bring the tables up to date; costs a look when they are.

    Raises
    ------
    sendit.errors.SchemaMismatch
        When a newer version has changed them.
    """
    executor = MigrationExecutor(connection)
    _refuse_newer({name for app, name in executor.loader.applied_migrations if app == APP})
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        with _one_after_the_other():
            if connection.vendor == "sqlite" and not connection.introspection.table_names():
                _make(executor)
            else:
                call_command("migrate", interactive=False, verbosity=0)


def _make(executor: MigrationExecutor) -> None:
    """Make the tables of an empty file at once, as the models say: in a third of the time.

    On PostgreSQL the migrations also tell its planner about the tables.
    """
    known = executor.loader.disk_migrations
    with connection.schema_editor() as editor:
        for model in apps.get_models():
            editor.create_model(model)
        editor.create_model(MigrationRecorder.Migration)
        COUNTS.keep_from_now_on()
        HOURS.keep_from_now_on()
        MigrationRecorder.Migration.objects.bulk_create(
            MigrationRecorder.Migration(app=app, name=name) for app, name in known
        )
    emit_post_migrate_signal(verbosity=0, interactive=False, db=connection.alias)


def require_same_schema() -> None:
    """Return if the tables are those that this version works with; one query.

    Raises
    ------
    sendit.errors.SchemaMismatch
        When another version has changed them, or they are not there yet.
    """
    recorded = MigrationRecorder.Migration.objects.using(connection.alias).filter(app=APP)
    try:
        applied = set(recorded.values_list("name", flat=True))
    except ProgrammingError:
        applied = set()
    _refuse_newer(applied)
    if known_migrations() - applied:
        raise SchemaMismatch(
            "The tables of the database are older than this sendit, or not there yet: start the "
            "watcher (sendit run) of this version, which brings them up to date, then this."
        )


def require_writable() -> None:
    """Return if the database takes changes; one query.

    Raises
    ------
    sendit.errors.DatabaseReadOnly
        When it does not, as a standby, or one that somebody has closed.
    """
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('transaction_read_only')")
        if cursor.fetchone() == ("on",):
            raise DatabaseReadOnly(
                "The database takes no changes: it is a standby, or default_transaction_read_only "
                "is on. Let database.url name the server that takes them, or open this one."
            )


@cache
def known_migrations() -> frozenset[str]:
    """Return the names of the changes that this version brings."""
    loader = MigrationLoader(None)
    return frozenset(name for app, name in loader.disk_migrations if app == APP)


def _refuse_newer(applied: set[str]) -> None:
    if applied - known_migrations():
        raise SchemaMismatch(
            "The database belongs to a newer sendit than this one, which leaves it alone. "
            "Upgrade sendit here, or restore the backup that was made before the upgrade."
        )


@contextmanager
def _one_after_the_other() -> Iterator[None]:
    if connection.vendor != "postgresql":  # its file lies beside the lock of the set-up
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
