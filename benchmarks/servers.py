"""Servers that a benchmark starts beside itself, as the tests do."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.stores import PostgreSQL
from tests.support.system import find_program


@contextmanager
def postgresql() -> Iterator[str | None]:
    """Start a PostgreSQL and give its URL; None where there is none."""
    initdb = find_program("initdb")
    if initdb is None:
        yield None
        return
    server = PostgreSQL(initdb)
    try:
        server.start()
        yield server.url
    finally:
        server.remove()
