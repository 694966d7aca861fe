"""``sendit identity serve`` as a process of its own, and raw HTTP to it."""

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.installation import Installation


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    text: str
    headers: dict[str, str]

    @property
    def document(self) -> Any:
        return json.loads(self.text)


@dataclass(slots=True)
class Running:
    """A running service."""

    url: str
    """``http://127.0.0.1:PORT/identifiers/api``."""
    installation: Installation
    process: subprocess.Popen[str]
    environ: dict[str, str] = field(default_factory=dict)

    def issue(self, study: str = "demo", name: str = "client.json") -> Path:
        """Return the secrets file of a new client."""
        path = self.installation.root / name
        words = ("identity", "token", "issue", "--study", study, "--output", str(path))
        done = self.installation.run(*words, **self.environ)
        assert done.returncode == 0, done.stderr
        return path

    def post(
        self,
        path: str,
        document: Any = None,
        *,
        token: str | None = None,
        body: bytes | None = None,
        method: str = "POST",
    ) -> Reply:
        """Send one request as it stands."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            connection.request(
                method,
                path,
                body=json.dumps(document).encode() if body is None else body,
                headers=headers,
            )
            response = connection.getresponse()
            return Reply(response.status, response.read().decode(), dict(response.headers))
        finally:
            connection.close()


@contextmanager
def identity_service(installation: Installation, **environ: str) -> Iterator[Running]:
    """Run the service until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sendit", "identity", "serve", "--port", "0"],
        cwd=installation.root,
        env=installation.environ(**environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Identity service: "), line
        url = line.removeprefix("Identity service: ").strip()
        yield Running(url, installation, process, dict(environ))
    finally:
        process.terminate()
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()
