"""Asks a provider (OpenID Connect) who somebody is: authorization code, PKCE, state and nonce.

Authlib builds the requests, keeps state, nonce and verifier in the session, and uses each
once.  What it would leave to the provider is settled here: the issuer is the configured one,
the audience is us, the token is signed with a public key, and every address is encrypted or on
the loopback.  Nothing is kept between two sign-ins, so a provider's new keys count at once.

Imported only when ``[oidc]`` is configured: its packages are an extra.

OpenID Connect Core 1.0, 3.1 (code flow) and 3.1.3.7 (validation); Discovery 1.0, 4; RFC 7636.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any  # what a provider answers may be anything

from authlib.integrations.base_client import OAuthError
from authlib.integrations.django_client import DjangoIntegration, DjangoOAuth2App
from authlib.integrations.requests_client import OAuth2Session
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from joserfc.errors import JoseError
from requests.exceptions import RequestException, SSLError

from sendit.config.oidc import Oidc
from sendit.errors import SignInRefused
from sendit.identity.http_json import require_safe

SIGNATURES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Made with a private key; never ``none``, and none that is checked with our own secret."""
SECONDS = 10
LEEWAY_SECONDS = 60
"""How far two clocks may be apart."""
_NAME = "provider"
_ADDRESSES = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider has let in."""

    issuer: str
    subject: str
    name: str
    groups: frozenset[str] = field(repr=False)


def send_there(request: HttpRequest, oidc: Oidc, *, back: str) -> HttpResponseBase:
    """Send a browser to the provider, which sends it on to ``back``.

    Raises
    ------
    sendit.errors.SignInRefused
        When the provider does not answer, or cannot be trusted.
    """
    try:
        answer: HttpResponseBase = _client(oidc).authorize_redirect(request, back)
    except _FAULTS as error:
        raise SignInRefused(_why(error)) from None
    return answer


def who_came_back(request: HttpRequest, oidc: Oidc) -> Person:
    """Return who somebody is whom the provider has sent back.

    Raises
    ------
    sendit.errors.SignInRefused
        When it does not say so, or cannot be trusted.
    """
    client = _client(oidc)
    try:
        issuer = client.load_server_metadata()["issuer"]
        options = {
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": oidc.client_id},
            "sub": {"essential": True},
            "nonce": {"essential": True},
        }
        token = client.authorize_access_token(
            request, claims_options=options, leeway=LEEWAY_SECONDS
        )
        claims = token.get("userinfo")
    except _FAULTS as error:
        raise SignInRefused(_why(error)) from None
    if not claims:
        raise SignInRefused("The provider's answer holds no id token.")
    return _person(issuer, claims, oidc)


_FAULTS = (
    RequestException,
    OAuthError,
    JoseError,
    SignInRefused,
    # What a document of another shape than agreed leads to within the packages.
    AttributeError,
    KeyError,
    RuntimeError,
    TypeError,
    ValueError,
)


class _Session(OAuth2Session):  # type: ignore[misc]  # untyped there
    """Trusts whom the configuration names, whatever ``REQUESTS_CA_BUNDLE`` says."""

    def request(self, method: str, url: str, **kwargs: Any) -> Any:
        return super().request(method, url, **{"verify": self.verify, **kwargs})


class _Client(DjangoOAuth2App):  # type: ignore[misc]  # untyped there
    """Takes of what a provider says about itself only what is needed, and only if it is safe."""

    client_cls = _Session
    server_metadata: dict[str, Any]
    expected_issuer: str | None = None

    def load_server_metadata(self) -> dict[str, Any]:
        if "_loaded_at" in self.server_metadata:
            return self.server_metadata
        told = super().load_server_metadata()
        issuer = told.get("issuer")
        if not isinstance(issuer, str) or issuer.rstrip("/") != self.expected_issuer:
            raise SignInRefused("The provider calls itself by another issuer than the configured.")
        for name in _ADDRESSES:
            try:
                require_safe(str(told.get(name, "")).partition("?")[0])
            except ValueError as error:
                raise SignInRefused(f"The provider's {name} {error}.") from None
        offered = told.get("id_token_signing_alg_values_supported") or ["RS256"]
        methods = told.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        basic = "client_secret_basic" in methods
        self.server_metadata = {
            "_loaded_at": told["_loaded_at"],
            "issuer": issuer,
            **{name: told[name] for name in _ADDRESSES},
            "id_token_signing_alg_values_supported": [
                name for name in SIGNATURES if name in offered
            ],
            "token_endpoint_auth_method": (
                "client_secret_basic" if basic else "client_secret_post"
            ),
        }
        return self.server_metadata


def _client(oidc: Oidc) -> Any:
    """Return what talks to the provider; it knows nothing yet."""
    secret = oidc.client_secret
    client = _Client(
        DjangoIntegration(_NAME),
        _NAME,
        client_id=oidc.client_id,
        client_secret=secret.get_secret_value() if secret else None,
        server_metadata_url=f"{oidc.issuer}/.well-known/openid-configuration",
        client_kwargs={
            "scope": " ".join(oidc.scopes),
            "code_challenge_method": "S256",
            "default_timeout": SECONDS,
            # An answer that leads elsewhere is not one: the secret goes where it was meant to.
            "max_redirects": 0,
            "verify": str(oidc.ca_file) if oidc.ca_file else True,
        },
    )
    client.expected_issuer = oidc.issuer
    return client


def _person(issuer: str, claims: Mapping[str, Any], oidc: Oidc) -> Person:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not (
        subject.isprintable() and 1 <= len(subject) <= _LONGEST
    ):
        raise SignInRefused("The provider's id token does not say who it is about.")
    name = claims.get(oidc.name_claim)
    groups = claims.get(oidc.groups_claim)
    if isinstance(groups, str):
        groups = [groups]
    if not isinstance(groups, list):
        groups = []
    return Person(
        issuer=issuer,
        subject=subject,
        name=name if isinstance(name, str) else "",
        groups=frozenset(group for group in groups if isinstance(group, str)),
    )


def _why(error: Exception) -> str:
    """Return what is wrong in words of ours; what the provider wrote is not repeated."""
    if isinstance(error, SignInRefused):
        return str(error)
    if isinstance(error, json.JSONDecodeError):
        return "The provider's answer is not JSON; oidc.issuer may be wrong."
    if isinstance(error, SSLError):
        return (
            "The provider's certificate is not one that this machine trusts; an admin names the "
            "authority's certificate in oidc.ca_file."
        )
    if isinstance(error, RequestException):
        return "The provider could not be reached, or refused; try again later."
    if isinstance(error, OAuthError):
        return _REFUSALS.get(str(error.error), "The provider did not let you in.")
    return "The provider's answer cannot be trusted, so nobody was let in; try again."


_REFUSALS = {
    "access_denied": "The provider did not let you in, or you have said no there.",
    "mismatching_state": "This sign-in was begun in another browser or too long ago; try again.",
    "invalid_client": "The provider does not know sendit; an admin looks at oidc.client_secret.",
    "temporarily_unavailable": "The provider is not available; try again later.",
}
