"""The targets: how each is doing, told from what was delivered; nothing is asked of them here.

Asking a target takes as long as it likes, and needs what only the sending zone holds.
``sendit targets`` does that.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from sendit.metrics.target_health import STILL_MEANT
from sendit.metrics.wording import count_text, moment_text
from sendit.pipeline.pausing import paused
from sendit.records.access import Access
from sendit.records.models import Delivery, TargetHealth
from sendit.terms import DeliveryState
from sendit.web.asking import who

_OPEN = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.SENT)


@dataclass(frozen=True, slots=True)
class Shown:
    """One target of one project."""

    project: str
    name: str
    kind: str
    required: bool
    resume: str
    """What lets it go on when it, its project or the node is paused; else empty."""
    tone: str
    words: str
    verified: int
    waiting: int
    failed: int
    last: str
    """When it proved a study last."""
    receipt: str
    batch: int | None
    """The batch of that receipt."""
    error: str


@require_safe
def targets(request: HttpRequest) -> HttpResponse:
    """Show the targets of the projects that whoever asks may see."""
    access = who(request)
    allowed = access.projects()
    counts = _counts(access)
    away = _away(now=datetime.now(UTC))
    stopped = paused()
    shown = [
        _shown(
            project.name,
            target.name,
            target.kind,
            counts,
            required=target.required,
            away=away.get((project.name, target.name)),
            resume=stopped.resume_of(project.name, target.name),
        )
        for name, project in sorted(settings.SENDIT.projects.items())
        if allowed is None or name in allowed
        for target in project.targets
    ]
    return render(request, "web/targets.html", {"targets": shown})


Counts = dict[tuple[str, str, str], tuple[int, int]]
"""(project, target, state) → how many, and the newest."""


def _counts(access: Access) -> Counts:
    deliveries = Delivery.objects.filter(STILL_MEANT).order_by()
    allowed = access.projects()
    if allowed is not None:
        deliveries = deliveries.filter(batch__project__in=allowed)
    rows = deliveries.values_list("batch__project", "target", "state").annotate(
        number=Count("pk"), newest=Max("pk")
    )
    return {(project, name, state): (n, newest) for project, name, state, n, newest in rows}


def _away(*, now: datetime) -> dict[tuple[str, str], datetime]:
    """Return until when which targets are left alone, since they were away too often."""
    rows = TargetHealth.objects.filter(open_until__gt=now)
    return {
        (project, name): until
        for project, name, until in rows.values_list("project", "target", "open_until")
        if until is not None
    }


def _shown(
    project: str,
    name: str,
    kind: str,
    counts: Counts,
    *,
    required: bool,
    away: datetime | None,
    resume: str,
) -> Shown:
    def number(state: str) -> int:
        return counts.get((project, name, state), (0, 0))[0]

    proven = _newest(counts.get((project, name, DeliveryState.VERIFIED)))
    failed = _newest(counts.get((project, name, DeliveryState.FAILED)))
    n_failed = number(DeliveryState.FAILED)
    waiting = sum(map(number, _OPEN))
    tone, words = "quiet", "Nothing was delivered yet."
    if away is not None:
        tone, words = "bad", f"Does not answer; asked again at {moment_text(away)} UTC."
    elif n_failed:
        tone, words = "bad", f"{count_text(n_failed, 'delivery', 'deliveries')} failed."
    elif waiting:
        tone, words = "busy", f"{count_text(waiting, 'delivery', 'deliveries')} on the way."
    elif proven:
        tone, words = "good", "Everything that was sent is proven."
    receipt = (proven.receipt or {}) if proven else {}
    instances = count_text(receipt.get("n_instances", 0), "instance")
    return Shown(
        project=project,
        name=name,
        kind=kind,
        required=required,
        resume=resume,
        tone=tone,
        words=words,
        verified=number(DeliveryState.VERIFIED),
        waiting=waiting,
        failed=n_failed,
        last=moment_text(proven.modified) if proven else "–",
        receipt=f"{instances} in {receipt['location']}" if receipt.get("location") else "",
        batch=proven.batch_id if proven else None,
        error=(failed.error or {}).get("message", "") if failed else "",
    )


def _newest(found: tuple[int, int] | None) -> Delivery | None:
    return None if found is None else Delivery.objects.filter(pk=found[1]).first()
