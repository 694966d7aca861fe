"""The nginx of compose.yaml: it finds the pages again, and speaks no weak TLS."""

import http.server
import os
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.e2e.topology import ROOT
from tests.support.stores import free_port

FIRST, SECOND = "127.0.0.2", "127.0.0.3"
NO_CHECK = ssl.create_default_context()
NO_CHECK.check_hostname, NO_CHECK.verify_mode = False, ssl.CERT_NONE


class NameServer(threading.Thread):
    """Answers every question for a name with the one address that it holds now."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self.address = address
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]

    def run(self) -> None:
        while True:
            question, asker = self._socket.recvfrom(512)
            if not question:
                return
            # The name of the question, A, IN, 600 s as Docker says, four bytes.
            answer = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x02\x58\x00\x04"
            head = question[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00"
            whole = head + question[12:] + answer + socket.inet_aton(self.address)
            self._socket.sendto(whole, asker)

    def stop(self) -> None:
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self.join()
        self._socket.close()


class Page(http.server.BaseHTTPRequestHandler):
    """Says at which address it was asked."""

    def do_GET(self) -> None:
        said = str(self.server.server_address[0]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def pages_at(address: str, port: int) -> Iterator[None]:
    server = http.server.ThreadingHTTPServer((address, port), Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def names() -> Iterator[NameServer]:
    server = NameServer(FIRST)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def pages_port() -> int:
    return free_port()


@pytest.fixture
def front(nginx: str, names: NameServer, pages_port: int, tmp_path: Path) -> Iterator[int]:
    """Start nginx with the shipped file; return the port of its TLS."""
    subprocess.run(
        ["sh", ROOT / "docker/new-secrets.sh"],
        env={**os.environ, "SENDIT_SECRETS": str(tmp_path), "SENDIT_UID": str(os.getuid())},
        check=True,
        capture_output=True,
    )
    text, port = (ROOT / "docker/nginx.conf").read_text(), free_port()
    for there, here in (
        (" /tmp/", f" {tmp_path}/"),  # before a folder that lies below /tmp itself is put in
        ("/run/secrets/tls_certificate", f"{tmp_path}/tls.crt"),
        ("/run/secrets/tls_key", f"{tmp_path}/tls.key"),
        ("/dev/stdout", f"{tmp_path}/access.log"),
        ("/dev/stderr", f"{tmp_path}/error.log"),
        ("listen 8080", f"listen 127.0.0.1:{free_port()}"),
        ("listen 8443", f"listen 127.0.0.1:{port}"),
        ("web:8000", f"web:{pages_port}"),
        ("resolver 127.0.0.11 valid=5s", f"resolver 127.0.0.1:{names.port} valid=1s"),
    ):
        assert there in text
        text = text.replace(there, here)
    (tmp_path / "nginx.conf").write_text(text)
    process = subprocess.Popen([nginx, "-c", tmp_path / "nginx.conf", "-g", "daemon off;"])
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


def asked(port: int) -> str:
    """Return which address answered, or what came instead."""
    try:
        url = f"https://localhost:{port}/"
        with urllib.request.urlopen(url, timeout=10, context=NO_CHECK) as answer:
            return answer.read().decode()  # type: ignore[no-any-return]
    except urllib.error.HTTPError as error:
        return str(error.code)
    except OSError:
        return "nothing"


def wait_for(said: str, port: int) -> None:
    end = time.monotonic() + 30
    while (last := asked(port)) != said:
        assert time.monotonic() < end, last
        time.sleep(0.05)


def test_pages_that_come_back_at_another_address_are_found_again(
    front: int, names: NameServer, pages_port: int
) -> None:
    with ExitStack() as first:
        first.enter_context(pages_at(FIRST, pages_port))
        wait_for(FIRST, front)

    names.address = SECOND

    with pages_at(SECOND, pages_port):
        wait_for(SECOND, front)


@pytest.mark.parametrize(
    ("cipher", "taken"),
    [
        ("ECDHE-RSA-AES256-GCM-SHA384", True),
        ("ECDHE-RSA-CHACHA20-POLY1305", True),
        ("AES256-GCM-SHA384", False),
        ("AES128-SHA", False),
        ("ECDHE-RSA-AES128-SHA", False),
    ],
)
def test_tls_1_2_is_spoken_with_forward_secrecy_only(front: int, cipher: str, taken: bool) -> None:
    wait_for("502", front)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers(f"{cipher}:@SECLEVEL=0")

    with socket.create_connection(("127.0.0.1", front)) as plain:
        try:
            with client.wrap_socket(plain) as secret:
                spoken = secret.cipher()
        except ssl.SSLError:
            spoken = None

    assert (spoken is not None and spoken[0] == cipher) is taken
