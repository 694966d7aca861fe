"""What holds for every answer: it needs a login, loads nothing foreign, and is kept nowhere.

A batch's uid is often an accession number, so a page is closed unless its view says
otherwise (``open_to_all``).
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

View = Callable[..., HttpResponseBase]
Answer = Callable[[HttpRequest], HttpResponseBase]

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'"
)
SIGNED_IN = "signed_in"


def open_to_all(view: View) -> View:
    """Mark a view that answers without a login."""
    view.open_to_all = True  # type: ignore[attr-defined]  # a mark that the middleware reads
    return view


class HeadersMiddleware:
    """Sets the headers that keep a page to itself."""

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, with the headers."""
        response = self._get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), microphone=(), geolocation=()"
        )
        return response


class LoginMiddleware:
    """Lets nobody in who has not used a login link."""

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer; who may is decided when the view is known."""
        return self._get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, _args: object, _kwargs: object
    ) -> HttpResponse | None:
        """Stop a request for a closed view that comes without a login."""
        if getattr(view, "open_to_all", False) or request.session.get(SIGNED_IN):
            return None
        return render(request, "web/sign_in.html", {"used": False}, status=403)
