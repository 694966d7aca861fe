"""Results that were changed where they lie, looked for before a retry sends them again.

A target that took results over has the very files until clean-up, so whoever edits one there
before it is proven has edited the result as well.  A result is a function of its original, which
waits for the proof: its image is processed again.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from sendit.pipeline.stages.packages import package_of
from sendit.pipeline.work import Work
from sendit.records.models import Delivery, Image
from sendit.storage.durable import sha256_of
from sendit.terms import DeliveryState

logger = logging.getLogger(__name__)


def spoiled_images(work: Work) -> tuple[int, ...]:
    """Return the images whose results are not what was checked; looked at after a retry alone."""
    if not any(error["target"] for error in work.batch.errors):
        return ()
    retried = Delivery.objects.filter(
        batch=work.batch_id, state=DeliveryState.PENDING, attempts=0, retry_at=None
    ).exclude(error=None)
    spoiled: set[str] = set()
    for delivery in retried:
        package = package_of(work, delivery)
        for one in package.instances:
            if _is_spoiled(package.root / one.file, one.sha256, work.progress):
                spoiled.add(one.sop_instance_uid)
            work.progress()
    if not spoiled:
        return ()
    logger.warning("results were changed where they lie, and are made again: %d", len(spoiled))
    images = Image.objects.accepted().filter(batch=work.batch_id, sop_instance_uid__in=spoiled)
    return tuple(images.values_list("pk", flat=True))


def _is_spoiled(result: Path, sha256: str, progress: Callable[[], None]) -> bool:
    """Say whether something else is there; where nothing is, the target may hold it already."""
    try:
        return result.exists() and sha256_of(result, progress=progress) != sha256
    except OSError:
        return True
