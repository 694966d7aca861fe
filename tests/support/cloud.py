"""Servers that stand for cloud stores, on loopback; the fixtures are in ``servers.py``.

SeaweedFS is a real S3 server: it checks signatures, checksums and conditions.  The two that
stand for Google's store are emulators: fake-gcs-server keeps to ``ifGenerationMatch`` and checks
no digest; gcp-storage-emulator checks MD5 and CRC32C and does not know the condition.  Neither
asks for credentials.
"""

import hashlib
import json
import os
import secrets
import signal
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from sendit.storage.cloud_http import CloudHttp, Told
from sendit.storage.http_options import HttpOptions
from sendit.storage.s3_answers import explain, read_xml
from sendit.storage.s3_login import S3Login
from sendit.storage.together import Traffic
from tests.support.dicom_peers import free_ports, running

REGION = "us-east-1"
KEY, SECRET = "AKSENDIT", "sk-sendit"
READER, READER_SECRET = "AKREADER", "sk-reader"


@dataclass(frozen=True, slots=True)
class SeaweedServer:
    """A running SeaweedFS and one of its buckets."""

    url: str
    bucket: str = ""
    _http: CloudHttp = field(init=False, repr=False)

    def __post_init__(self) -> None:
        login = S3Login(
            REGION, access_key_id=KEY, secret_access_key=SECRET, session_token="", profile=""
        )
        http = CloudHttp(
            HttpOptions(url=self.url),
            login=login,
            explain=lambda told: explain(told, location=self.url),
        )
        object.__setattr__(self, "_http", http)

    def with_new_bucket(self) -> "SeaweedServer":
        made = replace(self, bucket=f"bucket-{secrets.token_hex(4)}")
        made.ask("PUT", "")
        return made

    def ask(self, method: str, path: str, body: bytes = b"") -> Told:
        """Ask past the target; ``path`` is a key with a query, or empty for the bucket."""
        with self._http.connected():
            return self._http.ask(
                method,
                f"/{self.bucket}{'/' if path and not path.startswith('?') else ''}{path}",
                body=(body,) if body else (),
                payload_sha256=hashlib.sha256(body).hexdigest(),
                traffic=Traffic(),
            )

    def clear(self) -> None:
        for key in self.keys():
            self.ask("DELETE", quote(key))
        for key, upload in self.uploads():
            self.ask("DELETE", f"{quote(key)}?uploadId={upload}")

    def keys(self) -> list[str]:
        found = read_xml(self.ask("GET", "?list-type=2").body)
        return [one.text("Key") for one in found.all("Contents")]

    def uploads(self) -> list[tuple[str, str]]:
        """Return key and id of uploads that were begun and not ended."""
        found = read_xml(self.ask("GET", "?uploads=").body)
        return [(one.text("Key"), one.text("UploadId")) for one in found.all("Upload")]


@contextmanager
def running_seaweedfs(program: str, folder: Path) -> Iterator[SeaweedServer]:
    """Run a SeaweedFS: master, volume, filer and S3 in one process."""
    ports = free_ports(8)
    master, volume, filer, s3, *internal = ports
    identities = [
        _identity("sendit", KEY, SECRET, ["Admin"]),
        _identity("reader", READER, READER_SECRET, ["Read", "List"]),
    ]
    (folder / "s3.json").write_text(json.dumps({"identities": identities}))
    (folder / "data").mkdir()
    options: Mapping[str, object] = {
        "dir": folder / "data",
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.port": master,
        "master.port.grpc": internal[0],
        "master.volumeSizeLimitMB": 64,
        "volume.port": volume,
        "volume.port.grpc": internal[1],
        "volume.max": 200,
        "volume.preStopSeconds": 0,
        "filer": True,
        "filer.port": filer,
        "filer.port.grpc": internal[2],
        "s3": True,
        "s3.port": s3,
        "s3.port.grpc": internal[3],
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.autoCreateBucket": "false",
        "s3.config": folder / "s3.json",
        "s3.domainName": "localhost",
        "s3.localSocket": folder / "s3.sock",
        "filer.localSocket": folder / "filer.sock",
    }
    words = [
        f"-{name}={value}" if value is not True else f"-{name}" for name, value in options.items()
    ]
    environ = {"WEED_S3_SSE_KEK": secrets.token_hex(32)}
    with running([program, "server", *words], folder=folder, ports=(s3,), environ=environ) as pid:
        yield SeaweedServer(f"http://127.0.0.1:{s3}").with_new_bucket()
        os.kill(pid, signal.SIGKILL)  # it would wait for ten seconds


