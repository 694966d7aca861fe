"""The identity service over HTTP: token, study, document; each refusal is a JSON document.

What is understood and answered is ``identity.service``; who is named is the ledger.  Nothing
of a request is logged.
"""

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, wraps
from http import HTTPStatus

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse, UnreadablePostError

from sendit.config import Configuration
from sendit.errors import IdentityError, SenditError
from sendit.identity import Matching, derive
from sendit.identity.allocation import AllocationOptions, Allocator, AskedPatient, Digests
from sendit.identity.rate import RateLimit
from sendit.identity.service import TEST, RequestRefused, TestNames, answer, read_request
from sendit.identity.store import KnownPatient
from sendit.identity.zones import zone_of
from sendit.records import tokens
from sendit.records.installation import load_keys
from sendit.records.ledger import DatabaseLedger, refuse_closed
from sendit.records.ledger_tables import ClientToken
from sendit.records.own_keys import identity_of, key_for_naming, key_of_names
from sendit.records.refusals import cause_of

logger = logging.getLogger(__name__)

View = Callable[..., JsonResponse]
BLOCK = 65536
MOST_READ_ON = 128 * 2**20


@dataclass(frozen=True, slots=True)
class Study:
    """One namespace as a client asks about it."""

    namespace: str
    digests: Digests
    options: AllocationOptions


@dataclass(frozen=True, slots=True)
class Desk:
    """What the service needs of its installation."""

    configuration: Configuration
    site_key: bytes = field(repr=False)
    rate: RateLimit

    def study(self, name: str, *, create: bool) -> Study:
        """Return a study: as the project of that namespace says, or by the defaults."""
        namespace, matching, options = name, Matching(), AllocationOptions()
        for project in self.configuration.projects.values():
            identity = project.identity
            if identity.namespace.lower() == name and isinstance(
                identity.options, AllocationOptions
            ):
                namespace, matching = identity.namespace, identity.matching()
                options = identity.options
        digests = Digests.of(
            self.site_key,
            namespace=namespace,
            matching=matching,
            own_key=None if name == TEST else self._own_key(namespace, create=create),
        )
        return Study(namespace, digests, options)

    def _own_key(self, namespace: str, *, create: bool) -> bytes | None:
        if create:
            return _key_for_naming(namespace)
        identity = identity_of(self.configuration.projects.values(), namespace)
        return key_of_names(self.configuration.settings, namespace, identity)


@cache
def _key_for_naming(namespace: str) -> bytes | None:
    """Return the own key of a namespace, read once: what is decided never changes.

    One that was closed meanwhile is refused by the ledger.
    """
    configuration = desk().configuration
    identity = identity_of(configuration.projects.values(), namespace)
    return key_for_naming(configuration.settings, namespace, identity)


@cache
def desk() -> Desk:
    """Return what this process serves; read once."""
    configuration: Configuration = settings.SENDIT
    keys = load_keys(configuration, history=True)
    rate = RateLimit(configuration.settings.identity_service.rate)
    return Desk(configuration, keys.site, rate)


def answered(view: View) -> View:
    """Let a view be asked by POST only, not too often, and answer each refusal as JSON."""

    @wraps(view)
    def safe(request: HttpRequest, **named: str) -> JsonResponse:
        try:
            if request.method != "POST":
                raise RequestRefused(HTTPStatus.METHOD_NOT_ALLOWED, "Only POST is answered.")
            return view(request, **named)
        except _TooMany as refusal:
            response = _refusal(refusal.status, str(refusal))
            response.headers["Retry-After"] = str(refusal.wait)
            return response
        except RequestRefused as refusal:
            return _refusal(refusal.status, str(refusal))
        except IdentityError as error:
            return _refusal(HTTPStatus.NOT_FOUND, str(error))
        except SenditError as error:
            logger.error("the identity service cannot answer: %s", error.code)
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "The service is out of order.")
        except DatabaseError as error:
            logger.error("the identity service cannot answer: %s", cause_of(error))
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "The database does not answer.")

    return safe


@answered
def uid(request: HttpRequest, *, study: str) -> JsonResponse:
    """Look up, and name whom nobody has named."""
    return _identifiers(request, study, create=True)


