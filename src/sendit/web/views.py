"""The pages: each view asks, and shows the answer."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any  # a batch as ``describe`` tells it is a JSON object

from django.conf import settings
from django.core.paginator import Paginator
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST, require_safe

from sendit import __version__
from sendit.errors import SenditError
from sendit.metrics.numbers import batches_by_status
from sendit.metrics.said import Said, said_once
from sendit.metrics.standing import Standing, standing
from sendit.metrics.status import describe
from sendit.metrics.wording import duration_text, moment_text
from sendit.pipeline.workspace import Workspace
from sendit.records.models import Batch
from sendit.records.schema import require_same_schema
from sendit.terms import Status
from sendit.web.health import health, needing_a_person
from sendit.web.login_links import use_token
from sendit.web.middleware import SIGNED_IN, open_to_all

PER_PAGE = 50
MOST_URGENT = 20
REFRESH_SECONDS = 5
MINUTES = len("2026-05-04 10:15")


@dataclass(frozen=True, slots=True)
class Row:
    """One batch in a list."""

    batch: Batch
    standing: Standing
    told: dict[str, Any]
    started: str
    took: str

    @property
    def n_images(self) -> int:
        """Accepted images."""
        return sum(self.told["images"].values())

    @property
    def n_arrived(self) -> int:
        """Images that every required target has proven to hold."""
        return int(self.told["images"][Status.SENT] + self.told["images"][Status.DONE])

    @property
    def n_bad(self) -> int:
        """Files that could not be read or may not leave."""
        return int(self.told["unreadable"] + self.told["rejected"])

    @property
    def open_entries(self) -> list[Said]:
        """Errors that nothing and nobody has settled; without any, such alerts."""
        errors, alerts = (
            [entry for entry in self.told[what] if not entry["resolved"]]
            for what in ("errors", "alerts")
        )
        return said_once(errors or alerts)


@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """Show how the installation is, what needs a person, and every batch, newest first."""
    now = datetime.now(UTC)
    page = Paginator(Batch.objects.order_by("-pk"), PER_PAGE).get_page(request.GET.get("page"))
    urgent = _rows(list(needing_a_person()[:MOST_URGENT]), now=now)
    counts = batches_by_status()
    context = {
        "health": health(settings.SENDIT, now=now),
        "urgent": urgent,
        "rows": _rows(list(page.object_list), now=now),
        "page": page,
        "counts": [(word.value, counts[word.value]) for word in Status if word != Status.SENT],
        "total": page.paginator.count,
        "now": moment_text(now),
        "version": __version__,
        "refresh": None if request.GET.get("refresh") == "off" else REFRESH_SECONDS,
    }
    return render(request, "web/status.html", context)


@open_to_all
@require_GET
def login(request: HttpRequest, token: str) -> HttpResponse:
    """Let in whoever brings a token that nobody has used."""
    if not use_token(settings.SENDIT.settings.work_dir, token):
        return render(request, "web/sign_in.html", {"used": True}, status=403)
    request.session.flush()
    request.session[SIGNED_IN] = True
    return redirect("status")


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    """Forget that this browser was let in."""
    request.session.flush()
    return render(request, "web/sign_in.html", {"left": True})


@open_to_all
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """Say that the server answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@open_to_all
@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """Say whether the database answers, with tables that fit, and the volumes are mounted."""
    try:
        require_same_schema()
        if settings.SENDIT.settings.mode != "celery":  # there the pages see no working volume
            Workspace(settings.SENDIT.settings.work_dir).check()
    except (DatabaseError, OSError, SenditError):
        return HttpResponse("not ready\n", content_type="text/plain", status=503)
    return HttpResponse("ok\n", content_type="text/plain")


def _took(batch: Batch) -> str:
    if batch.started is None or batch.finished is None:
        return duration_text(None)
    return duration_text(batch.finished - batch.started)


def _rows(batches: list[Batch], *, now: datetime) -> list[Row]:
    return [
        Row(
            batch=batch,
            standing=standing(batch, now=now),
            told=told,
            started=moment_text(batch.started)[:MINUTES],
            took=_took(batch),
        )
        for batch, told in zip(batches, describe(batches), strict=True)
    ]
