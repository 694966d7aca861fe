"""What holds for every answer: it needs a login, loads nothing foreign, and is kept nowhere.

A batch's uid is often an accession number, so a page is closed unless its view says
otherwise (``open_to_all``).  What somebody who is signed in may see, each view looks for.
"""

from collections.abc import Callable
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from sendit.web.sign_in import sign_in_page

View = Callable[..., HttpResponseBase]
Answer = Callable[[HttpRequest], HttpResponseBase]

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'"
)
API_PAGE_POLICY = CONTENT_SECURITY_POLICY + "; img-src 'self' data:"
"""Swagger UI's own stylesheet holds its icons; no address of anybody else's is in it."""


class HeadersMiddleware:
    """Sets the headers that keep a page to itself, and hands HEAD those alone.

    The server drops a body there by itself, and would warn of each.
    """

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, with the headers."""
        response = self._get_response(request)
        is_api_page = request.path.rstrip("/") == "/api"
        policy = API_PAGE_POLICY if is_api_page else CONTENT_SECURITY_POLICY
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), microphone=(), geolocation=()"
        )
        if request.method == "HEAD":
            _drop_body(response)
        return response


def _drop_body(response: HttpResponseBase) -> None:
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = ()
    elif isinstance(response, HttpResponse):
        response.content = b""


class LoginMiddleware:
    """Lets nobody in who has not signed in."""

    def __init__(self, get_response: Answer) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer; who may is decided when the view is known."""
        return self._get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, _args: object, _kwargs: object
    ) -> HttpResponse | None:
        """Lead a request for a closed view that comes without a login to the sign-in page."""
        if getattr(view, "open_to_all", False) or request.user.is_authenticated:
            return None
        if getattr(view, "open_with_token", False) and "Authorization" in request.headers:
            return None  # the view looks at the token
        if request.method in ("GET", "HEAD") and "HX-Request" not in request.headers:
            return redirect(f"{reverse('sign-in')}?{urlencode({'next': request.get_full_path()})}")
        # A form goes nowhere, and a page that looks again by itself is told that it is not let in.
        return sign_in_page(request, status=403)
