"""Log lines: which, in what form, and that no identifying text gets into them.

Our own messages hold numbers, counts, tags and codes, so they are shown as they are, with
batch, image and stage added from what the pipeline is working on.  What others say may quote
a value or a path: of a foreign library's message only the logger and the level are shown, of
a foreign exception only its type and where it happened (docs/decisions/0005).
"""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import PurePath
from traceback import walk_tb

from sendit.errors import SenditError
from sendit.pipeline.log_context import current

TRUSTED = ("sendit", "django", "celery")
"""Loggers whose messages are shown; ours by our own rule, the servers' since they hold paths of
our URLs, which are numbers."""
OF_PROCESSES = ("worker ",)
"""How the messages of gunicorn begin that are about its processes; the others quote requests."""
WITHHELD = "(message withheld: it may hold identifying values)"


class ContextFilter(logging.Filter):
    """Adds ``batch``, ``image`` and ``stage`` to every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add them and let the record pass."""
        at = current()
        record.batch, record.image, record.stage = at.batch, at.image, at.stage
        return True


class TextFormatter(logging.Formatter):
    """One line for a person: ``2026-05-04T10:15:00.123Z INFO batch=42 stage=send delivered…``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and one line for each step of a traceback."""
        where = [f"{name}={value}" for name, value in _context(record).items()]
        head = " ".join([_time(record), record.levelname, *where, _message(record)])
        return "\n  ".join([head, *_traceback(record)])


class JsonFormatter(logging.Formatter):
    """One JSON object a line, for a collector."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            **_context(record),
        }
        steps = list(_traceback(record))
        return json.dumps({**line, "traceback": steps} if steps else line)


def logging_configuration(*, log_format: str, level: str) -> dict[str, object]:
    """Return what ``logging.config.dictConfig`` needs: everything goes to stderr, in one form."""
    formatter = JsonFormatter if log_format == "json" else TextFormatter
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"context": {"()": ContextFilter}},
        "formatters": {"line": {"()": formatter}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "filters": ["context"],
                "formatter": "line",
            },
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "sendit": {"level": level.upper()},
            # Django's own set-up gives these handlers that print what they are told.
            "django": {"handlers": [], "level": "WARNING", "propagate": True},
            # An address that was mistyped is no news, and may be one that somebody made up.
            "django.request": {"level": "ERROR"},
            "django.security.DisallowedHost": {"handlers": [], "level": "CRITICAL"},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
            # Warn about values, and quote them.
            "py.warnings": {"handlers": [], "level": "CRITICAL", "propagate": False},
            "pydicom": {"handlers": [], "level": "CRITICAL", "propagate": False},
            # Say that there are no credentials, which our own message says with a remedy.
            "google": {"level": "ERROR"},
            # Names every path that changes, when asked for details.
            "watchfiles": {"handlers": [], "level": "WARNING", "propagate": True},
        },
    }


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _context(record: logging.LogRecord) -> dict[str, object]:
    known = ((name, getattr(record, name, None)) for name in ("batch", "image", "stage"))
    return {name: value for name, value in known if value is not None}


def _message(record: logging.LogRecord) -> str:
    source = record.name.partition(".")[0]
    of_processes = source == "gunicorn" and str(record.msg).casefold().startswith(OF_PROCESSES)
    if source in TRUSTED or of_processes:
        return record.getMessage()
    return f"{record.name}: {WITHHELD}"


def _traceback(record: logging.LogRecord) -> Iterator[str]:
    """Yield what failed and where, outermost first; the texts of foreign exceptions stay out."""
    error = record.exc_info[1] if record.exc_info else None
    while error is not None:
        for frame, line in walk_tb(error.__traceback__):
            code = frame.f_code
            yield f"{PurePath(code.co_filename).name}:{line} in {code.co_qualname}"
        text = f": {error}" if isinstance(error, SenditError) else ""
        yield f"{type(error).__name__}{text}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
