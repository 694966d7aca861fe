"""A cloud store that keeps nothing: takes objects by S3's and by Google's interface.

Runs as a program of its own (``python -m benchmarks.null_cloud [MEGABYTES [MILLISECONDS]]``) and
prints its port.  It reads every byte, so many megabytes a second at most, as if a line lay between,
and answers so much later, as a store that is far away and keeps what it gets; without a number it
is far quicker than who sends, so that what a sender costs can be seen.  It keeps
to the protocols as far as uploads need them: parts and their completion (S3); ``Content-Range``,
308 and ``Range`` of Google's resumable uploads, with a length or in chunks (RFC 9112, 7.1), whose
CRC32C it computes and tells (of an upload in one request, and of S3's, it repeats the digest that
was announced).  It checks no digest,
signature or condition, tells no MD5, and whatever is asked for is not there.
"""

import base64
import json
import re
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import google_crc32c

from benchmarks.null_http import serve

_ENDS = 1024
_ANNOUNCED = re.compile(rb'"crc32c": ?"([^"]+)"')
_WHOLE = re.compile(r"bytes (?:\d+-\d+|\*)/(\d+)")
_TO_THE_END = re.compile(r"bytes \d+-\*/\*")
_BEGUN = "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
_DONE = "<CompleteMultipartUploadResult><ETag>0-0</ETag></CompleteMultipartUploadResult>"
_MISSING = "<Error><Code>NoSuchKey</Code></Error>"

Told = tuple[int, dict[str, str], str]


@dataclass(slots=True)
class Line:
    """Carries so many bytes a second."""

    bytes_a_second: float
    free_at: float = 0.0

    def carry(self, n_bytes: int) -> None:
        """Wait until they would have come."""
        now = time.perf_counter()
        self.free_at = max(self.free_at, now) + n_bytes / self.bytes_a_second
        time.sleep(max(0.0, self.free_at - now))


@dataclass(slots=True)
class Upload:
    """A resumable upload of Google's."""

    size: int = 0
    crc32c: Any = field(default_factory=google_crc32c.Checksum)


@dataclass(slots=True)
class Request:
    """A request, of which the body is not kept."""

    method: str
    path: str
    headers: dict[str, str]
    size: int
    upload: Upload | None = None
    begin: bytes = b""
    end: bytes = b""


@dataclass(slots=True)
class Caller:
    """One connection and what has come of its request."""

    sock: socket.socket
    uploads: dict[str, Upload]
    seconds: float
    """How much later it is answered."""
    head: bytearray = field(default_factory=bytearray)
    left: int = 0
    """Bytes of the body, or of its chunk."""
    line: bytearray = field(default_factory=bytearray)
    """What comes between chunks."""
    is_last: bool = True
    """Whether no chunk follows."""
    request: Request | None = None


def main() -> int:
    """Serve until killed."""
    uploads: dict[str, Upload] = {}
    line = Line(float(sys.argv[1]) * 1e6) if len(sys.argv) > 1 else None
    seconds = float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0

    def take_slowly(caller: Caller, block: memoryview) -> None:
        if line is not None:
            line.carry(len(block))
        take(caller, block)

    return serve(lambda sock: Caller(sock, uploads, seconds), take_slowly)


def take(caller: Caller, block: memoryview) -> None:
    """Take what came; answer when a request is whole."""
    if caller.request is None:
        caller.head += block
        end = caller.head.find(b"\r\n\r\n")
        if end < 0:
            return
        block = memoryview(bytes(caller.head[end + 4 :]))
        caller.request = _read(bytes(caller.head[:end]).decode(), caller.uploads)
        caller.left = caller.request.size
        caller.is_last = "transfer-encoding" not in caller.request.headers
        caller.head.clear()
        if "expect" in caller.request.headers and not block:
            caller.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    while not caller.is_last and block:
        if caller.left:
            part, block = block[: caller.left], block[caller.left :]
            _keep(caller, caller.request, part)
        else:
            block = _begin_chunk(caller, block)
    if caller.is_last:
        _keep(caller, caller.request, block)
        if not caller.left:
            request, caller.request = caller.request, None
            told = _told(request, caller.uploads)
            if caller.seconds:
                threading.Timer(caller.seconds, _answer, (caller.sock, *told)).start()
            else:
                _answer(caller.sock, *told)


def _begin_chunk(caller: Caller, block: memoryview) -> memoryview:
    """Read how long a chunk is; return what follows."""
    caller.line += block[:1]
    if caller.line.endswith(b"\r\n") and caller.line.strip():
        size = int(bytes(caller.line), 16)
        if size or caller.line.endswith(b"\r\n\r\n"):  # an empty line ends the last one
            caller.line.clear()
            caller.left, caller.is_last = size, not size
    return block[1:]


def _keep(caller: Caller, request: Request, block: memoryview) -> None:
    caller.left -= len(block)
    if request.upload is not None:
        request.upload.size += len(block)
        request.upload.crc32c.update(bytes(block))
    elif block:
        request.begin = request.begin or bytes(block[:_ENDS])
        request.end = (request.end + bytes(block[-_ENDS:]))[-_ENDS:]


def _read(head: str, uploads: dict[str, Upload]) -> Request:
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    upload = uploads.get(path.rpartition("upload_id=")[2]) if method == "PUT" else None
    return Request(method, path, headers, int(headers.get("content-length", "0")), upload)


def _told(request: Request, uploads: dict[str, Upload]) -> Told:
    if "/storage/v1/" in request.path:
        return _told_by_google(request, uploads)
    match request.method:
        case "GET" if "list-type=" in request.path or "uploads=" in request.path:
            return 200, {}, "<Result/>"
        case "GET" | "HEAD":
            return 404, {}, _MISSING
        case "POST":
            return 200, {}, _BEGUN if "uploads" in request.path else _DONE
    announced = request.headers.get("x-amz-checksum-sha256", "")
    return 200, {"ETag": '"0"', "x-amz-checksum-sha256": announced}, ""


def _told_by_google(request: Request, uploads: dict[str, Upload]) -> Told:
    if request.method == "GET":
        return (200, {}, "{}") if "/o?" in request.path else (404, {}, "{}")
    if "uploadType=resumable" in request.path:
        uploads[str(len(uploads))] = Upload()
        path = f"/upload/storage/v1/b/o?upload_id={len(uploads) - 1}"
        return 200, {"Location": f"http://{request.headers['host']}{path}"}, "{}"
    upload = request.upload
    if upload is None:
        head = request.begin.find(b"\r\n\r\n", request.begin.find(b"\r\n\r\n") + 4) + 4
        tail = len(request.end) - request.end.rfind(b"\r\n--")
        found = _ANNOUNCED.search(request.begin)
        return 200, {}, _about(request.size - head - tail, found[1].decode() if found else "")
    span = request.headers.get("content-range", "")
    whole = _WHOLE.fullmatch(span)
    if not _TO_THE_END.fullmatch(span) and (whole is None or int(whole[1]) != upload.size):
        return 308, {"Range": f"bytes=0-{upload.size - 1}"} if upload.size else {}, ""
    return 200, {}, _about(upload.size, base64.b64encode(upload.crc32c.digest()).decode())


def _about(size: int, crc32c: str) -> str:
    return json.dumps({"size": str(size), "crc32c": crc32c, "generation": "1"})


def _answer(sock: socket.socket, status: int, headers: dict[str, str], body: str) -> None:
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} OK\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    sock.sendall((head + body).encode())


if __name__ == "__main__":
    sys.exit(main())