def _identity(name: str, key: str, secret: str, actions: list[str]) -> dict[str, object]:
    return {
        "name": name,
        "credentials": [{"accessKey": key, "secretKey": secret}],
        "actions": actions,
    }


@dataclass(frozen=True, slots=True)
class GcsServer:
    """A running emulator of Google's store, and its bucket."""

    url: str
    bucket: str = "research"

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "") -> bytes:
        """Ask past the target."""
        asked = urllib.request.Request(self.url + path, data=body or None, method=method)
        if kind:
            asked.add_header("Content-Type", kind)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.read()  # type: ignore[no-any-return]

    def list(self) -> list[str]:
        found = json.loads(self.ask("GET", f"/storage/v1/b/{self.bucket}/o"))
        return sorted(one["name"] for one in found.get("items", ()))

    def about(self, key: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.ask("GET", self._path(key)))
        return told

    def get(self, key: str) -> bytes:
        return self.ask("GET", f"{self._path(key)}?alt=media")

    def put(self, key: str, content: bytes) -> None:
        query = urlencode({"uploadType": "media", "name": key})
        path = f"/upload/storage/v1/b/{self.bucket}/o?{query}"
        self.ask("POST", path, content, "application/octet-stream")

    def delete(self, key: str) -> None:
        self.ask("DELETE", self._path(key))

    def clear(self) -> None:
        for key in self.list():
            self.delete(key)

    def with_new_bucket(self) -> "GcsServer":
        """Return the server with another bucket, which has Google's defaults."""
        return _with_bucket(replace(self, bucket=f"bucket-{secrets.token_hex(4)}"))

    def _path(self, key: str) -> str:
        return f"/storage/v1/b/{self.bucket}/o/{quote(key, safe='')}"


@contextmanager
def running_fake_gcs(program: str, folder: Path) -> Iterator[GcsServer]:
    """Run fake-gcs-server, in memory."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    words = ["-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", str(port)]
    words += ["-external-url", url, "-public-host", f"127.0.0.1:{port}"]
    with running([program, *words], folder=folder, ports=(port,)):
        yield _with_bucket(GcsServer(url))


@contextmanager
def running_gcp_emulator(program: str, folder: Path) -> Iterator[GcsServer]:
    """Run gcp-storage-emulator, in memory."""
    (port,) = free_ports(1)
    words = ["start", "-H", "127.0.0.1", "--port", str(port), "-M", "-q"]
    with running([program, *words], folder=folder, ports=(port,)):
        yield _with_bucket(GcsServer(f"http://127.0.0.1:{port}"), softDeletePolicy=_NO_SOFT_DELETE)


_NO_SOFT_DELETE = {"retentionDurationSeconds": "0"}


def _with_bucket(server: GcsServer, **about: object) -> GcsServer:
    named = json.dumps({"name": server.bucket}).encode()
    server.ask("POST", "/storage/v1/b?project=test", named, "application/json")
    if about:
        told = json.dumps(about).encode()
        server.ask("PATCH", f"/storage/v1/b/{server.bucket}", told, "application/json")
    return server


BIGQUERY_PROJECT = "research-project"


@contextmanager
def running_bigquery(program: str, folder: Path) -> Iterator[str]:
    """Run bqemulator, which executes SQL in DuckDB, and return its address."""
    extension = "from duckdb_extensions import import_extension as load; load('spatial')"
    python = str(Path(program).with_name("python"))
    subprocess.run([python, "-c", extension], check=True, capture_output=True, cwd=folder)
    rest, grpc = free_ports(2)
    words = ["start", "--rest-port", str(rest), "--grpc-port", str(grpc), "--log-level", "error"]
    with running([program, *words], folder=folder, ports=(rest,)) as pid:
        yield f"http://127.0.0.1:{rest}"
        os.kill(pid, signal.SIGKILL)


def new_dataset(url: str) -> str:
    """Make a dataset and return its name."""
    name = f"irb_{secrets.token_hex(4)}"
    reference = {"projectId": BIGQUERY_PROJECT, "datasetId": name}
    GcsServer(url).ask(
        "POST",
        f"/bigquery/v2/projects/{BIGQUERY_PROJECT}/datasets",
        json.dumps({"datasetReference": reference}).encode(),
        "application/json",
    )
    return name


def query(url: str, text: str) -> list[list[str | None]]:
    """Return the rows that a query gives."""
    body = json.dumps({"query": text, "useLegacySql": False}).encode()
    path = f"/bigquery/v2/projects/{BIGQUERY_PROJECT}/queries"
    told = json.loads(GcsServer(url).ask("POST", path, body, "application/json"))
    return [[cell["v"] for cell in row["f"]] for row in told.get("rows", ())]
