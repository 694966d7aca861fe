"""In which zone a batch goes on, where a site keeps originals apart from the way out.

The zone is an attribute of the stage, but for three cases.  Sending is prepared where the
originals and the keys are.  Images that are not de-identified never reach the ``out`` zone: their
targets are served from where the originals are.  And an optional target that lags is served
from the ``out`` zone also while the batch is cleaned up.
"""

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from sendit.config import Project
from sendit.records.models import Batch, Delivery
from sendit.records.prepared import Prepared
from sendit.terms import DeliveryState, Stage, Status, Zone

LAGGING = timedelta(minutes=5)
"""How long until an optional target that has not proven the batch is asked again."""


def zone_of(batch: Batch, *, now: datetime) -> Zone:
    """Return the zone whose workers take the batch's next step."""
    stage = Stage(batch.stage)
    if not batch.profile.content.get("anonymize", True):
        return Zone.PHI
    if stage is Stage.SEND and batch.prepared is None:
        return Zone.PHI
    if stage is Stage.CLEAN_UP and batch.status in (Status.DONE, Status.EMPTY):
        return Zone.OUT if lags(batch.pk, due=now) else stage.zone
    return stage.zone


def zone_of_targets(project: Project) -> Zone:
    """Return the zone from which the targets of a project are reached."""
    return Zone.OUT if project.anonymize else Zone.PHI


def lags(batch_id: int, *, due: datetime | None = None) -> bool:
    """Say whether an optional target has not proven a batch, and is to be asked at a moment."""
    if due is None:
        return _LAGGING.row(batch=batch_id) is not None
    return _TO_BE_ASKED.row(batch=batch_id, now=due) is not None


def _lagging(batch: int) -> QuerySet[Delivery]:
    optional = Delivery.objects.filter(batch=batch, required=False)
    return optional.exclude(state=DeliveryState.VERIFIED)


_LAGGING = Prepared(lambda batch: _lagging(batch).values_list("pk")[:1])
_TO_BE_ASKED = Prepared(  # what it refused for good waits for a person, not for another try
    lambda batch, now: (
        _lagging(batch)
        .exclude(state=DeliveryState.FAILED)
        .filter(Q(retry_at=None) | Q(retry_at__lte=now))
        .values_list("pk")[:1]
    )
)
