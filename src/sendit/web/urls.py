"""The addresses of the pages; each is answered with and without the last slash."""

from collections.abc import Callable

from django.http.response import HttpResponseBase
from django.urls import URLPattern, path

from sendit.web import views


def _both(route: str, view: Callable[..., HttpResponseBase], name: str) -> list[URLPattern]:
    return [path(f"{route}/", view, name=name), path(route, view, name=name)]


urlpatterns = [
    path("", views.status, name="status"),
    *_both("login/<token>", views.login, "login"),
    *_both("logout", views.logout, "logout"),
    *_both("healthz", views.healthz, "healthz"),
    *_both("readyz", views.readyz, "readyz"),
]
