"""One batch: where it is, what went wrong and what to do, and the buttons for those who may."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any  # JSON

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from sendit.errors import ChangedMeanwhile, UsageError
from sendit.metrics.recalls import recalled_text
from sendit.metrics.remedies import remedy
from sendit.metrics.report import render_page
from sendit.metrics.report_document import report_document
from sendit.metrics.report_facts import collect, stage_times
from sendit.metrics.said import Said, said_once
from sendit.metrics.wording import count_text, duration_text, moment_text, size_text
from sendit.pipeline.decide import NEEDS, Action, Decision, decide, possible, version_of
from sendit.pipeline.workspace import Workspace
from sendit.records.models import Batch, Delivery, Image
from sendit.terms import Stage, Status, Verdict
from sendit.web.asking import audit_head, batch_or_404, who
from sendit.web.rows import rows

PER_PAGE = 50
REFRESH_SECONDS = 5
LONGEST_REASON = 1000
_DONE: Mapping[str, str] = {
    Action.RETRY: "It is tried again.",
    Action.SEND: "It goes on to its targets.",
    Action.ACCEPT: "Accepted: it goes on without what is bad or held.",
    Action.REJECT: "Rejected: nothing more of it is sent, and its originals go back to the inbox.",
    Action.RELEASE: "Released: the held images go on.",
}


_AT_IT: Mapping[str, str] = {"bad": "stopped here", "waiting": "waits here", "busy": "now"}
"""What the stage at which a batch is says, by its tone."""


@dataclass(frozen=True, slots=True)
class Step:
    """One stage in the timeline."""

    name: str
    tone: str
    text: str
    percent: int
    note: str


@dataclass(frozen=True, slots=True)
class Group:
    """Errors or alerts that say the same, with what to do."""

    said: Said
    remedy: str
    is_error: bool


@require_safe
def batch_page(request: HttpRequest, number: int) -> HttpResponse:
    """Show one batch."""
    done = request.GET.get("done", "")
    return _page(request, batch_or_404(request, number), done=_DONE.get(done, ""))


@require_http_methods(["GET", "HEAD", "POST"])
def act(request: HttpRequest, number: int, action: str) -> HttpResponse:
    """Carry out what somebody decided on the page; whoever only comes back is led to the batch."""
    batch = batch_or_404(request, number)
    if request.method != "POST":
        return redirect("batch", number)
    try:
        wanted = Action(action)
    except ValueError:
        return _page(request, batch, problem="There is no such action.", status=404)
    access = who(request)
    if not access.may(NEEDS[wanted], batch.project):
        problem = f"You need the right to {NEEDS[wanted]} in this project; ask an admin for it."
        return _page(request, batch, problem=problem, status=403)
    image = request.POST.get("image", "")
    decision = Decision(
        wanted,
        by=access.name,
        reason=request.POST.get("reason", "").replace("\0", "")[:LONGEST_REASON],
        image=int(image) if image.isascii() and image.isdigit() and len(image) < 10 else None,
        target=request.POST.get("target") or None,
    )
    version = request.POST.get("seen") or None
    try:
        decide(
            batch.pk,
            decision,
            version=version,
            now=datetime.now(UTC),
            head_folder=audit_head(),
        )
    except ChangedMeanwhile as error:
        return _page(request, batch_or_404(request, number), problem=str(error), status=412)
    except UsageError as error:
        return _page(request, batch_or_404(request, number), problem=str(error), status=409)
    return redirect(f"{reverse('batch', args=[number])}?done={wanted}")


@require_safe
def report(request: HttpRequest, number: int) -> HttpResponse:
    """Hand out the report, which names nobody."""
    batch = batch_or_404(request, number)
    name = f"sendit-batch-{batch.pk}"
    if request.GET.get("format") == "json":
        answer: HttpResponse = JsonResponse(report_document(batch), json_dumps_params={"indent": 2})
        answer["Content-Disposition"] = f'attachment; filename="{name}.json"'
        return answer
    facts = collect([batch], Workspace(settings.SENDIT.settings.work_dir))
    answer = HttpResponse(render_page(facts, now=datetime.now(UTC)))
    answer["Content-Disposition"] = f'attachment; filename="{name}.html"'
    return answer


def _page(
    request: HttpRequest, batch: Batch, *, done: str = "", problem: str = "", status: int = 200
) -> HttpResponse:
    now = datetime.now(UTC)
    access = who(request)
    row = rows([batch], access, now=now)[0]
    offered = [one for one in possible(batch) if access.may(NEEDS[one], batch.project)]
    images = Image.objects.filter(batch=batch).order_by("nr")
    verdict = request.GET.get("verdict", "")
    if verdict in Verdict.__members__:
        images = images.filter(verdict=verdict)
    images = images.only(
        "nr", "verdict", "reason", "status", "sop_instance_uid", "modality", "created", "modified"
    )
    page = Paginator(images, PER_PAGE).get_page(request.GET.get("page"))
    on_its_way = row.standing.tone in ("busy", "waiting")
    context = {
        "row": row,
        "batch": batch,
        "size": size_text(batch.bytes),
        "finished": moment_text(batch.finished),
        "arrived": moment_text(batch.created),
        "started": moment_text(batch.started),
        "helps_to_retry": not row.standing.todo.startswith("sendit resolve"),
        "steps": _steps(batch),
        "groups": _groups(row.told),
        "settled": _settled(row.told),
        "counts": _counts(row.told),
        "deliveries": _deliveries(batch, row.told),
        "offered": [str(one) for one in offered],
        "seen": version_of(batch),
        "page": page,
        "verdict": verdict,
        "kept": f"verdict={verdict}&" if verdict else "",
        "verdicts": [word.value for word in Verdict],
        "done": done,
        "problem": problem,
        "now": moment_text(now),
        "refresh": REFRESH_SECONDS
        if on_its_way and request.method == "GET" and request.GET.get("refresh") != "off"
        else None,
    }
    return render(request, "web/batch.html", context, status=status)


def _steps(batch: Batch) -> list[Step]:
    times = {one.stage: one for one in stage_times(batch)}
    longest = max((one.took for one in times.values()), default=timedelta()) or timedelta(1)
    order = list(Stage)
    at = order.index(Stage(batch.stage)) if batch.stage else len(order)
    steps = []
    for place, stage in enumerate(order):
        one = times.get(stage)
        tone = "good" if place < at and one else "quiet"
        if place == at:
            tone = _tone_now(batch)
        note = ""
        if one is not None:
            failed = f", {one.failures} failed" if one.failures else ""
            note = f"{count_text(one.runs, 'run')}{failed}"
        took = one.took if one is not None else None
        text = duration_text(took) if took is not None else _unmeasured(place, at, tone)
        if took is not None and place == at and tone in _AT_IT:
            note = f"{_AT_IT[tone]}, {note}"
        percent = 0 if took is None else max(1, round(100 * (took / longest)))
        steps.append(Step(stage.replace("_", " "), tone, text, percent, note))
    return steps


def _unmeasured(place: int, at: int, tone: str) -> str:
    if place != at:
        return "not needed" if place < at else "to come"
    return _AT_IT.get(tone, "to come")


def _tone_now(batch: Batch) -> str:
    if batch.status == Status.ERROR or (batch.held and batch.has_error):
        return "bad"
    if batch.held or batch.retry_at or batch.status == Status.QUEUE:
        return "waiting"
    return "quiet" if batch.status in (Status.DONE, Status.EMPTY) else "busy"


def _groups(told: Mapping[str, Any]) -> list[Group]:
    return [
        Group(said, remedy(said.code, is_error=what == "errors"), what == "errors")
        for what in ("errors", "alerts")
        for said in said_once([entry for entry in told[what] if not entry["resolved"]])
    ]


def _settled(told: Mapping[str, Any]) -> list[Said]:
    entries = [entry for what in ("errors", "alerts") for entry in told[what] if entry["resolved"]]
    return said_once(entries)


def _counts(told: Mapping[str, Any]) -> Sequence[tuple[str, int, str]]:
    accepted = sum(told["images"].values())
    return [
        ("accepted", accepted, "go on to the targets"),
        ("excluded", told["excluded"], "left out by the project's filters"),
        ("held", told["held_images"], "wait for a person; nothing of them is sent"),
        ("rejected", told["rejected"], "may not leave; the original is kept"),
        ("unreadable", told["unreadable"], "not usable as DICOM; left in the inbox"),
    ]


def _deliveries(batch: Batch, told: Mapping[str, Any]) -> list[dict[str, object]]:
    recalls = {one["target"]: one["recalled"] for one in told["deliveries"]}
    return [
        {
            "target": one.target,
            "kind": one.kind,
            "required": one.required,
            "attempts": one.attempts,
            "error": one.error,
            "receipt": one.receipt or None,
            "when": moment_text(one.modified),
            "again": moment_text(one.retry_at) if one.retry_at else "",
            **_delivery_state(one, recalls.get(one.target)),
        }
        for one in Delivery.objects.filter(batch=batch).order_by("pk")
    ]


def _delivery_state(delivery: Delivery, recalled: Mapping[str, Any] | None) -> dict[str, object]:
    """Return state and tone; what was taken back is told as that, though it was proven once."""
    if recalled is None:
        tones = {"verified": "good", "failed": "bad", "pending": "waiting"}
        return {"state": delivery.state, "tone": tones.get(delivery.state, "busy")}
    left = bool(recalled["left"])
    return {
        "state": "recalled, copies left" if left else "recalled",
        "tone": "bad" if left else "quiet",
        "recalled": recalled_text(recalled),
        "left": left,
    }
