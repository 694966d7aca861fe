"""Whether the server can work, found out within seconds, whatever does not answer.

A database whose machine is gone, or a volume whose server is, keeps whoever asks it waiting.  So
a thread asks for us, and goes on asking when we no longer wait; while it does, nobody else asks,
and who comes later waits for no longer than the first.
The log says why the server is not ready, once until that changes; the answer never does.
"""

import logging
import os
import threading
import time

from django.db import DatabaseError, connections

from sendit.config import Configuration
from sendit.config.mounts import silent_mounts
from sendit.errors import SenditError, VolumeMissing
from sendit.pipeline.workspace import Workspace
from sendit.records.installation import require_field_key
from sendit.records.refusals import cause_of
from sendit.records.schema import require_same_schema, require_writable

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 3.0
SLOW = f"the database, a volume or a key did not answer within {PATIENCE_SECONDS:.0f} s"


class Readiness:
    """Asks whether an installation can be worked with; one for each server process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asking: _Question | None = None
        self._told = ""

    def problem(self, configuration: Configuration) -> str:
        """Return what keeps the server from working; empty when nothing does."""
        with self._lock:
            if self._asking is None or not self._asking.is_alive():
                self._asking = _Question(configuration)
                self._asking.start()
            asking = self._asking
        asking.join(max(0.0, asking.until - time.monotonic()))
        found = SLOW if asking.is_alive() else asking.problem
        self._tell(found)
        return found

    def _tell(self, problem: str) -> None:
        if problem and problem != self._told:
            logger.warning("not ready: %s", problem)
        self._told = problem


class _Question(threading.Thread):
    def __init__(self, configuration: Configuration) -> None:
        super().__init__(name="readiness", daemon=True)
        self._configuration = configuration
        self.until = time.monotonic() + PATIENCE_SECONDS
        """So long is waited for it."""
        self.problem = ""

    def run(self) -> None:
        try:
            _require_all(self._configuration)
        except SenditError as error:
            self.problem = str(error)
        except DatabaseError as error:
            self.problem = f"the database did not answer ({cause_of(error)})"
        except OSError as error:
            self.problem = os.strerror(error.errno or 0)
        finally:
            connections.close_all()  # of this thread


def _require_all(configuration: Configuration) -> None:
    """Return if the tables fit and can be changed, with their field key, and volumes are there."""
    settings = configuration.settings
    sees_volumes = settings.mode != "celery"  # there the pages see previews alone
    places = [settings.keys.field_file, *([settings.work_dir] if sees_volumes else [])]
    if silent_mounts(places):  # not even we could be ended if we looked ourselves
        raise VolumeMissing("a volume or a key lies on a file system that does not answer")
    require_same_schema()
    require_writable()
    require_field_key(settings)
    if sees_volumes:
        Workspace(settings.work_dir).check()
