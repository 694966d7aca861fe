"""Where a worker process begins: with Django, since the rooms that it needs hold models.

A process that is spawned finds its first function by importing that function's module.
This one can be imported before Django is ready; ``pool.py`` cannot.
"""

import ctypes
import importlib
import logging

import django


class Signs(ctypes.Structure):
    """What a worker tells its parent, in memory that both see."""

    deadline: float
    """When the current step must have ended; 0: none runs, or ``NOT_BEGUN``."""
    heard: float
    """When it last got on with it; both on the clock that nobody sets (``time.monotonic``)."""
    batch: int
    """Whose step it is."""
    _fields_ = (
        ("deadline", ctypes.c_double),
        ("heard", ctypes.c_double),
        ("batch", ctypes.c_int64),
    )


def begin(what: str, parent: int, signs: Signs, *arguments: str) -> None:
    """Make Django ready, then let the module ``what`` work."""
    # A new process has the filters of a new process; pydicom's warnings quote values.
    logging.captureWarnings(True)  # noqa: FBT003 - the library's own signature
    django.setup()
    # By name: importing it above would ask for the models before they are there.
    importlib.import_module(what).work(parent, signs, *arguments)
