"""Why the database refused, in words that may stand in a log.

What it says itself may quote a value or an address; the class of the driver's error and the code
that goes with it are words of a fixed list.
"""

from django.db import DatabaseError, OperationalError


def cause_of(error: DatabaseError) -> str:
    """Return the class of the driver's error and its code; never its message.

    ``sqlstate`` as PostgreSQL has it, or SQLite's name.  A server that was not reached, or went
    away without a word, gives none.
    """
    said = error.__cause__ or error
    name = type(said).__name__
    if code := getattr(said, "sqlite_errorname", None):
        return f"{name}, {code}"
    if not hasattr(said, "sqlstate"):
        return name
    if code := said.sqlstate:
        return f"{name}, sqlstate {code}"
    return f"{name}, no connection" if isinstance(error, OperationalError) else name
