"""A receiver that keeps nothing: takes ``POST /instances`` and STOW-RS and says it was stored.

Runs as a program of its own (``python -m benchmarks.null_http``) and prints its port.  It reads
every byte, and of each part of STOW-RS the UID that its answer must name; both senders that are
compared pay for the same receiver.
"""

import json
import selectors
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

Sender = TypeVar("Sender")

BLOCK = 1 << 20
UID_ELEMENT = b"\x02\x00\x03\x00UI"


@dataclass(slots=True)
class Caller:
    """One connection and what has come of its request."""

    sock: socket.socket
    head: bytearray = field(default_factory=bytearray)
    left: int = 0
    asked: str = ""
    """The first line of the request."""
    parts: bytearray = field(default_factory=bytearray)


def main() -> int:
    """Serve until killed."""
    return serve(Caller, take)


def serve(
    make: Callable[[socket.socket], Sender], take: Callable[[Sender, memoryview], None]
) -> int:
    """Listen on a port, which is printed, and take what each caller sends, block by block."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    waiting = selectors.DefaultSelector()
    waiting.register(listener, selectors.EVENT_READ)
    buffer = memoryview(bytearray(BLOCK))
    while True:
        for key, _ in waiting.select():
            if key.fileobj is listener:
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                waiting.register(sock, selectors.EVENT_READ, (sock, make(sock)))
                continue
            sock, caller = key.data
            try:
                count = sock.recv_into(buffer)
            except ConnectionError:
                count = 0
            if not count:
                waiting.unregister(sock)
                sock.close()
                continue
            take(caller, buffer[:count])


def take(caller: Caller, block: memoryview) -> None:
    """Take what came; answer when a request is whole."""
    if not caller.left:
        caller.head += block
        end = caller.head.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(caller.head[:end]).lower()
        block = memoryview(bytes(caller.head[end + 4 :]))
        caller.head.clear()
        caller.parts.clear()
        caller.asked = head.partition(b"\r\n")[0].decode()
        caller.left = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if not caller.left:
            answer(caller, b"[]")
            return
    caller.left -= len(block)
    is_stow = "/studies" in caller.asked
    if is_stow:
        caller.parts += block
    if caller.left:
        return
    if is_stow:
        answer(caller, told(caller.parts))
    else:
        stored = b'{"ID": "0", "Status": "Success"}'
        answer(caller, stored if "/instances" in caller.asked else b"[]")


def told(parts: bytearray) -> bytes:
    """Return the answer to STOW-RS (PS3.18 I.2.2) for the instances in a body."""
    stored = []
    pos = parts.find(UID_ELEMENT)
    while pos >= 0:
        length = int.from_bytes(parts[pos + 6 : pos + 8], "little")
        uid = parts[pos + 8 : pos + 8 + length].decode().rstrip("\0")
        stored.append({"00081155": {"vr": "UI", "Value": [uid]}})
        pos = parts.find(UID_ELEMENT, pos + 500_000)
    return json.dumps({"00081199": {"vr": "SQ", "Value": stored}}).encode()


def answer(caller: Caller, body: bytes) -> None:
    """Answer with 200."""
    caller.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


if __name__ == "__main__":
    sys.exit(main())
