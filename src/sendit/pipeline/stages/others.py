"""Other batches that bring parts of the same Study to the same receiver: one after the other.

Which supplement a part is, and what need not be sent, is known when the others have proven
theirs.
"""

import time
from collections.abc import Callable, Sequence

from django.db.models import QuerySet

from sendit.errors import NotYetProven
from sendit.pipeline.stages.side_by_side import Talk
from sendit.pipeline.work import Work
from sendit.records.models import Batch, DeliveredInstance, Delivery
from sendit.records.queries import AT_REST
from sendit.storage import Progress
from sendit.terms import DeliveryState

PATIENCE, PAUSE = 300, 0.2
"""So often, and so many seconds apart, it is looked whether another batch has come to its end."""
_OPEN = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.SENT)


def let_others_end(work: Work, look: Callable[[], Sequence[DeliveredInstance]]) -> Talk[None]:
    """Wait a while as long as a worker is on a batch that brings parts of the same Study.

    ``look`` returns what other batches may have put there.
    """
    for _ in range(PATIENCE):
        if not _others(look()).filter(lease_until__gt=work.now()).exists():
            return
        yield _pause


def require_others_ended(held: Sequence[DeliveredInstance]) -> None:
    """Return unless another batch is just bringing parts of the same Study there.

    Raises
    ------
    sendit.errors.NotYetProven
        When one is.
    """
    for batch_id in _others(held).order_by("pk").values_list("pk", flat=True):
        raise NotYetProven(
            f"Batch {batch_id} is delivering parts of the same study; "
            "this one follows when they are proven."
        )


def _pause(progress: Progress) -> None:
    time.sleep(PAUSE)
    progress()


def _others(held: Sequence[DeliveredInstance]) -> QuerySet[Batch]:
    """Return the batches that have not proven their parts yet, and still may."""
    unproven = {copy.study.batch for copy in held if copy.study.proven is None}
    deliveries = Delivery.objects.filter(batch__in=unproven, state__in=_OPEN)
    batches = Batch.objects.filter(pk__in=deliveries.values("batch"))
    return batches.exclude(status__in=AT_REST)
