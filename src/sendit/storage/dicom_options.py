"""The table of a target that is spoken to by DICOM's own protocol.

DICOM: PS3.5 6.2 (AE), PS3.15 B.9 (BCP 195 TLS).
"""

import ssl
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, SecretStr, Strict, model_validator
from pydantic_core import PydanticCustomError

from sendit.errors import TargetRefused
from sendit.storage.base import LocalPath
from sendit.storage.dicom_peer import Peer
from sendit.storage.http_options import tls_context


def _ae_title(text: str) -> str:
    usable = text.isascii() and text.isprintable() and "\\" not in text
    if not usable or not 1 <= len(text.strip()) <= 16:
        raise PydanticCustomError(
            "ae", "is not an AE title; allowed: 1 to 16 ASCII characters, no backslash"
        )
    return text.strip()


AeTitle = Annotated[str, AfterValidator(_ae_title)]
Port = Annotated[int, Strict(), Field(ge=1, le=65535)]
Seconds = Annotated[int, Strict(), Field(ge=1, le=3600)]


class DicomOptions(BaseModel, extra="forbid", frozen=True):
    """Options of ``kind = "dicom"``."""

    host: Annotated[str, Field(min_length=1)]
    """Name or address of the peer."""
    port: Port
    """Its port."""
    called_ae: AeTitle
    """Its AE title."""
    calling_ae: AeTitle = "SENDIT"
    """Our AE title."""
    proof: Literal["auto", "commitment", "find", "retrieve"] = "auto"
    """How it is proven that the peer has an instance. `commitment`: by Storage Commitment;
    `find`: by C-FIND at the level of images; `retrieve`: by C-GET and comparing every data set,
    the only one that proves content; `auto`: `commitment` if there is a `listen_port` and the
    peer knows it, else `find`."""
    decompress: Annotated[bool, Strict()] = False
    """Whether compressed images go decompressed when the peer does not take them as they are."""
    listen_port: Port | None = None
    """Where we listen for what the peer reports on Storage Commitment; none: such reports come
    on the association on which we asked, or not at all."""
    listen_host: str = ""
    """Address to listen at; none: all."""
    commitment_seconds: Seconds = 30
    """How long to wait for such a report before asking again, later, in seconds."""
    connections: Annotated[int, Strict(), Field(ge=1, le=32)] = 4
    """Associations at one time, 1 to 32; fewer when the peer takes no more."""
    timeout_seconds: Seconds = 60
    """How long the peer may be silent, in seconds."""
    tls: Annotated[bool, Strict()] = False
    """Whether to speak TLS."""
    server_name: str = ""
    """Name that the peer's certificate carries, if another than `host`."""
    ca_file: LocalPath | None = None
    """Certificates (PEM) of the authorities that may vouch for the peer; none: the system's."""
    client_certificate: LocalPath | None = None
    """Our own certificate (PEM), also of the listener."""
    client_key: LocalPath | None = None
    """Its private key (PEM); none: it is in the same file."""
    client_key_password: SecretStr = SecretStr("")
    """What the private key is encrypted with."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.tls and (self.ca_file or self.client_certificate or self.server_name):
            raise PydanticCustomError("tls", "certificates and names of them need tls = true")
        if self.decompress and self.proof == "retrieve":
            raise PydanticCustomError(
                "decompress", "what is decompressed on the way is other than what would come back"
            )
        if self.tls and self.listen_port and not self.client_certificate:
            raise PydanticCustomError("tls", "a listener with tls needs a client_certificate")
        return self


def peer_of(options: DicomOptions) -> Peer:
    """Return whom to call, and how.

    Raises
    ------
    sendit.errors.TargetRefused
        When a certificate cannot be used.
    """
    return Peer(
        host=options.host,
        port=options.port,
        called_ae=options.called_ae,
        calling_ae=options.calling_ae,
        timeout_seconds=options.timeout_seconds,
        tls=_context(options) if options.tls else None,
        server_name=options.server_name,
    )


def listener_context(options: DicomOptions) -> ssl.SSLContext | None:
    """Return how the listener speaks TLS, if it does: it asks callers for a certificate."""
    if not options.tls or options.client_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=options.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(
        options.client_certificate,
        options.client_key,
        password=options.client_key_password.get_secret_value,
    )
    return context


def _context(options: DicomOptions) -> ssl.SSLContext:
    try:
        return tls_context(
            ca_file=options.ca_file,
            certificate=options.client_certificate,
            key=options.client_key,
            password=options.client_key_password.get_secret_value(),
        )
    except OSError as error:
        raise TargetRefused(
            f"The certificates for {options.host} cannot be used ({error.strerror or 'not PEM'}); "
            "see ca_file, client_certificate and client_key of the target."
        ) from None
