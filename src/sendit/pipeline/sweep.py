"""What nobody is told about: claims of the dead, batches that may go on, orphans."""

import logging
from datetime import datetime
from pathlib import Path

from sendit.config import Configuration
from sendit.pipeline import machine
from sendit.pipeline.liveness import is_known_dead
from sendit.pipeline.workspace import Workspace
from sendit.records import counting, hours
from sendit.records.models import Batch, Image

logger = logging.getLogger(__name__)


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
    counting.put_together()
    hours.put_together()
    ready = Batch.objects.claimable(now).values_list("pk", flat=True)
    return list(ready[: configuration.settings.limits.batches_at_once])


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
