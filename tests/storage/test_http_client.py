"""One server, asked over lasting connections; what plug-ins do with it is in their tests."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sendit.errors import TargetRefused
from sendit.storage.http_body import Flow
from sendit.storage.http_client import HttpClient
from sendit.storage.http_options import HttpOptions
from sendit.storage.together import Stopped, Traffic
from tests.support.certificates import Authority

BLOCKS = [bytes(1 << 19)] * 64


@pytest.fixture
def url() -> Iterator[str]:
    """Return the address of a server that closes after an answer, of which it sends the half."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            self.send_header("Content-Length", "8")
            self.end_headers()
            self.wfile.write(b"half")
            self.connection.recv(1)  # until who asked hangs up

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_who_waits_for_an_answer_of_a_server_that_closes_is_woken(url: str) -> None:
    client, traffic = HttpClient(HttpOptions(url=url)), Traffic()

    def ask() -> None:
        with client.stream("GET", "/", traffic=traffic) as response:
            assert response.read(4) == b"half"
            traffic.stop()
            assert response.read(4) == b""

    with pytest.raises(Stopped):
        ask()


@pytest.fixture(params=["http", "https"])
def refusing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HttpOptions]:
    """Return a server that refuses as soon as it has seen some of a body, and closes."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(1 << 20)
            self.send_response_only(413)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    url, trusted = f"{request.param}://127.0.0.1:{server.server_port}", None
    if request.param == "https":
        authority = Authority(tmp_path)
        trusted = authority.certificate
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.issue("server").both)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield HttpOptions(url=url, ca_file=trusted)
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("flows", [False, True])
def test_why_a_server_reads_no_further_is_told(refusing: HttpOptions, *, flows: bool) -> None:
    body = Flow(iter(BLOCKS)) if flows else BLOCKS

    with pytest.raises(TargetRefused, match="no body of this size"):
        HttpClient(refusing).request("PUT", "/", body=body)
