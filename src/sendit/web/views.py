"""What machines ask for without a login: whether the server is there and can work; its icon."""

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.views.decorators.http import require_safe

from sendit.errors import SenditError
from sendit.pipeline.workspace import Workspace
from sendit.records.schema import require_same_schema
from sendit.web.sign_in import open_to_all


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


@open_to_all
@require_safe
def icon(_request: HttpRequest) -> HttpResponse:
    """Say where the icon is, to those who look for it in the old place."""
    return redirect(static("web/icon.svg"))
