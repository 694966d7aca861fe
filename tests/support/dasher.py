"""A DASHER service on the loopback, as the public facts about it describe it.

The real one is reachable only from inside Stanford's network, so this stands in for it: a
real HTTP server that answers in the published shapes, keeps tokens, and can be told to
misbehave.  It shares no code with the product.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import SSLContext
from typing import Any

JITTER = -19
ACCESS, REFRESH = "access-1", "refresh-1"


@dataclass
class Reply:
    """What is sent instead of the usual answer."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0
    """Silence before it."""


@dataclass
class Dasher:
    """The service, as a test sees it."""

    url: str = ""
    """Base of the identifiers, without the version."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    """Every document that came with a good token."""
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    refreshes: list[dict[str, Any]] = field(default_factory=list)
    access: str = ACCESS
    refresh: str = REFRESH
    instead: list[Reply | None] = field(default_factory=list)
    """Replies to the next calls, in order; None: the usual answer."""
    change: Callable[[dict[str, Any]], Any] = lambda answer: answer
    """Applied to every usual answer."""
    shift: int = JITTER
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)
    _suids: dict[tuple[str, ...], str] = field(default_factory=dict)

    @property
    def token_uri(self) -> str:
        return self.url.replace("/identifiers/api", "/token/api/v1/refresh")

    def write_secrets(self, path: Path, *, access: str = ACCESS, refresh: str = REFRESH) -> Path:
        """Write the client's secrets file."""
        path.touch(0o600)
        path.write_text(
            json.dumps(
                {
                    "accessToken": access,
                    "refreshToken": refresh,
                    "client_id": "sendit",
                    "token_uri": self.token_uri,
                }
            )
        )
        path.chmod(0o600)
        return path

    def expire(self) -> None:
        """Let the access token be a day old."""
        self.access = "expired"

    def answer(self, document: dict[str, Any]) -> Any:
        results = []
        for entity in document["identifiers"]:
            key = (entity["id_source"], entity["id"])
            result = self._named(entity, key)
            result["items"] = [
                self._named(item, (*key, item["id_source"], item["id"])) for item in entity["items"]
            ]
            results.append(result)
        return self.change({"results": results})

    def _named(self, thing: dict[str, Any], key: tuple[str, ...]) -> dict[str, Any]:
        suid = self._suids.setdefault(
            tuple(map(str.casefold, key)), f"IR{len(self._suids) + 0x10F5:x}"
        )
        answer = {
            "id": thing["id"],
            "id_source": thing["id_source"],
            "suid": suid,
            "jitter": self.shift,
        }
        if "id_timestamp" in thing:
            then = datetime.fromisoformat(thing["id_timestamp"].replace("Z", "+00:00"))
            moved = then + timedelta(days=self.shift)
            answer["jittered_timestamp"] = f"{moved:%Y-%m-%dT%H:%M:%S}-0800"
        return answer

    def rotate(self, document: dict[str, Any]) -> Reply:
        with self.lock:
            self.refreshes.append(document)
            if document.get("refreshToken") != self.refresh:
                return Reply(401, b'{"message": "no"}')
            number = len(self.refreshes) + 1
            self.access, self.refresh = f"access-{number}", f"refresh-{number}"
            tokens = {"accessToken": self.access, "refreshToken": self.refresh}
            return Reply(body=json.dumps(tokens).encode())

    def reply(self, path: str, headers: dict[str, str], document: dict[str, Any]) -> Reply:
        if path == "/token/api/v1/refresh":
            return self.rotate(document)
        with self.lock:
            instead = self.instead.pop(0) if self.instead else None
            if instead is not None:
                return instead
            if headers.get("Authorization") != f"Bearer {self.access}":
                return Reply(401, b'{"message": "expired"}')
            self.paths.append(path)
            self.headers.append(headers)
            self.asked.append(document)
            return Reply(body=json.dumps(self.answer(document)).encode())


@contextmanager
def dasher(*, tls: SSLContext | None = None) -> Iterator[Dasher]:
    """Run the service until the block ends."""
    service = Dasher()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reply = service.reply(self.path, dict(self.headers), document)
            if reply.seconds and service.over.wait(reply.seconds):
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    service.url = f"{scheme}://localhost:{server.server_address[1]}/identifiers/api"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        service.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
