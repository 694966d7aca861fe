"""How each target stands: whether it answers now, what it took last, what waits for it."""

import os
from dataclasses import dataclass
from datetime import datetime
from typing import Any  # a JSON document, whose values are of many types

from django.db.models import Q

from sendit.config import Project
from sendit.config.project_sections import TargetSettings
from sendit.errors import SenditError
from sendit.metrics.status import iso
from sendit.pipeline.pausing import paused
from sendit.records.models import Delivery, TargetHealth
from sendit.terms import DeliveryState

STILL_MEANT = Q(batch__turned_down=False) | Q(state=DeliveryState.VERIFIED)
"""Deliveries but those that ended with the batch: of one that was rejected nothing more is sent."""


@dataclass(frozen=True, slots=True)
class Health:
    """One target of one project."""

    project: str
    target: str
    kind: str
    required: bool
    problem: dict[str, str] | None
    """``code`` and ``message`` of what is wrong now; None when it answers."""
    left_alone_until: datetime | None
    """Nobody asks it until then, since it was away too often."""
    resume: str
    """What lets it go on when it, its project or the node is paused; else empty."""
    failures: int
    waiting: int
    failed: int
    last: dict[str, Any] | None
    """The last receipt: batch, time, location, number of instances."""

    def as_json(self) -> dict[str, Any]:
        """Return it as ``targets --json`` says it."""
        return {
            "project": self.project,
            "target": self.target,
            "kind": self.kind,
            "required": self.required,
            "health": "down" if self.problem else "ok",
            "error": self.problem,
            "left_alone_until": iso(self.left_alone_until),
            "paused": bool(self.resume),
            "failures": self.failures,
            "waiting": self.waiting,
            "failed": self.failed,
            "last_receipt": self.last,
        }


def health_of(project: Project, settings: TargetSettings, *, now: datetime) -> Health:
    """Try a target for real, and return how it stands."""
    known = TargetHealth.objects.filter(project=project.name, target=settings.name).first()
    mine = Delivery.objects.filter(batch__project=project.name, target=settings.name)
    meant = mine.filter(STILL_MEANT)
    until = known.open_until if known else None
    return Health(
        project=project.name,
        target=settings.name,
        kind=settings.kind,
        required=settings.required,
        problem=_problem(settings),
        left_alone_until=until if until and until > now else None,
        resume=paused().resume_of(project.name, settings.name),
        failures=known.failures if known else 0,
        waiting=meant.exclude(state__in=[DeliveryState.VERIFIED, DeliveryState.FAILED]).count(),
        failed=meant.filter(state=DeliveryState.FAILED).count(),
        last=_last(mine.exclude(receipt=None).order_by("-modified", "-pk").first()),
    )


def _problem(settings: TargetSettings) -> dict[str, str] | None:
    try:
        settings.reach().probe()
    except SenditError as error:
        return {"code": error.code, "message": str(error)}
    except OSError as error:
        return {"code": "OS", "message": os.strerror(error.errno or 0)}
    return None


def _last(delivery: Delivery | None) -> dict[str, Any] | None:
    if delivery is None or delivery.receipt is None:
        return None
    return {
        "batch": delivery.batch_id,
        "state": delivery.state,
        "time": iso(delivery.modified),
        "location": delivery.receipt["location"],
        "n_instances": delivery.receipt["n_instances"],
    }
