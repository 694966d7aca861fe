"""One JSON document there, one back: over TLS, without redirects, proxies or a cookie.

Identifiers go to the host that is configured and to no other, so a redirect is an answer
like any other refusal.  Plain HTTP is for the loopback, where ``sendit identity serve`` is.
What was sent or answered never stands in a message.
"""

import http.client
import ipaddress
import json
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from sendit.errors import IdentityError, IdentityUnavailable

MAX_ANSWER = 64 * 2**20
"""Bytes; a longer answer is none of a service that answers for one batch."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes = field(repr=False)
    retry_after: str = ""

    def document(self) -> object:
        """Return the JSON document.

        Raises
        ------
        sendit.errors.IdentityError
            When it is none: a proxy's page, most often.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise IdentityError(
                "The identity service's answer is not JSON; most often it is the page of a proxy "
                "or of a VPN that wants a login. Ask for the service's address in a browser on "
                "this machine, mend the way to it, then retry the batch."
            ) from None


@dataclass(frozen=True, slots=True)
class Line:
    """How the service is reached."""

    timeout: float
    """Seconds without a sign of life after which a call is given up."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""

    def post(self, url: str, document: object, *, headers: Mapping[str, str]) -> Answer:
        """Send a document and return the answer.

        Raises
        ------
        sendit.errors.IdentityUnavailable
            When there was none.
        """
        parts = urlsplit(url)
        connection = self._connection(parts.scheme, parts.hostname or "", parts.port)
        try:
            connection.request(
                "POST",
                parts.path,
                body=json.dumps(document).encode(),
                headers={
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                    **headers,
                },
            )
            response = connection.getresponse()
            body = response.read(MAX_ANSWER + 1)
        except TimeoutError:
            raise IdentityUnavailable(
                f"The identity service did not answer within {self.timeout:g} s."
            ) from None
        except ssl.SSLCertVerificationError:
            raise IdentityError(
                "The identity service's certificate is not one that this machine trusts. Name the "
                "authority's certificate in identity.ca_file."
            ) from None
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise IdentityUnavailable(
                f"The identity service could not be reached ({why}). See that it runs, and that "
                "identity.url and firewall are right."
            ) from None
        finally:
            connection.close()
        if len(body) > MAX_ANSWER:
            raise IdentityError("The identity service's answer is too long to be one.")
        return Answer(response.status, body, response.headers.get("Retry-After", ""))

    def _connection(self, scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
        if scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self.timeout)
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError):
            raise IdentityError(
                f"{self.ca_file} cannot be read as certificates (identity.ca_file)."
            ) from None
        return http.client.HTTPSConnection(host, port, timeout=self.timeout, context=context)


def require_safe(url: str) -> str:
    """Return an address that identifiers may be sent to.

    Raises
    ------
    ValueError
        Unless it is ``https://``, or ``http://`` on the loopback.
    """
    parts = urlsplit(url)
    try:
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or parts.query or parts.fragment or parts.username or not url.isprintable():
        raise ValueError("is not an address; allowed: https://HOST/PATH")
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        return url.rstrip("/")
    raise ValueError("is not encrypted; allowed: https://, or http:// on this very machine")


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _url(url: str) -> str:
    try:
        return require_safe(url)
    except ValueError as error:
        raise PydanticCustomError("url", "{why}", {"why": str(error)}) from None


ServiceUrl = Annotated[str, AfterValidator(_url)]
"""An address that identifiers may be sent to, without a slash at its end."""
