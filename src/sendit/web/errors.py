"""What went wrong and is still open, alike things together, with one button to try again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any  # a row of a query
from urllib.parse import urlencode

from django.db.models import Count, Max, Min, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from sendit.errors import UsageError
from sendit.metrics.remedies import remedy
from sendit.metrics.wording import moment_text
from sendit.pipeline.decide import Action, Decision, decide
from sendit.records.access import Access
from sendit.records.models import Finding
from sendit.records.roles import Right
from sendit.terms import Reason, Stage, Status
from sendit.web.asking import audit_head, who
from sendit.web.health import number_needing_a_person

SHOWN = 5
MOST_GROUPS = 20
AT_ONCE = 500
"""Batches that one click tries again."""
_LONGEST = 32


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """All open errors with one code at one stage."""

    code: str
    stage: str
    stage_words: str
    batches: int
    findings: int
    first: str
    last: str
    remedy: str
    newest: list[int]
    """Numbers of the newest batches."""
    message: str
    can_retry: bool
    """Trying again can help: the batches stopped; no file of theirs is bad."""


@require_safe
def errors(request: HttpRequest) -> HttpResponse:
    """Show open errors by reason, most batches first."""
    access = who(request)
    groups = _groups(access)
    context = {
        "groups": groups,
        "waiting": number_needing_a_person(access.batches()),
        "may_retry": access.may_somewhere(Right.RETRY),
        "tried": request.GET.get("tried", "") if request.GET.get("tried", "").isdigit() else "",
        "left": request.GET.get("left", "") if request.GET.get("left", "").isdigit() else "",
    }
    return render(request, "web/errors.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def retry_all(request: HttpRequest) -> HttpResponse:
    """Try all stopped batches of one reason again; whoever only comes back sees the errors."""
    if request.method != "POST":
        return redirect("errors")
    access = who(request)
    code, stage = (request.POST.get(name, "")[:_LONGEST] for name in ("code", "stage"))
    if stage not in list(Stage) or "\0" in code:
        raise Http404
    batches = access.batches(Right.RETRY).filter(
        status=Status.ERROR,
        turned_down=False,
        pk__in=_open(access).filter(code=code, stage=stage).values("batch"),
    )
    tried = left = 0
    for batch_id in list(batches.order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
        decision = Decision(Action.RETRY, by=access.name)
        try:
            decide(
                batch_id,
                decision,
                version=None,
                now=datetime.now(UTC),
                head_folder=audit_head(),
            )
            tried += 1
        except UsageError:  # somebody else was quicker, or is at work on it: nothing to do
            left += 1
    return redirect(f"{reverse('errors')}?{urlencode({'tried': tried, 'left': left})}")


def _open(access: Access) -> QuerySet[Finding]:
    findings = Finding.objects.filter(severity=Finding.ERROR, resolved="")
    projects = access.projects()
    return findings if projects is None else findings.filter(batch__project__in=projects)


def _groups(access: Access) -> list[DeadLetters]:
    rows = (
        _open(access)
        .order_by()
        .values("code", "stage")
        .annotate(
            batches=Count("batch", distinct=True),
            findings=Count("pk"),
            first=Min("time"),
            last=Max("time"),
            newest=Max("pk"),
        )
        .order_by("-batches", "code")
    )
    return [_group(access, row) for row in rows[:MOST_GROUPS]]


def _group(access: Access, row: Mapping[str, Any]) -> DeadLetters:
    alike = _open(access).filter(code=row["code"], stage=row["stage"])
    newest = alike.order_by("-pk").values_list("batch", flat=True)[: 4 * SHOWN]
    return DeadLetters(
        code=row["code"],
        stage=row["stage"],
        stage_words=row["stage"].replace("_", " "),
        batches=row["batches"],
        findings=row["findings"],
        first=moment_text(row["first"]),
        last=moment_text(row["last"]),
        remedy=remedy(row["code"]),
        newest=list(dict.fromkeys(newest))[:SHOWN],
        message=Finding.objects.defer("file").get(pk=row["newest"]).message,
        can_retry=row["code"] not in Reason.__members__,
    )
