"""One association with a DICOM peer, asked for by us.

Negotiation is pynetdicom's PDUs; what follows goes over the socket directly, since a file's
bytes need no Dataset and no thread of their own.  TCP_NODELAY, and TCP_QUICKACK before each
receive: small answers would else wait 40 ms for a delayed acknowledgement.

DICOM: PS3.8 9 (Upper Layer protocol), PS3.15 B (Secure Transport Connection).
"""

import select
import socket
import ssl
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Final

from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext

from sendit import __version__
from sendit.errors import TargetError, TargetRefused, TargetUnavailable
from sendit.storage.dicom_commands import DATA_TYPE, NO_DATA, decode_command, encode_command, number
from sendit.storage.together import Traffic

Syntax = tuple[str, str]
"""An abstract syntax (SOP Class) and one transfer syntax."""

MAX_CONTEXTS: Final = 128
"""There are 128 odd numbers below 256 (PS3.8 9.3.2.2)."""
MAX_PDU: Final = 131072
_MAX_RECEIVED = 1 << 22
_MAX_DATA = 1 << 26
_BATCH = 1 << 18
_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_IMPLEMENTATION = "2.25.191734382098245071233620841277361208113"
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError, NotImplementedError, struct.error)


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


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the peer."""

    context_id: int
    command: Mapping[int, bytes]
    data: bytes = field(repr=False)
    """Its data set, unless that went elsewhere."""


class Association:
    """An association that stands; see ``associate``."""

    def __init__(
        self, sock: socket.socket, peer: Peer, *, max_pdu: int, accepted: Mapping[Syntax, int],
        traffic: Traffic,
    ) -> None:  # fmt: skip
        self.peer = peer
        self.accepted = accepted
        """Number of the presentation context of each syntax that the peer takes."""
        self.traffic = traffic
        self._sock = sock
        self._received = bytearray()
        self._payload = min(max_pdu or MAX_PDU, 1 << 20) - 6
        self._message_id = 0

    @property
    def socket(self) -> socket.socket:
        """The connection, for whoever may have to wake it."""
        return self._sock

    def next_message_id(self) -> int:
        """Return a number for the next request."""
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def send(
        self, context_id: int, command: Mapping[int, int | str], data: bytes | None = None
    ) -> None:
        """Send a message, with a small data set or none."""
        with self._failures():
            typed = {**command, DATA_TYPE: NO_DATA if data is None else 0x0000}
            pieces = self._fragments(context_id, encode_command(typed), command=True, last=True)
            if data is not None:
                pieces += self._fragments(context_id, data, command=False, last=True)
            self._sock.sendall(b"".join(pieces))

    def send_file(
        self,
        context_id: int,
        command: Mapping[int, int | str],
        path: Path,
        *,
        start: int,
        size: int,
    ) -> None:
        """Send a message whose data set is the bytes of a file from ``start`` to ``size``."""
        pieces = self._fragments(
            context_id, encode_command({**command, DATA_TYPE: 0x0000}), command=True, last=True
        )
        with _open(path) as stream:
            stream.seek(start)
            left = size - start
            batch = max(_BATCH // self._payload, 1) * self._payload
            while left:
                block = stream.read(min(batch, left))
                if not block:
                    raise TargetError(
                        "A result became shorter while it was sent. Check the disk, then process "
                        "the batch again."
                    )
                left -= len(block)
                pieces += self._fragments(context_id, block, command=False, last=not left)
                with self._failures():
                    self._sock.sendall(b"".join(pieces))
                pieces = []
                self.traffic.tell(len(block))

    def receive(self, sink: Callable[[Mapping[int, bytes], bytes], None] | None = None) -> Message:
        """Return the next message; with ``sink`` its data set goes there, piece by piece.

        Raises
        ------
        sendit.errors.TargetUnavailable
            When the peer ends the association, or is silent for too long.
        """
        head, data = bytearray(), bytearray()
        command: Mapping[int, bytes] | None = None
        while True:
            for context_id, is_command, is_last, fragment in self._data_values():
                if is_command:
                    head += fragment
                    if is_last:
                        command = decode_command(bytes(head))
                elif command is not None and sink is not None:
                    sink(command, fragment)
                else:
                    data += fragment
                if len(data) > _MAX_DATA or len(head) > _MAX_DATA:
                    raise TargetError(f"{self.peer.location} answers with too many bytes.")
                self.traffic.tell(len(fragment))
                whole = command is not None and is_last
                if whole and command and (not is_command or number(command, DATA_TYPE) == NO_DATA):
                    return Message(context_id, command, bytes(data))

    def has_message(self, seconds: float) -> bool:
        """Wait for the peer to send something, for a while, and say whether it has."""
        if self._received or (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending()):
            return True
        return bool(select.select([self._sock], [], [], seconds)[0])

    def release(self) -> None:
        """End the association in good order, and the connection."""
        with suppress(OSError, TargetError):
            self._sock.sendall(struct.pack(">BxII", 5, 4, 0))
            while self._pdu()[0] != 6:
                pass
        self._sock.close()

    def abort(self) -> None:
        """End the association at once."""
        with suppress(OSError):
            self._sock.settimeout(1)
            self._sock.sendall(struct.pack(">BxIxxBB", 7, 4, 0, 0))
        self._sock.close()

    def _fragments(
        self, context_id: int, data: bytes, *, command: bool, last: bool
    ) -> list[bytes | memoryview]:
        """Return P-DATA-TF PDUs with one value each (PS3.8 9.3.5, E.2)."""
        pieces: list[bytes | memoryview] = []
        view, size = memoryview(data), self._payload
        for start in range(0, len(data), size):
            part = view[start : start + size]
            flags = command | ((last and start + size >= len(data)) << 1)
            pieces.append(
                struct.pack(">BxIIBB", 4, len(part) + 6, len(part) + 2, context_id, flags)
            )
            pieces.append(part)
        return pieces

    def _data_values(self) -> Iterator[tuple[int, bool, bool, bytes]]:
        """Read one PDU and return its values: context, whether of a command, whether the last."""
        kind, body = self._pdu()
        if kind == 5:
            with self._failures():
                self._sock.sendall(struct.pack(">BxII", 6, 4, 0))
        if kind != 4:
            raise TargetUnavailable(
                f"{self.peer.location} ended the association; look into its log."
            )
        pos = 0
        while pos + 6 <= len(body):
            length, context_id, flags = struct.unpack_from(">IBB", body, pos)
            yield context_id, bool(flags & 1), bool(flags & 2), body[pos + 6 : pos + 4 + length]
            pos += 4 + max(length, 2)

    def _pdu(self) -> tuple[int, bytes]:
        kind, length = struct.unpack(">BxI", self._read(6))
        if length > _MAX_RECEIVED:
            raise TargetUnavailable(f"{self.peer.location} does not speak DICOM.")
        return kind, self._read(length)

    def _read(self, count: int) -> bytes:
        with self._failures():
            while len(self._received) < count:
                _acknowledge_at_once(self._sock)
                block = self._sock.recv(max(65536, count - len(self._received)))
                if not block:
                    raise ConnectionResetError
                self._received += block
        data = bytes(self._received[:count])
        del self._received[:count]
        return data

    def _failures(self) -> "_Failures":
        return _Failures(self.peer)


@contextmanager
def associate(
    peer: Peer, syntaxes: Sequence[Syntax], *, traffic: Traffic, we_receive: Sequence[str] = ()
) -> Iterator[Association]:
    """Open an association, release it afterwards, and abort it when something went wrong.

    Parameters
    ----------
    syntaxes
        What to propose, each as a presentation context of its own; at most ``MAX_CONTEXTS``.
    we_receive
        SOP Classes for which we also propose the role of the provider.

    Raises
    ------
    sendit.errors.TargetUnavailable, sendit.errors.TargetRefused
        When there is none to be had.
    """
    with opened(peer, syntaxes, traffic=traffic, we_receive=we_receive) as association:
        with traffic.using(association.socket):
            yield association
        association.release()


@contextmanager
def opened(
    peer: Peer, syntaxes: Sequence[Syntax], *, traffic: Traffic, we_receive: Sequence[str] = ()
) -> Iterator[Association]:
    """As ``associate``; whoever opened it also releases it."""
    association = open_association(peer, syntaxes, traffic=traffic, we_receive=we_receive)
    try:
        yield association
    except BaseException:
        association.abort()
        raise


def open_association(
    peer: Peer, syntaxes: Sequence[Syntax], *, traffic: Traffic, we_receive: Sequence[str] = ()
) -> Association:
    """Open an association; whoever calls this ends it."""
    with _Failures(peer):
        sock = _connect(peer)
    try:
        waiting = Association(sock, peer, max_pdu=0, accepted={}, traffic=traffic)
        with traffic.using(sock):
            with _Failures(peer):
                sock.sendall(_request(peer, syntaxes, we_receive))
            kind, body = waiting._pdu()
        max_pdu, accepted = _negotiated(peer, kind, body, syntaxes)
    except BaseException:
        sock.close()
        raise
    return Association(sock, peer, max_pdu=max_pdu, accepted=accepted, traffic=traffic)


class _Failures:
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
                f"{where} was silent for {self._peer.timeout_seconds} s."
            ) from None
        if isinstance(error, OSError):
            reason = error.strerror or "the connection ended"
            raise TargetUnavailable(f"{where} did not answer ({reason}).") from None


def _connect(peer: Peer) -> socket.socket:
    sock = socket.create_connection((peer.host, peer.port), timeout=peer.timeout_seconds)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if peer.tls is not None:
            sock = peer.tls.wrap_socket(sock, server_hostname=peer.server_name or peer.host)
    except BaseException:
        sock.close()
        raise
    return sock


def _request(peer: Peer, syntaxes: Sequence[Syntax], we_receive: Sequence[str]) -> bytes:
    contexts = []
    for position, (abstract, transfer) in enumerate(syntaxes):
        context = PresentationContext()
        context.context_id = 2 * position + 1
        context.abstract_syntax, context.transfer_syntax = abstract, [transfer]
        contexts.append(context)
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    version = ImplementationVersionNameNotification()
    length.maximum_length_received = MAX_PDU
    implementation.implementation_class_uid = _IMPLEMENTATION
    version.implementation_version_name = f"SENDIT_{__version__}"[:16]
    asked = A_ASSOCIATE()
    asked.application_context_name = _APPLICATION_CONTEXT
    asked.calling_ae_title, asked.called_ae_title = peer.calling_ae, peer.called_ae
    asked.presentation_context_definition_list = contexts
    asked.user_information = [length, implementation, version, *map(_role, we_receive)]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(asked)
    return pdu.encode()


def _role(sop_class_uid: str) -> SCP_SCU_RoleSelectionNegotiation:
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid, role.scu_role, role.scp_role = sop_class_uid, False, True
    return role


def _negotiated(
    peer: Peer, kind: int, body: bytes, syntaxes: Sequence[Syntax]
) -> tuple[int, Mapping[Syntax, int]]:
    """Return the largest PDU that the peer takes, and the contexts that it accepts."""
    if kind not in (2, 3):
        raise TargetUnavailable(f"{peer.location} ended the association before it began.")
    raw = struct.pack(">BxI", kind, len(body)) + body
    try:
        if kind == 3:
            refusal = A_ASSOCIATE_RJ()
            refusal.decode(raw)
            no = refusal.to_primitive()
            raise _rejected(peer, no.result or 0, no.result_source or 0, no.diagnostic or 0)
        answer = A_ASSOCIATE_AC()
        answer.decode(raw)
        yes = answer.to_primitive()
        accepted = {
            syntaxes[(context.context_id - 1) // 2]: context.context_id
            for context in yes.presentation_context_definition_results_list
            if context.result == 0 and context.context_id
        }
        return yes.maximum_length_received or 0, accepted
    except _MALFORMED:
        raise TargetUnavailable(f"{peer.location} does not speak DICOM.") from None


def _rejected(peer: Peer, result: int, source: int, diagnostic: int) -> TargetError:
    """Return what an A-ASSOCIATE-RJ means (PS3.8 table 9-21)."""
    if result == 2 or source == 3:
        return Busy(f"{peer.location} takes no association now; it may have too many.")
    match source, diagnostic:
        case 1, 3:
            remedy = f'it does not know our AE title "{peer.calling_ae}"; enter it there'
        case 1, 7:
            remedy = f'its AE title is another than "{peer.called_ae}"; set the target\'s called_ae'
        case _:
            remedy = f"source {source}, reason {diagnostic}; look into its log"
    return TargetRefused(f"{peer.location} rejects our association: {remedy}.")


def _acknowledge_at_once(sock: socket.socket) -> None:
    """Ask for an immediate ACK of what is received next; the kernel forgets it each time."""
    if hasattr(socket, "TCP_QUICKACK"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


@contextmanager
def _open(path: Path) -> Iterator[FileIO]:
    try:
        stream = path.open("rb", buffering=0)
    except OSError as error:
        raise TargetError(
            f"A result cannot be read ({error.strerror}). Check the disk, then retry the batch."
        ) from None
    with stream:
        yield stream
