"""Where a worker process begins: with Django, since the rooms that it needs hold models.

A process that is spawned finds its first function by importing that function's module.
This one can be imported before Django is ready; ``pool.py`` cannot.
"""

import ctypes
import importlib
import logging
import sys

import django
from django.db import DatabaseError

from sendit.errors import SenditError
from sendit.records.refusals import cause_of

logger = logging.getLogger(__name__)


class Signs(ctypes.Structure):
    """What a worker tells its parent, in memory that both see."""

    deadline: float
    """When the current step must have ended; 0: none runs, or ``NOT_BEGUN``."""
    heard: float
    """When it last got on with it; both on the clock that nobody sets (``time.monotonic``)."""
    batch: int
    """Whose step it is."""
    rests: int
    """How often it has come to rest after a step, or after it began."""
    _fields_ = (
        ("deadline", ctypes.c_double),
        ("heard", ctypes.c_double),
        ("batch", ctypes.c_int64),
        ("rests", ctypes.c_int64),
    )


def begin(what: str, parent: int, signs: Signs, *arguments: str) -> None:
    """Make Django ready, then let the module ``what`` work.

    What ends it is logged here: Python would print it in full, and its text may quote a value.
    """
    # A new process has the filters of a new process; pydicom's warnings quote values.
    logging.captureWarnings(True)  # noqa: FBT003 - the library's own signature
    django.setup()
    # By name: importing it above would ask for the models before they are there.
    try:
        importlib.import_module(what).work(parent, signs, *arguments)
    except SenditError as error:
        logger.error("%s", error)
        sys.exit(1)
    except DatabaseError as error:
        logger.warning("a worker ended: the database did not answer (%s)", cause_of(error))
        sys.exit(1)
    except Exception:
        logger.critical("a worker ended by an error in sendit itself", exc_info=True)
        sys.exit(1)
