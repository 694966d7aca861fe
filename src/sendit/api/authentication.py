"""``Authorization: Bearer TOKEN``, and what the bearer may do."""

from datetime import UTC, datetime

from django.contrib.auth.models import User
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from sendit.records.access import Access, access_of, find_token
from sendit.records.people import ApiToken

_SCHEME = b"bearer"


class BearerAuthentication(BaseAuthentication):
    """Lets in whoever shows a token that is good."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return the token and its owner; None when no token is shown."""
        scheme, _, text = get_authorization_header(request).partition(b" ")
        if scheme.lower() != _SCHEME:
            return None
        token = find_token(text.decode("latin-1").strip(), now=datetime.now(UTC))
        if token is None:
            raise AuthenticationFailed(
                "This token is not good: it is unknown, has expired or was revoked."
            )
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """Return how to ask for a token."""
        del request
        return 'Bearer realm="sendit"'


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped there
    """How the description of the API calls it."""

    target_class = BearerAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """Return the scheme."""
        del auto_schema
        return {"type": "http", "scheme": "bearer"}


def access(request: Request) -> Access:
    """Return what whoever asks may do."""
    token = request.auth if isinstance(request.auth, ApiToken) else None
    return access_of(request.user, token)
