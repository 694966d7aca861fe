"""The address of a database as Django wants it."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

SQLITE_OPTIONS = {
    # Writers queue up at BEGIN instead of failing in the middle with "database is locked".
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    # FULL: originals are removed on the word of a commit, so the commit must survive a power cut;
    # a claim alone need not (``records/passing.py``).
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
}

WITHOUT_JIT = "-c jit=off"
"""All questions are short; PostgreSQL, which guesses high, would compile some for 10 to 400 ms."""


WHILE_ALIVE: Mapping[str, str] = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""A server whose machine is gone costs a minute; Linux would wait for it for two hours."""


def database_from_url(url: str) -> dict[str, object]:
    """Return the entry of ``DATABASES`` for ``sqlite:///FILE`` or ``postgresql://USER:PW@HOST/DB``.

    The query of a PostgreSQL address holds libpq's options (``?sslmode=require``); they stand
    in place of ours.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": url.removeprefix("sqlite:///"),
            "OPTIONS": SQLITE_OPTIONS,
        }
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.removeprefix("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": {
            "options": WITHOUT_JIT,
            **WHILE_ALIVE,
            **dict(parse_qsl(parts.query, keep_blank_values=True)),
        },
        "CONN_HEALTH_CHECKS": True,
    }
