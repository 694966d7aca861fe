"""Which address is answered by what, and what an error looks like there."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views import defaults

from sendit.api.errors import error_page
from sendit.web.room import not_now

urlpatterns = [
    path("", include("sendit.api.urls")),
    path("", include("sendit.web.urls")),
]


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what makes no sense."""
    return (
        error_page(request, 400) if _is_api(request) else defaults.bad_request(request, exception)
    )


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what is not allowed."""
    if _is_api(request):
        return error_page(request, 403)
    return defaults.permission_denied(request, exception)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what is not there."""
    if _is_api(request):
        return error_page(request, 404)
    return defaults.page_not_found(request, exception)


def handler500(request: HttpRequest) -> HttpResponse:
    """Answer when the fault is ours, or the database is away."""
    if isinstance(sys.exception(), OperationalError | InterfaceError):
        return error_page(request, 503) if _is_api(request) else not_now()
    return error_page(request, 500) if _is_api(request) else defaults.server_error(request)


def _is_api(request: HttpRequest) -> bool:
    return request.path == "/api" or request.path.startswith("/api/")
