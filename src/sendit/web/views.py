"""What machines ask for without a login: whether the server is there and can work; its icon."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.views.decorators.http import require_safe

from sendit.web.readiness import Readiness
from sendit.web.sign_in import open_to_all

_READINESS = Readiness()


@open_to_all
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """Say that the server answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@open_to_all
@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """Say whether the server can work; why it cannot stands in its log."""
    if _READINESS.problem(settings.SENDIT):
        return HttpResponse("not ready\n", content_type="text/plain", status=503)
    return HttpResponse("ok\n", content_type="text/plain")


@open_to_all
@require_safe
def icon(_request: HttpRequest) -> HttpResponse:
    """Say where the icon is, to those who look for it in the old place."""
    return redirect(static("web/icon.svg"))
