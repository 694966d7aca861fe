"""Watcher, workers and inboxes for everybody; the configuration, without secrets, for admins."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any  # a value of the configuration

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from pydantic import BaseModel, SecretStr

from sendit.config.mounts import answers
from sendit.ingest.loop_lock import loop_process
from sendit.metrics.numbers import folders_in
from sendit.metrics.wording import duration_text, moment_text, size_text
from sendit.records.roles import Right
from sendit.web.asking import who
from sendit.web.health import gauges, start_command, watcher_is_alive

REFRESH_SECONDS = 10
_SIZES = ("limits.min_free_disk", "limits.max_instance")
_WITHHELD = "is set; not shown"


@require_safe
def settings_page(request: HttpRequest) -> HttpResponse:
    """Show whether the watcher is active, and to admins how everything is set."""
    configuration = settings.SENDIT
    access = who(request)
    now = datetime.now(UTC)
    allowed = access.projects()
    at_a_site = configuration.settings.mode == "celery"
    may_configure = access.may_everywhere(Right.CONFIGURE)
    inboxes = [
        {
            "path": str(inbox.path) if may_configure else inbox.path.name,
            "project": inbox.project,
            "folders": folders_in(inbox.path),
            "there": answers(inbox.path) and inbox.path.is_dir(),
            "elsewhere": at_a_site,
            "settle": duration_text(configuration.settings.ingest_of(inbox).settle),
        }
        for inbox in configuration.settings.inboxes
        if allowed is None or inbox.project in allowed
    ]
    work_dir = configuration.settings.work_dir
    context = {
        "alive": watcher_is_alive(configuration, now=now),
        "start": start_command(configuration),
        "process": None if at_a_site else loop_process(work_dir),
        "gauges": gauges(configuration, access, now=now),
        "inboxes": inboxes,
        "source": configuration.source or "the embedded default",
        "values": list(_values(configuration.settings)) if may_configure else (),
        "may_configure": may_configure,
        "now": moment_text(now),
        "refresh": None if request.GET.get("refresh") == "off" else REFRESH_SECONDS,
    }
    return render(request, "web/settings.html", context)


def _values(section: BaseModel, prefix: str = "") -> list[tuple[str, str]]:
    """Return keys and values, one a line; what may hold a secret only as being set."""
    lines: list[tuple[str, str]] = []
    for name in type(section).model_fields:
        value = getattr(section, name)
        key = f"{prefix}{name}"
        if isinstance(value, BaseModel):
            lines += _values(value, f"{key}.")
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            for place, one in enumerate(value, start=1):
                lines += _values(one, f"{key}.{place}.")
        elif isinstance(value, SecretStr):
            lines.append((key, _WITHHELD))
        else:
            lines.append((key, size_text(value) if key in _SIZES else _text(value)))
    return lines


def _text(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, Path | str):
        return str(value)
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if hasattr(value, "total_seconds"):
        return duration_text(value)
    return str(value)
