"""What was recalled of batches that had been delivered, told beside each delivery.

A delivery stays ``verified``, which it was; that its copies were taken back since stands in
the ledger, which the recall writes.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any  # a part of the JSON object that ``metrics.status`` makes

from django.db.models import Count, Max, Q

from sendit.metrics.wording import moment_text
from sendit.records.models import DeliveredStudy

Recalled = Mapping[str, Any]
"""``time`` of the last recall (ISO 8601), how many ``instances``, and how many are ``left``."""


def recalled(these: Q) -> dict[tuple[int, str], dict[str, Any]]:
    """Return what was recalled, by batch and target; nothing where nothing was."""
    rows = (
        DeliveredStudy.objects.filter(these, recall__isnull=False)
        .values_list("batch", "target")
        .annotate(
            time=Max("recall__time"),
            number=Count("instances"),
            left=Count("instances", filter=Q(instances__removed=None)),
        )
        .order_by()
    )
    return {
        (batch, target): {"time": time, "instances": number, "left": left}
        for batch, target, time, number, left in rows
    }


def recalled_text(told: Recalled) -> str:
    """Return it as words: ``recalled 2026-05-04 10:15:00: 3 instances, none is left``."""
    when = moment_text(datetime.fromisoformat(told["time"]))
    number = told["instances"]
    left = f"{told['left']} left there" if told["left"] else "none is left"
    return f"recalled {when}: {number} instance{'s' if number != 1 else ''}, {left}"
