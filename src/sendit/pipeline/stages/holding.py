"""Hold results back for a random time, where a project says so.

Whoever sees when a study arrives, and guesses that it was taken a day before, has the shift
of its dates by a subtraction.  The wait of each batch is drawn evenly from nothing to
``hold_releases``: a keyed function of the batch, so that asking again gives the same answer.
"""

import hmac
from datetime import datetime

from sendit.pipeline.work import Work

_STEPS = 1 << 64


def held_until(work: Work) -> datetime | None:
    """Return when the results of a batch may leave; None when they may now."""
    longest = work.project.hold_releases
    if longest is None:
        return None
    # The moment stands beside the number: a database made anew counts from 1 again.
    message = f"{work.batch_id} {work.batch.created.isoformat()}".encode()
    drawn = int.from_bytes(hmac.digest(work.key("release"), message, "sha256")[:8], "big")
    until = work.batch.created + longest * (drawn / _STEPS)
    return until if until > work.now() else None
