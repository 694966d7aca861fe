"""One association with a DICOM peer, asked for by us.

What is agreed on at its begin is ``dicom_negotiation``'s, the connection ``dicom_peer``'s.
What follows goes over the socket directly, since a file's bytes need no Dataset and no thread
of their own.

DICOM: PS3.8 9 (Upper Layer protocol).
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

from sendit.errors import TargetError, TargetUnavailable
from sendit.storage.dicom_commands import DATA_TYPE, NO_DATA, decode_command, encode_command, number
from sendit.storage.dicom_negotiation import MAX_PDU, Syntax, negotiated, request
from sendit.storage.dicom_peer import Failures, Peer, acknowledge_at_once, connect
from sendit.storage.together import Traffic

_MAX_RECEIVED = 1 << 22
_MAX_DATA = 1 << 26
_BATCH = 1 << 18


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
                acknowledge_at_once(self._sock)
                block = self._sock.recv(max(65536, count - len(self._received)))
                if not block:
                    raise ConnectionResetError
                self._received += block
        data = bytes(self._received[:count])
        del self._received[:count]
        return data

    def _failures(self) -> Failures:
        return Failures(self.peer)


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
    with Failures(peer):
        sock = connect(peer)
    try:
        waiting = Association(sock, peer, max_pdu=0, accepted={}, traffic=traffic)
        with traffic.using(sock):
            with Failures(peer):
                sock.sendall(request(peer, syntaxes, we_receive))
            kind, body = waiting._pdu()
        max_pdu, accepted = negotiated(peer, kind, body, syntaxes)
    except BaseException:
        sock.close()
        raise
    return Association(sock, peer, max_pdu=max_pdu, accepted=accepted, traffic=traffic)


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
