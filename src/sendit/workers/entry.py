"""Where a worker process begins: with Django, since the rooms that it needs hold models.

A process that is spawned finds its first function by importing that function's module.
This one can be imported before Django is ready; ``pool.py`` cannot.
"""

import importlib
import logging
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized


def begin(what: str, parent: int, deadline: "Synchronized[float]", *arguments: str) -> None:
    """Make Django ready, then let the module ``what`` work."""
    # A new process has the filters of a new process; pydicom's warnings quote values.
    logging.captureWarnings(True)  # noqa: FBT003 - the library's own signature
    django.setup()
    # By name: importing it above would ask for the models before they are there.
    importlib.import_module(what).work(parent, deadline, *arguments)
