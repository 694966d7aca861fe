"""One server, asked over lasting connections; what plug-ins do with it is in their tests."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sendit.storage.http_client import HttpClient
from sendit.storage.http_options import HttpOptions
from sendit.storage.together import Stopped, Traffic


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
