"""The tables, brought up to date; a module of its own, since only whoever starts needs it."""

import os

from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from sendit.config import Configuration


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
    """Bring the tables up to date; costs a look when they are."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", interactive=False, verbosity=0)
