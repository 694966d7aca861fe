"""Hold results back for a random time, where a project says so.

Whoever sees when a study arrives, and guesses that it was taken a day before, has the shift
of its dates by a subtraction.  The wait of each batch is drawn evenly from nothing to
``hold_releases``: a keyed function of the batch, so that asking again gives the same answer.
"""

import hmac
from datetime import datetime

from sendit.config import Project
from sendit.identity import derive
from sendit.pipeline.work import Work
from sendit.records.models import Batch
from sendit.terms import Zone

_STEPS = 1 << 64


def held_until(work: Work) -> datetime | None:
    """Return when the results of a batch may leave; None when they may now."""
    if work.zone is Zone.OUT:
        return None  # drawn with a key that is not here; ``runner`` had it drawn before
    return released_at(work.batch, work.project, work.site_key, now=work.now())


def released_at(
    batch: Batch, project: Project, site_key: bytes, *, now: datetime
) -> datetime | None:
    """Return when the results of a batch may leave; None when they may now."""
    longest = project.hold_releases
    if longest is None:
        return None
    key = derive(site_key, namespace=project.identity.namespace, purpose="release")
    # The moment stands beside the number: a database made anew counts from 1 again.
    message = f"{batch.pk} {batch.created.isoformat()}".encode()
    drawn = int.from_bytes(hmac.digest(key, message, "sha256")[:8], "big")
    until = batch.created + longest * (drawn / _STEPS)
    return until if until > now else None
