"""How many of the server's threads pages may hold, so that one is left to say how we are.

A database that hangs keeps every page waiting that asks it.  A few pages are worked on at once,
some more wait for their turn, and what comes beyond that is told to come again; ``/healthz`` and
``/readyz``, which wait for nobody (``readiness.py``), need no turn.
"""

import threading
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template import loader

AT_ONCE = 4
WAITING = 20
FOR_HEALTH = 8
"""Threads that no page holds."""
PATIENCE_SECONDS = 10.0
NEED_NO_TURN = frozenset({"/healthz", "/readyz"})


class RoomMiddleware:
    """Lets pages take turns."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._inside = threading.BoundedSemaphore(AT_ONCE + WAITING)
        self._turn = threading.BoundedSemaphore(AT_ONCE)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer when it is this request's turn, or say that it is nobody's soon."""
        if request.path.rstrip("/") in NEED_NO_TURN:
            return self._get_response(request)
        if not self._inside.acquire(blocking=False):
            return not_now()
        try:
            return self._in_turn(request)
        finally:
            self._inside.release()

    def _in_turn(self, request: HttpRequest) -> HttpResponseBase:
        if not self._turn.acquire(timeout=PATIENCE_SECONDS):
            return not_now()
        try:
            return self._get_response(request)
        finally:
            self._turn.release()


def not_now() -> HttpResponse:
    """Answer that somebody who comes again in a moment may have better luck."""
    page = loader.get_template("503.html").render()
    return HttpResponse(page, status=503, headers={"Retry-After": "10"})
