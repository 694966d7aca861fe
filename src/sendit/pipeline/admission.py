"""QUEUE to NEW: so many batches at once, and only while there is room on the disk."""

import shutil
from datetime import datetime

from sendit.config import Configuration
from sendit.errors import VolumeMissing
from sendit.pipeline import machine
from sendit.pipeline.workspace import Workspace
from sendit.records.models import Batch


def admit(configuration: Configuration, *, now: datetime, limit: int | None = None) -> list[int]:
    """Let waiting batches in while there is room; return their numbers.

    ``limit`` bounds how many; None: as many as ``batches_at_once`` allows.
    """
    if obstacle(configuration) is not None:
        return []
    free = configuration.settings.limits.batches_at_once - Batch.objects.admitted().count()
    wanted = max(0, free if limit is None else limit)
    waiting = Batch.objects.queued().values_list("pk", flat=True)[:wanted]
    return [batch_id for batch_id in waiting if machine.admit(batch_id, now=now)]


def obstacle(configuration: Configuration) -> str | None:
    """Return why nothing is let in now, in words for an operator, or None."""
    settings = configuration.settings
    workspace = Workspace(settings.work_dir)
    try:
        workspace.check()
    except VolumeMissing as error:
        return str(error)
    for volume in workspace.volumes:
        # Without the number of free bytes: a text that changes with every file is logged anew.
        if shutil.disk_usage(volume).free < settings.limits.min_free_disk:
            return (
                f"Less is free in {volume} than min_free_disk asks for "
                f"({settings.limits.min_free_disk / 1e9:.1f} GB): nothing new is let in until "
                "there is room."
            )
    return None
