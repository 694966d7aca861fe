"""What is sent in a request: bytes, files as they are, or bytes of which nobody knows how many."""

import http.client
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from sendit.errors import TargetError

_BLOCK = 1 << 22
_SMALL = 1 << 16
"""Less than this is sent together with what follows."""

Tell = Callable[[int], None]
"""Is told how many bytes went out."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """Bytes of a body that are in a file."""

    path: Path = field(repr=False)
    size: int


@dataclass(frozen=True, slots=True)
class Flow:
    """A body whose length nobody knows before: it goes in chunks (RFC 9112, 7.1), and once."""

    blocks: Iterator[bytes] = field(repr=False)


Parts = Sequence[bytes | FilePart]
Body = Parts | Flow


def length_header(body: Body) -> Mapping[str, str]:
    """Return the header that says where a body ends."""
    if isinstance(body, Flow):
        return {"Transfer-Encoding": "chunked"}
    sizes = (len(part) if isinstance(part, bytes) else part.size for part in body)
    return {"Content-Length": str(sum(sizes))}


def send_body(connection: http.client.HTTPConnection, body: Body, tell: Tell) -> None:
    """Send a body behind its headers.

    Raises
    ------
    sendit.errors.TargetError
        When a file cannot be read, or became shorter meanwhile.
    """
    if isinstance(body, Flow):
        _send_chunks(connection, body, tell)
    else:
        _send_parts(connection, body, tell)


def _send_chunks(connection: http.client.HTTPConnection, flow: Flow, tell: Tell) -> None:
    end = b""
    for block in flow.blocks:
        if block:
            connection.send(end + b"%X\r\n" % len(block))
            connection.send(block)
            tell(len(block))
            end = b"\r\n"
    connection.send(end + b"0\r\n\r\n")


def _send_parts(connection: http.client.HTTPConnection, parts: Parts, tell: Tell) -> None:
    small: list[bytes] = []
    for part in parts:
        if isinstance(part, bytes) and len(part) < _SMALL:
            small.append(part)
            continue
        if small:
            connection.send(b"".join(small))
            small.clear()
        if isinstance(part, bytes):
            connection.send(part)
            tell(len(part))
        else:
            _send_file(connection.sock, part, tell)
    if small:
        connection.send(b"".join(small))


def _send_file(sock: socket.socket, part: FilePart, tell: Tell) -> None:
    """Send a file's bytes, as many as were announced."""
    try:
        stream = part.path.open("rb")
    except OSError as error:
        raise TargetError(
            f"A result cannot be read ({error.strerror}). Check the disk, then retry the batch."
        ) from None
    with stream:
        offset = 0
        while offset < part.size:
            sent = sock.sendfile(stream, offset, min(_BLOCK, part.size - offset))
            if not sent:
                _shorter()
            offset += sent
            tell(sent)


def _shorter() -> NoReturn:
    raise TargetError(
        "A result became shorter while it was sent. Check the disk, then process the batch again."
    )
