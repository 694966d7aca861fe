"""Write what may be forgotten when the power is cut: who works at what.

SQLite waits at each commit until all is on the medium, since files are removed on its word: 1 to
3 ms in which a worker does nothing.  A claim that is forgotten is one that was never made, so
nobody need wait for it.  The next commit of another kind puts it on the medium with itself.

SQLite: PRAGMA synchronous (with a write-ahead log, which is synced as a whole).  PostgreSQL takes
several commits to the medium at once, and is asked nothing more.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def passing() -> Iterator[None]:
    """Do not wait for what is committed in this block; within a transaction, do nothing."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous=NORMAL")
        try:
            yield
        finally:
            cursor.execute("PRAGMA synchronous=FULL")
