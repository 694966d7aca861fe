"""Speak HTTP/1.1 with one server over a few lasting connections, files sent as they are.

The kernel copies a file's bytes into the connection (``sendfile``), so that sending costs
little and memory does not grow with the file.  What goes wrong is told as ``TargetError``,
with the server's address and never with what it said: an answer may repeat what was sent.
"""

import base64
import http.client
import json
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty, LifoQueue
from urllib.parse import urlsplit

from sendit.errors import TargetError, TargetFull, TargetRefused, TargetUnavailable
from sendit.storage.http_body import Body, Flow, length_header, send_body
from sendit.storage.http_options import HttpOptions, tls_context
from sendit.storage.together import Traffic

_MAX_ANSWER = 1 << 26
_RETRYABLE = (408, 425, 429, 500, 502, 503, 504)
_CLOSED = (ConnectionError, ssl.SSLEOFError)
"""What is raised by sending to a server that has closed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said."""

    status: int
    body: bytes = field(repr=False)

    def json(self) -> object:
        """Return the body as JSON.

        Raises
        ------
        ValueError
            When it is none.
        """
        return json.loads(self.body)


class HttpClient:
    """The connections to one server; may be used by several threads."""

    def __init__(self, options: HttpOptions) -> None:
        parts = urlsplit(options.url)
        self._options = options
        self._host = parts.hostname or ""
        self._port = parts.port
        self._path = parts.path
        self._tls = parts.scheme == "https"
        self._context: ssl.SSLContext | None = None
        self._idle: LifoQueue[http.client.HTTPConnection] = LifoQueue()
        self._headers = {"User-Agent": "sendit", "Accept": "application/json"} | _credentials(
            options
        )

    @property
    def url(self) -> str:
        """The server's address."""
        return self._options.url

    @contextmanager
    def connected(self) -> Iterator[None]:
        """While this lasts, connections are kept for the next question; then they are closed."""
        try:
            yield
        finally:
            while not self._idle.empty():
                self._idle.get_nowait().close()

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Body = (),
        headers: Mapping[str, str] | None = None,
        traffic: Traffic | None = None,
        allowed: Sequence[int] = (),
    ) -> Answer:
        """Ask and return the whole answer.

        Parameters
        ----------
        method, path
            The path counts from the address of the options.
        body
            Sent one after the other.
        headers
            Besides, or instead of, those that are always sent.
        traffic
            Told of the bytes that move.
        allowed
            Codes of answers that are no failure to the caller, besides 2xx.

        Raises
        ------
        sendit.errors.TargetUnavailable, sendit.errors.TargetFull
            When trying again later can help.
        sendit.errors.TargetError
            When it cannot.
        """
        with self.stream(
            method, path, body=body, headers=headers, traffic=traffic, allowed=allowed
        ) as response:
            content = response.read(_MAX_ANSWER)
            if response.read(1):
                raise TargetError(f"{self.url} answers with more than {_MAX_ANSWER} bytes.")
            return Answer(response.status, content)

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        body: Body = (),
        headers: Mapping[str, str] | None = None,
        traffic: Traffic | None = None,
        allowed: Sequence[int] = (),
    ) -> Iterator[http.client.HTTPResponse]:
        """Ask, and let the caller read the answer; parameters and errors as ``request``."""
        traffic = traffic or Traffic()
        merged = self._headers | dict(headers or {})
        merged |= length_header(body)
        ask = _Question(method, self._path + path, body, merged)
        with self._failures():
            connection, sock, response = self._answered(ask, traffic)
            try:
                with traffic.using(sock):
                    self._require(response, allowed)
                    yield response
                    traffic.tell(0)
                    response.read()
                    if response.length:  # an answer that ends before its first byte looks empty
                        raise http.client.IncompleteRead(b"", response.length)
            except BaseException:
                connection.close()
                raise
            if not response.will_close:
                self._idle.put(connection)

    def _answered(
        self, ask: "_Question", traffic: Traffic
    ) -> tuple[http.client.HTTPConnection, socket.socket, http.client.HTTPResponse]:
        """Ask over an idle connection, or over a new one when the server closes that just now.

        What flows is asked once.  The socket is told, too: a connection that ends with its answer
        has let go of it.
        """
        if (idle := self._alive()) is not None:
            lost = () if isinstance(ask.body, Flow) else _CLOSED
            with suppress(*lost):
                return idle, idle.sock, _ask(idle, ask, traffic)
        connection = self._connect()
        return connection, connection.sock, _ask(connection, ask, traffic)

    def _alive(self) -> http.client.HTTPConnection | None:
        """Return an idle connection that the server has not closed meanwhile."""
        while True:
            try:
                connection = self._idle.get_nowait()
            except Empty:
                return None
            if connection.sock is not None and _is_quiet(connection.sock):
                return connection
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        timeout = self._options.timeout_seconds
        if self._tls:
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self._host, self._port, timeout=timeout, context=self._tls_context()
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout)
        connection.connect()
        return connection

    def _tls_context(self) -> ssl.SSLContext:
        if self._context is None:
            options = self._options
            try:
                self._context = tls_context(
                    ca_file=options.ca_file,
                    certificate=options.client_certificate,
                    key=options.client_key,
                    password=options.client_key_password.get_secret_value(),
                )
            except OSError as error:
                raise TargetRefused(
                    f"The certificates for {self.url} cannot be used ({_reason(error)}); see "
                    "ca_file, client_certificate and client_key of the target."
                ) from None
        return self._context

    def _require(self, response: http.client.HTTPResponse, allowed: Sequence[int]) -> None:
        """Return if the code of the answer is one that the caller can use."""
        code = response.status
        if 200 <= code < 300 or code in allowed:
            return
        response.close()
        if code == 507:
            raise TargetFull(f"{self.url} has no room left (507). Make room there.")
        if code in _RETRYABLE:
            raise TargetUnavailable(f"{self.url} answered {code}; look into its log.")
        if code in (401, 403):
            raise TargetRefused(
                f"{self.url} refuses our credentials ({code}): they are wrong, have expired or "
                "allow too little. Renew them, then retry the batch."
            )
        if code == 413:
            raise TargetRefused(
                f"{self.url} takes no body of this size (413). Let it take larger ones, or a "
                "proxy before it (nginx: client_max_body_size), then retry the batch."
            )
        if 300 <= code < 400:
            raise TargetError(f"{self.url} has moved ({code}); set the target's url anew.")
        if code in (404, 405):
            raise TargetError(
                f"{self.url} does not know what was asked of it ({code}); check the path in the "
                "target's url."
            )
        raise TargetError(f"{self.url} answered {code}; look into its log, then retry the batch.")

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            raise TargetRefused(
                f"The certificate of {self.url} is not to be trusted ({error.verify_message}); "
                "set the target's ca_file, or renew the server's certificate."
            ) from None
        except TimeoutError:
            raise TargetUnavailable(
                f"{self.url} was silent for {self._options.timeout_seconds} s. See whether the "
                "server gets on; timeout_seconds gives it longer."
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise TargetUnavailable(
                f"{self.url} did not answer ({_reason(error)}). See that the server runs, and "
                "that address and firewall are right."
            ) from None


@dataclass(frozen=True, slots=True)
class _Question:
    method: str
    path: str
    body: Body
    headers: Mapping[str, str]


def _ask(
    connection: http.client.HTTPConnection, ask: _Question, traffic: Traffic
) -> http.client.HTTPResponse:
    try:
        with traffic.using(connection.sock):
            try:
                _send(connection, ask, traffic.tell)
            except _CLOSED:
                # A server that refuses before it has read everything may have said why.
                with suppress(OSError, http.client.HTTPException):
                    return connection.getresponse()
                raise
            return connection.getresponse()
    except BaseException:
        connection.close()
        raise


def _send(
    connection: http.client.HTTPConnection, ask: _Question, tell: Callable[[int], None]
) -> None:
    connection.putrequest(ask.method, ask.path, skip_accept_encoding=True)
    for name, value in ask.headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    send_body(connection, ask.body, tell)


def _is_quiet(sock: socket.socket) -> bool:
    """Say whether nothing has come since the last answer; an end or stray bytes have."""
    timeout = sock.gettimeout()
    sock.setblocking(False)  # noqa: FBT003 - the socket's own signature
    try:
        sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    else:
        return False
    finally:
        sock.settimeout(timeout)


def _credentials(options: HttpOptions) -> dict[str, str]:
    if token := options.token.get_secret_value():
        return {"Authorization": f"Bearer {token}"}
    if options.username:
        pair = f"{options.username}:{options.password.get_secret_value()}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


def _reason(error: Exception) -> str:
    """Return what the system says; not what a server does."""
    told = error.strerror if isinstance(error, OSError) else None
    return told or type(error).__name__
