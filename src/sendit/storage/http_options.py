"""What targets that are spoken to by HTTP have in common in their tables."""

import ssl
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, SecretStr, Strict, model_validator
from pydantic_core import PydanticCustomError

from sendit.storage.base import LocalPath


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not text.isascii() or any(c.isspace() for c in text):
        raise PydanticCustomError("url", "is not an address; allowed: http://… or https://…")
    if parts.query or parts.fragment:
        raise PydanticCustomError("url", "holds a ? or #; allowed: an address without them")
    if parts.username or parts.password:
        raise PydanticCustomError(
            "url", "holds a user or a password; give them as username and password"
        )
    return text.rstrip("/")


Url = Annotated[str, AfterValidator(_url)]
OptionalUrl = Annotated[str, AfterValidator(lambda text: text and _url(text))]
"""As ``Url``, or nothing."""
Seconds = Annotated[int, Strict(), Field(ge=1, le=3600)]
Connections = Annotated[int, Strict(), Field(ge=1, le=32)]


class HttpOptions(BaseModel, extra="forbid", frozen=True):
    """Options of targets that are spoken to by HTTP."""

    url: Url
    """Address of the server, `http://…` or `https://…`, with the path below which it answers."""
    username: str = ""
    """User, by HTTP basic authentication; none: without."""
    password: SecretStr = SecretStr("")
    """Password of that user."""
    token: SecretStr = SecretStr("")
    """Bearer token, instead of a user and a password."""
    ca_file: LocalPath | None = None
    """Certificates (PEM) of the authorities that may vouch for the server; none: the system's."""
    client_certificate: LocalPath | None = None
    """Our own certificate (PEM), if the server asks for one."""
    client_key: LocalPath | None = None
    """Its private key (PEM); none: it is in the same file."""
    client_key_password: SecretStr = SecretStr("")
    """What the private key is encrypted with."""
    connections: Connections = 4
    """Connections at one time, 1 to 32."""
    timeout_seconds: Seconds = 120
    """How long the server may be silent, in seconds."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.token.get_secret_value() and self.username:
            raise PydanticCustomError("token", "token and username exclude each other")
        if self.password.get_secret_value() and not self.username:
            raise PydanticCustomError("password", "a password needs a username")
        if not self.url.startswith("https:") and (self.client_certificate or self.ca_file):
            raise PydanticCustomError("tls", "certificates need an address with https://")
        return self


def tls_context(
    *, ca_file: Path | None, certificate: Path | None, key: Path | None, password: str
) -> ssl.SSLContext:
    """Return how to speak TLS: 1.2 or newer, the peer's certificate and name always checked.

    Raises
    ------
    OSError
        When a file cannot be read or is not what it should be.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        # Without a function OpenSSL would ask at the terminal for a password that is missing.
        context.load_cert_chain(certificate, key, password=lambda: password)
    return context
