"""What nobody is told about: claims of the dead, ``.err`` folders past their time, orphans."""

import logging
import os
import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path

from sendit.config import Configuration
from sendit.pipeline import machine
from sendit.pipeline.liveness import is_known_dead
from sendit.pipeline.workspace import Workspace
from sendit.records.models import Batch, Image

logger = logging.getLogger(__name__)

ERR_FOLDER = re.compile(r".+\.err[0-9]*\Z", re.IGNORECASE | re.DOTALL)


def sweep(configuration: Configuration, *, now: datetime) -> list[int]:
    """Free what dead processes of this machine held; return the batches that may go on."""
    machine.forgive_clock(now=now, lease=configuration.settings.workers.lease)
    tokens = {
        *Batch.objects.filter(lease_until__gte=now).values_list("lease_token", flat=True),
        *Image.objects.filter(lease_until__gte=now)
        .values_list("lease_token", flat=True)
        .distinct(),
    }
    for worker in {token.rpartition(":")[0] for token in tokens}:
        if is_known_dead(worker):
            machine.release_claims(worker, now=now)
            logger.warning("a worker died; what it held goes on")
    remove_old_err_folders(configuration, now=now)
    ready = Batch.objects.claimable(now).values_list("pk", flat=True)
    return list(ready[: configuration.settings.limits.batches_at_once])


def err_folders(inbox: Path) -> list[Path]:
    """Return the ``.err`` folders of an inbox; they hold PHI."""
    if not inbox.is_dir():
        return []
    return sorted(
        entry
        for entry in inbox.iterdir()
        if ERR_FOLDER.match(entry.name) and entry.is_dir() and not entry.is_symlink()
    )


def remove_old_err_folders(configuration: Configuration, *, now: datetime) -> int:
    """Remove the ``.err`` folders that are older than ``err_retention``; return how many."""
    removed = 0
    for inbox in configuration.settings.inboxes:
        keep = inbox.err_retention or configuration.settings.ingest.err_retention
        if not isinstance(keep, timedelta):
            continue
        for folder in err_folders(inbox.path):
            try:
                if now.timestamp() - _set_aside(folder) > keep.total_seconds():
                    shutil.rmtree(folder)
                    removed += 1
            except OSError as error:
                why = os.strerror(error.errno or 0)
                logger.warning("a .err folder past err_retention could not be removed: %s", why)
    if removed:
        logger.info("%d .err folders were past err_retention and were removed", removed)
    return removed


def _set_aside(folder: Path) -> float:
    """Return when a folder was set aside, in seconds since 1970, or somebody touched it since.

    Renaming changes the ctime alone; a copy may have brought an mtime from years ago along.
    """
    found = folder.lstat()
    return max(found.st_mtime, found.st_ctime)


def orphans(workspace: Workspace) -> list[Path]:
    """Return working folders that belong to no batch that the database knows."""
    folders = {
        folder
        for volume in (workspace.work_dir / "phi", workspace.work_dir / "clean")
        for folder in volume.iterdir()
        if folder.is_dir() and folder.name.isdigit()
    }
    known = set(Batch.objects.values_list("pk", flat=True))
    return sorted(folder for folder in folders if int(folder.name) not in known)
