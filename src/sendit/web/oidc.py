"""In through a provider (OpenID Connect): there, back, and which roles that gives.

What goes over the wire, and whether it can be trusted, is in ``provider``.  Fail closed: who
is in no group that the configuration names loses the roles of before, and stays out.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from importlib import import_module
from typing import Any  # a module

from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET

from sendit.config.oidc import Oidc
from sendit.errors import SignInRefused
from sendit.identity.http_json import require_safe
from sendit.identity.rate import RateLimit
from sendit.records import audit
from sendit.records.accounts import Given, account_of, set_roles
from sendit.records.roles import Role
from sendit.web.asking import audit_head
from sendit.web.sign_in import let_in, onward, open_to_all, sign_in_page

logger = logging.getLogger(__name__)
PER_MINUTE = 120
"""Requests from one address; a sign-in takes two.  Behind a proxy, which holds each browser to
less, all come from one."""
_ONWARD = "oidc_onward"


@open_to_all
@require_GET
def begin(request: HttpRequest) -> HttpResponseBase:
    """Send somebody to the provider."""
    oidc = _configured()
    wanted = onward(request)

    def there() -> HttpResponseBase:
        answer: HttpResponseBase = _provider().send_there(request, oidc, back=_back(request, oidc))
        request.session[_ONWARD] = wanted
        return answer

    return _or_why_not(request, there)


@open_to_all
@require_GET
def come_back(request: HttpRequest) -> HttpResponseBase:
    """Let in whom the provider has sent back, if a group of theirs has a role here."""
    oidc = _configured()
    return _or_why_not(request, lambda: _come_in(request, oidc))


def _come_in(request: HttpRequest, oidc: Oidc) -> HttpResponseBase:
    person = _provider().who_came_back(request, oidc)
    given = {
        Given(Role(one.role), one.project or "") for one in oidc.roles if one.group in person.groups
    }
    # What cannot be written down is not done: no account and no role either.
    with transaction.atomic():
        user = account_of(person.issuer, person.subject, name=person.name)
        set_roles(user, given)
        if given and user.is_active:
            roles = sorted(f"{one.role} ({one.project or 'every project'})" for one in given)
            let_in(request, user, through="provider", roles=roles)
            return redirect(request.session.pop(_ONWARD, "") or "dashboard")
        why = "disabled" if given else "no role"
        act = audit.Act(user.get_username(), "sign-in refused", "provider", details={"why": why})
        audit.append(act, now=datetime.now(UTC), head_folder=audit_head())
    return sign_in_page(request, status=403, outside=why, name=user.get_username())


def _or_why_not(request: HttpRequest, step: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """Answer with a step of the sign-in, or with the page that says why it failed.

    Each step asks the provider, so nobody may make us ask it without end.
    """
    wait = _rate().wait_seconds(request.META.get("REMOTE_ADDR", ""))
    if wait:
        answer = sign_in_page(request, status=429, hurried=wait)
        answer["Retry-After"] = str(wait)
        return answer
    try:
        return step()
    except SignInRefused as error:
        logger.warning("nobody was let in through the provider: %s", error)
        return sign_in_page(request, status=403, refused=str(error))


@lru_cache(maxsize=1)
def _rate() -> RateLimit:
    """Return what counts for this process."""
    return RateLimit(PER_MINUTE)


def _configured() -> Oidc:
    oidc: Oidc = settings.SENDIT.settings.oidc
    if oidc.issuer is None:
        raise Http404
    return oidc


def _provider() -> Any:
    """Return the module that talks to the provider, whose packages are an extra."""
    return import_module("sendit.web.provider")


def _back(request: HttpRequest, oidc: Oidc) -> str:
    """Return the address that the provider sends browsers back to.

    Raises
    ------
    sendit.errors.SignInRefused
        When it is not encrypted and not on this machine.
    """
    path = reverse("oidc-back")
    address = f"{oidc.pages_url}{path}" if oidc.pages_url else request.build_absolute_uri(path)
    try:
        require_safe(address)
    except ValueError:
        raise SignInRefused(
            "These pages are not asked for through TLS. An admin sets oidc.pages_url to the "
            "address https://HOST under which browsers reach them."
        ) from None
    return address
