"""A proxy before a cloud store that can be away, slow or full: the troubles of a target.

Without a trouble everything goes through as it is, the name of the host included, which S3
signs.  Answers that the emulators never give are given here, in the words of the store.
"""

import http.client
import math
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from urllib.parse import urlsplit

Answer = tuple[int, Mapping[str, str], bytes]
_KEPT_OF = 1 << 18
_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length")


class TroubledStore:
    """The proxy; ``url`` takes the place of the store's."""

    def __init__(self, upstream: str, answers: Mapping[str, Answer]) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._answers = answers
        self._passed = threading.Event()
        self.trouble = ""
        self.asked: list[tuple[str, str]] = []
        """Method and path of every request."""
        self.headers: list[Mapping[str, str]] = []
        """Of every request, by name in lower case."""
        self.changed: Mapping[str, Callable[[Answer], Answer]] = {}
        """Changes answers, by the method or by a part of the path of the question."""
        self.answer_headers: Mapping[str, str] = {}
        """Further headers of answers that are given here."""
        self.times: float = math.inf
        """How many requests the trouble is for."""
        self.skipped = 0
        """How many requests go through before the trouble begins."""
        self.n_kept: int | None = 12
        """Blocks that come before a connection breaks off; None: all of them."""
        self._serve(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @contextmanager
    def troubled(self, trouble: str, *, after: int = 0) -> Iterator[None]:
        self._passed.clear()
        self.trouble, self.skipped = trouble, after
        if trouble == "away":
            self.close()
        yield
        if trouble == "away":
            self._serve(self._port)
        self.trouble = ""
        self._passed.set()

    @contextmanager
    def troubled_for(self, times: int, trouble: str, *, after: int) -> Iterator[None]:
        """Bring so many requests into trouble."""
        self.times = times
        with self.troubled(trouble, after=after):
            yield
        assert self.times == 0
        self.times = math.inf

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, port: int) -> None:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                with suppress(ConnectionError):
                    super().handle_one_request()

            def answer(self) -> None:
                proxy.answer(self)

            do_GET = do_POST = do_DELETE = do_PUT = do_HEAD = do_PATCH = answer

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", port), Handler)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append((request.command, request.path))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        trouble = self.trouble
        if trouble == "breaks off" and "Transfer-Encoding" not in request.headers:
            trouble = ""
        if trouble and self.skipped:
            self.skipped, trouble = self.skipped - 1, ""
        elif trouble and not self.times:
            trouble = ""
        elif trouble:
            self.times -= 1
        if trouble in ("drops connections", "breaks off"):
            self._take_half(request, is_kept=trouble == "breaks off")
            request.connection.shutdown(socket.SHUT_RDWR)
            request.close_connection = True
            return
        body = _body(request)
        if body is None:  # whoever asked broke off; the store would wait for the rest
            request.close_connection = True
            return
        if trouble == "slow":
            self._passed.wait(10)
            request.close_connection = True
        elif trouble == "cuts answers":
            status, headers, content = self._ask(request, body)
            headers = {"Content-Length": str(len(content)), **headers}
            _reply(request, (status, headers, b""))
            request.close_connection = True
        elif trouble == "loses answers":
            self._ask(request, body)
            request.connection.shutdown(socket.SHUT_RDWR)
            request.close_connection = True
        elif trouble in self._answers:
            status, headers, content = self._answers[trouble]
            _reply(request, (status, {**headers, **self.answer_headers}, content))
        else:
            answer = self._ask(request, body)
            for part, change in self.changed.items():
                if part == request.command or part in request.path:
                    answer = change(answer)
            _reply(request, answer)

    def _take_half(self, request: BaseHTTPRequestHandler, *, is_kept: bool) -> None:
        """Read half of a body, of one that flows some blocks.

        What Google gets before a connection breaks it keeps, as far as it comes to multiples of
        256 KiB; the emulators keep nothing, or take it for the whole, so they are told its length.
        """
        if "Transfer-Encoding" in request.headers:
            half = b"".join(islice(_chunks(request), self.n_kept))
            half = half[: len(half) // _KEPT_OF * _KEPT_OF]
        else:
            half = request.rfile.read(int(request.headers.get("Content-Length", 0)) // 2)
        if is_kept:
            start = int(request.headers["Content-Range"].split()[1].partition("-")[0])
            request.headers.replace_header(
                "Content-Range", f"bytes {start}-{start + len(half) - 1}/*"
            )
            assert self._ask(request, half)[0] == 308

    def _ask(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        connection = http.client.HTTPConnection(self._upstream, timeout=30)
        try:
            connection.putrequest(
                request.command, request.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in request.headers.items():
                is_length = name.lower() in ("transfer-encoding", "content-length")
                connection.putheader(
                    *(("Content-Length", len(body)) if is_length else (name, value))
                )
            connection.endheaders()
            if body:
                connection.send(body)
            answer = connection.getresponse()
            headers = {k: v for k, v in answer.getheaders() if k.lower() not in _HOP}
            content = answer.read()
            if request.command == "HEAD":
                headers["Content-Length"] = answer.getheader("Content-Length", "0")
            return answer.status, headers, content
        finally:
            connection.close()


def _body(request: BaseHTTPRequestHandler) -> bytes | None:
    """Return a whole body; None when it ends too early."""
    if "Transfer-Encoding" in request.headers:
        chunks = list(_chunks(request))
        return b"".join(chunks) if chunks and not chunks[-1] else None
    length = int(request.headers.get("Content-Length", 0))
    body = request.rfile.read(length)
    return body if len(body) == length else None


def _chunks(request: BaseHTTPRequestHandler) -> Iterator[bytes]:
    """Return what flows (RFC 9112, 7.1), an empty chunk at the end."""
    while line := request.rfile.readline().strip():
        chunk = request.rfile.read(int(line, 16))
        request.rfile.readline()
        yield chunk
        if not chunk:
            return


def _reply(request: BaseHTTPRequestHandler, answer: Answer) -> None:
    status, headers, body = answer
    request.send_response_only(status)
    for name, value in headers.items():
        request.send_header(name, value)
    if status != 204 and "Content-Length" not in headers:
        request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)
