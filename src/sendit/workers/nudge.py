"""Nudges: "there may be something to do on this batch", said to whoever works in a zone.

The backend is named by the mode.  A nudge that is lost, late or repeated changes nothing: the
database says what is to be done, and ``bell.py`` nudges again.
"""

import importlib
from typing import Protocol

from sendit.config import Configuration
from sendit.terms import Zone

BACKENDS = {"celery": "sendit.workers.celery"}
"""The module whose ``nudger(configuration)`` makes the backend; a mode without needs none."""


class Nudger(Protocol):
    """Carries nudges to the workers of a zone."""

    def nudge(self, batch_id: int, zone: Zone) -> bool:
        """Say that a batch may go on; False when the message could not be handed over."""

    def waiting(self, zone: Zone) -> int | None:
        """Return how many messages nobody has taken yet; None when that cannot be told."""

    def require(self) -> None:
        """Return if whoever carries the messages answers; else raise ``BrokerUnavailable``."""

    def require_room(self) -> None:
        """Return if a message would be taken now; else raise ``BrokerUnavailable``."""


class Nobody:
    """For workers that look for themselves."""

    def nudge(self, batch_id: int, zone: Zone) -> bool:
        """Do nothing."""
        return True

    def waiting(self, zone: Zone) -> int | None:
        """Return that nothing waits."""
        return 0

    def require(self) -> None:
        """Do nothing."""

    def require_room(self) -> None:
        """Do nothing."""


def nudger(configuration: Configuration) -> Nudger:
    """Return the backend of the configured mode."""
    name = BACKENDS.get(configuration.settings.mode)
    if name is None:
        return Nobody()
    # By name: without a broker neither Celery nor its client need be installed.
    made: Nudger = importlib.import_module(name).nudger(configuration)
    return made
