"""A proxy before a real server that can be away, slow or full: the troubles of a target.

Without a trouble everything goes through as it is.  Two things are emulated, since Orthanc's
plug-in of 2022 does not do them: DELETE of an instance (answered 204, as Google's server does),
carried out by Orthanc's own interface; and STOW-RS that refuses a part of a request, with the
answer that PS3.18 10.5.3 and I.2 prescribe, where that plug-in tells success.
"""

import http.client
import io
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from pydicom import Dataset, dcmread

ANSWERS = {"error 500": 500, "full": 507, "expired credentials": 401}


class TroubledHttp:
    """The proxy; ``url`` takes the place of the server's."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._passed = threading.Event()
        self.trouble = ""
        self._serve(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @contextmanager
    def troubled(self, trouble: str) -> Iterator[None]:
        self._passed.clear()
        self.trouble = trouble
        if trouble == "away":
            self.close()
        yield
        if trouble == "away":
            self._serve(self._port)
        self.trouble = ""
        self._passed.set()

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

            do_GET = do_POST = do_DELETE = answer

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
        length = int(request.headers.get("Content-Length", 0))
        if self.trouble == "drops connections":
            request.rfile.read(length // 2)
            request.connection.shutdown(socket.SHUT_RDWR)
            request.close_connection = True
            return
        body = request.rfile.read(length)
        if self.trouble == "slow":
            self._passed.wait(10)
            request.close_connection = True
            return
        if self.trouble == "refuses class" and request.path.endswith("/dicom-web/studies"):
            _reply(request, *self._store_some(request, body))
        elif self.trouble in ANSWERS:
            _reply(request, ANSWERS[self.trouble], {}, b"")
        elif request.command == "DELETE" and "/dicom-web/" in request.path:
            _reply(request, self._delete(request.path.rsplit("/", 1)[-1]), {}, b"")
        else:
            headers = dict(request.headers.items())
            _reply(request, *self._ask(request.command, request.path, body, headers))

    def _store_some(
        self, request: BaseHTTPRequestHandler, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Pass on what is no ultrasound, and refuse the rest as PS3.18 10.5.3 says."""
        kind = request.headers["Content-Type"]
        boundary = b"\r\n--" + kind.rsplit("boundary=", 1)[1].encode()
        good, failed = b"", []
        for part in body.split(boundary)[1:-1]:
            ds = dcmread(io.BytesIO(part.partition(b"\r\n\r\n")[2]), stop_before_pixels=True)
            if ds.Modality == "US":
                failed.append(_failed(ds, 0x0122))
            else:
                good += boundary + part
        status, told, answer = self._ask(
            "POST", request.path, good + boundary + b"--\r\n", dict(request.headers.items())
        )
        document = json.loads(answer) | {"00081198": {"vr": "SQ", "Value": failed}}
        return (202 if failed else status), told, json.dumps(document).encode()

    def _delete(self, sop_instance_uid: str) -> int:
        _, _, found = self._ask("POST", "/tools/lookup", sop_instance_uid.encode(), {})
        for one in json.loads(found):
            self._ask("DELETE", f"/instances/{one['ID']}", b"", {})
        return 204 if json.loads(found) else 404

    def _ask(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        own = ("host", "content-length")
        headers = {key: value for key, value in headers.items() if key.lower() not in own}
        connection = http.client.HTTPConnection(self._upstream, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            kind = {"Content-Type": answer.getheader("Content-Type", "text/plain")}
            return answer.status, kind, answer.read()
        finally:
            connection.close()


def _failed(ds: Dataset, reason: int) -> dict[str, object]:
    return {
        "00081150": {"vr": "UI", "Value": [ds.SOPClassUID]},
        "00081155": {"vr": "UI", "Value": [ds.SOPInstanceUID]},
        "00081197": {"vr": "US", "Value": [reason]},
    }


def _reply(
    request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes
) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    if status != 204:
        request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