@answered
def mrn(request: HttpRequest, *, study: str) -> JsonResponse:
    """Look up only."""
    return _identifiers(request, study, create=False)


@answered
def refresh(request: HttpRequest) -> JsonResponse:
    """Exchange a refresh token for two new tokens."""
    _count(request.META.get("REMOTE_ADDR", ""))
    document = _document(request)
    token = document.get("refreshToken") if isinstance(document, dict) else None
    if not isinstance(token, str):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "refreshToken: is missing, or no text.")
    lifetime = desk().configuration.settings.identity_service.token_lifetime
    new = tokens.exchange(token, now=datetime.now(UTC), lifetime=lifetime)
    if new is None:
        raise RequestRefused(
            HTTPStatus.UNAUTHORIZED, "The refresh token was used, revoked, or is not ours."
        )
    return JsonResponse({"accessToken": new.access, "refreshToken": new.refresh})


def _identifiers(request: HttpRequest, name: str, *, create: bool) -> JsonResponse:
    client = _client(request)
    name = name.lower()
    if name not in (TEST, client.study.lower()):
        raise RequestRefused(HTTPStatus.NOT_FOUND, "This client knows no such study.")
    here = desk()
    study = here.study(name, create=create)
    asked = read_request(_document(request), digests=study.digests)
    known: Sequence[KnownPatient | None]
    if name != TEST:
        known = _from_ledger(study, asked, create=create)
    elif create:
        key = derive(here.site_key, namespace=TEST, purpose="test", own_key=None)
        known = TestNames(key, study.digests).of(asked)
    else:
        known = [None] * len(asked)
    zone = zone_of(here.configuration.settings.identity_service.zone)
    return JsonResponse(answer(asked, known, digests=study.digests, zone=zone))


def _from_ledger(
    study: Study, asked: Sequence[AskedPatient], *, create: bool
) -> Sequence[KnownPatient | None]:
    refuse_closed(study.namespace)
    allocator = Allocator(
        DatabaseLedger(),
        namespace=study.namespace,
        digests=study.digests,
        options=study.options,
    )
    return allocator.allocate(asked) if create else allocator.look_up(asked)


def _client(request: HttpRequest) -> ClientToken:
    address = request.META.get("REMOTE_ADDR", "")
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    client = None
    if kind.lower() == "bearer" and token:
        client = tokens.client_of(token.strip(), now=datetime.now(UTC))
    _count(client.client_id if client else address)
    if client is None:
        raise RequestRefused(
            HTTPStatus.UNAUTHORIZED, "The access token is missing, expired, revoked, or not ours."
        )
    return client


def _count(client: str) -> None:
    wait = desk().rate.wait_seconds(client)
    if wait:
        raise _TooMany(wait)


class _TooMany(RequestRefused):
    def __init__(self, wait: int) -> None:
        super().__init__(HTTPStatus.TOO_MANY_REQUESTS, f"Too many requests; ask again in {wait} s.")
        self.wait = wait


def _document(request: HttpRequest) -> object:
    try:
        return json.loads(request.body)
    except RequestDataTooBig:
        _read_on(request)
        raise RequestRefused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large; send several."
        ) from None
    except (ValueError, RecursionError, UnreadablePostError):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "The body is not JSON.") from None


def _read_on(request: HttpRequest) -> None:
    """Read a body that is refused, within reason: who is still sending hears no answer."""
    with suppress(UnreadablePostError):
        for _ in range(MOST_READ_ON // BLOCK):
            if not request.read(BLOCK):
                return


def _refusal(status: HTTPStatus, message: str) -> JsonResponse:
    response = JsonResponse({"message": message, "code": status.name}, status=status)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = "POST"
    return response


def bad_request(_request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer what Django does not understand."""
    return _refusal(HTTPStatus.BAD_REQUEST, "The request cannot be understood.")


def not_found(_request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer an address that is none."""
    return _refusal(HTTPStatus.NOT_FOUND, "There is no such address.")


def server_error(_request: HttpRequest) -> JsonResponse:
    """Answer what nobody expected."""
    return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "The service failed.")
