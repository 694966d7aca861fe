"""In and out: by name and password, or by the link that ``sendit serve`` prints.

Who comes in by a provider (OpenID Connect) is in ``oidc``.  Whoever is let in stands in the audit
log before they are.

Whoever guesses a password is stopped by django-axes after a few tries; the answer is the
same for a name that nobody has.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any  # what axes hands over

from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth import login as start_session
from django.contrib.auth import logout as end_session
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_http_methods

from sendit.config.rules import is_loopback
from sendit.records import audit
from sendit.records.access import LOCAL_USER, local_user
from sendit.web.asking import audit_head
from sendit.web.login_links import use_token

_BACKEND = "django.contrib.auth.backends.ModelBackend"
_LONGEST = 150


def open_to_all(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Mark a view that answers without a login."""
    view.open_to_all = True  # type: ignore[attr-defined]  # a mark that the middleware reads
    return view


def sign_in_page(request: HttpRequest, *, status: int = 200, **said: object) -> HttpResponse:
    """Return the page that asks who is there."""
    context = {
        "next": "",
        "links": is_loopback(settings.SENDIT.settings.web.host),
        "oidc": settings.SENDIT.settings.oidc,
        **said,
    }
    return render(request, "web/sign_in.html", context, status=status)


def let_in(request: HttpRequest, user: User, *, through: str, **details: object) -> None:
    """Begin somebody's session, once it is written down."""
    act = audit.Act(user.get_username(), "signed in", through, details=details)
    audit.append(act, now=datetime.now(UTC), head_folder=audit_head())
    request.session.clear_expired()  # also of those who began to sign in and never did
    start_session(request, user, backend=_BACKEND)


@open_to_all
def password(request: HttpRequest) -> HttpResponseBase:
    """Let in whoever knows a name and its password."""
    wanted = onward(request)
    if request.method != "POST":
        return sign_in_page(request, next=wanted)
    name = request.POST.get("username", "")[:_LONGEST].replace("\0", "")
    user = authenticate(
        request, username=name, password=request.POST.get("password", "").replace("\0", "")
    )
    if not isinstance(user, User) or user.get_username() == LOCAL_USER:
        return sign_in_page(request, status=403, wrong=True, next=wanted)
    let_in(request, user, through="password")
    return redirect(wanted or "dashboard")


@open_to_all
@require_GET
def link(request: HttpRequest, token: str) -> HttpResponse:
    """Let in whoever brings a token that nobody has used."""
    if not use_token(settings.SENDIT.settings.work_dir, token):
        return sign_in_page(request, status=403, used=True)
    let_in(request, local_user(), through="link")
    return redirect("dashboard")


@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: HttpRequest) -> HttpResponse:
    """Forget that this browser was let in; an address alone, which anybody can link, does not."""
    if request.method != "POST":
        return redirect("dashboard")
    end_session(request)
    return sign_in_page(request, left=True)


def locked_out(request: HttpRequest, _response: object, _credentials: Any) -> HttpResponse:
    """Answer somebody who has guessed too often."""
    return sign_in_page(request, status=429, locked=True)


def onward(request: HttpRequest) -> str:
    """Return where somebody wanted to go, if that is a page of ours."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    return wanted if url_has_allowed_host_and_scheme(wanted, allowed_hosts=None) else ""
