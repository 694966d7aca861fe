"""A DICOM peer: whom to call, the connection to it, and what goes wrong on that, in words.

TCP_NODELAY, and TCP_QUICKACK before each receive: small answers would else wait 40 ms for a
delayed acknowledgement.

DICOM: PS3.15 B (Secure Transport Connection).
"""

import socket
import ssl
from dataclasses import dataclass, field

from sendit.errors import TargetRefused, TargetUnavailable


class Busy(TargetUnavailable):
    """The peer takes no further association just now."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom to call, and as whom."""

    host: str
    port: int
    called_ae: str
    calling_ae: str
    timeout_seconds: int
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    server_name: str = ""
    """Name that its certificate carries."""

    @property
    def location(self) -> str:
        """Which peer it is, in a line."""
        return f"{self.called_ae} at {self.host}:{self.port}"


def connect(peer: Peer) -> socket.socket:
    """Open a connection, by TLS if the peer wants it; told as it is, see ``Failures``."""
    sock = socket.create_connection((peer.host, peer.port), timeout=peer.timeout_seconds)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if peer.tls is not None:
            sock = peer.tls.wrap_socket(sock, server_hostname=peer.server_name or peer.host)
    except BaseException:
        sock.close()
        raise
    return sock


def acknowledge_at_once(sock: socket.socket) -> None:
    """Ask for an immediate ACK of what is received next; the kernel forgets it each time."""
    if hasattr(socket, "TCP_QUICKACK"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class Failures:
    """Tells what goes wrong on a connection as ``TargetError``."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        where = self._peer.location
        if isinstance(error, ssl.SSLCertVerificationError):
            raise TargetRefused(
                f"The certificate of {where} is not to be trusted ({error.verify_message}); set "
                "the target's ca_file or server_name, or renew the peer's certificate."
            ) from None
        if isinstance(error, TimeoutError):
            raise TargetUnavailable(
                f"{where} was silent for {self._peer.timeout_seconds} s. See whether the peer gets "
                "on; timeout_seconds gives it longer."
            ) from None
        if isinstance(error, OSError):
            reason = error.strerror or "the connection ended"
            raise TargetUnavailable(
                f"{where} did not answer ({reason}). See that the peer runs, and that host, port "
                "and firewall are right."
            ) from None
