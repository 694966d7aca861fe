"""The shipped compose.yaml, started natively: the same commands, environment and configuration.

compose's own program resolves the file; what it says of each service is run here as a process
with its addresses and folders put in place of the containers'.  What is *not* shown is that the
images build and that an engine applies mounts, limits and users: no engine can be had here.
"""

import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.stores import PostgreSQL, Redis, free_port

ROOT = Path(__file__).parents[2]
COMPOSE = Path(sys.executable).parent / "docker-compose"
NEEDED = {"SENDIT_ETC": "/etc/site", "SENDIT_INBOX": "/srv/in", "SENDIT_OUT": "/srv/out"}
OURS = ("watcher", "web", "worker-phi", "worker-out")


def resolved(*profiles: str, **environ: str) -> dict[str, Any]:
    """Return compose.yaml as compose understands it."""
    done = compose(*(f"--profile={p}" for p in profiles), "config", "--format=json", **environ)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def compose(*words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SENDIT_")}
    return subprocess.run(
        [COMPOSE, *words],
        cwd=ROOT,
        env={**inherited, **(environ or NEEDED)},
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass
class Topology:
    """A site on this machine."""

    root: Path
    postgresql: PostgreSQL
    redis: Redis
    database_url: str
    nginx: str
    """The program."""
    services: dict[str, Any] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.services = resolved("all")["services"]
        self.web_port, self.http_port, self.https_port = free_port(), free_port(), free_port()
        for name in ("etc/projects", "inbox/demo", "out/demo", "work", "secrets", "tmp", "run"):
            (self.root / name).mkdir(parents=True)
        self._make_secrets()
        config = (ROOT / "examples/site/sendit.toml").read_text()
        (self.root / "etc/sendit.toml").write_text(
            self._here(config) + '\n[ingest]\nsettle = "0.2 s"\nscan = "0.1 s"\n'
        )
        project = (ROOT / "examples/site/projects/demo.toml").read_text()
        (self.root / "etc/projects/demo.toml").write_text(
            self._here(project).replace("[deid]", '[identity]\non_missing = "derive"\n[deid]')
        )
        conf = (ROOT / "docker/nginx.conf").read_text()
        (self.root / "nginx.conf").write_text(self._here(conf))

    @property
    def inbox(self) -> Path:
        return self.root / "inbox/demo"

    @property
    def out(self) -> Path:
        return self.root / "out/demo"

    def _here(self, text: str) -> str:
        """Put this machine's folders and ports in place of the containers'."""
        for there, here in (
            ("/run/secrets", f"{self.root}/secrets"),
            ("/etc/nginx/sendit.conf", f"{self.root}/nginx.conf"),
            ("/etc/sendit", f"{self.root}/etc"),
            ("/srv/sendit", f"{self.root}/work"),
            ("/srv/inbox", f"{self.root}/inbox"),
            ("/srv/out", f"{self.root}/out"),
            ("/tmp/", f"{self.root}/tmp/"),
            ("/dev/stdout", f"{self.root}/nginx-access.log"),
            ("/dev/stderr", f"{self.root}/nginx-error.log"),
            ("0.0.0.0:8000", f"127.0.0.1:{self.web_port}"),
            ("web:8000", f"127.0.0.1:{self.web_port}"),
            ("listen 8080", f"listen 127.0.0.1:{self.http_port}"),
            ("listen 8443", f"listen 127.0.0.1:{self.https_port}"),
        ):
            # The root itself lies below /tmp: what was put in place is not touched again.
            text = text.replace(there, here.replace("/tmp/", "\0"))
        return text.replace("\0", "/tmp/")

    def _make_secrets(self) -> None:
        folder = self.root / "secrets"
        done = subprocess.run(
            ["sh", ROOT / "docker/new-secrets.sh"],
            env={**os.environ, "SENDIT_SECRETS": str(folder), "SENDIT_UID": str(os.getuid())},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        for secret, name in (
            ("site.key", "site_key"),
            ("field.key", "field_key"),
            ("tls.crt", "tls_certificate"),
            ("tls.key", "tls_key"),
        ):
            (folder / secret).rename(folder / name)
        (folder / "database_url").write_text(self.database_url)
        (folder / "broker_url").write_text(self.redis.url)

    def start(self, name: str, command: list[str] | None = None) -> None:
        """Start a service by its command in compose.yaml."""
        words, environ = self._command(name, command or self.services[name]["command"])
        with (self.root / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                words, cwd=self.root / "run", env=environ, stdout=log, stderr=log
            )

    def run(self, name: str, *command: str, stdin: str = "") -> None:
        """Run a command where a service runs, as ``docker compose exec`` does."""
        words, environ = self._command(name, list(command))
        done = subprocess.run(
            words,
            cwd=self.root / "run",
            env=environ,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def _command(self, name: str, command: list[str]) -> tuple[list[str], dict[str, str]]:
        """Return a command as it is here, and the environment of a service."""
        service = self.services[name]
        secrets = self._secrets_of(name)
        words = [self._here(word) for word in command]
        program = {"nginx": self.nginx}.get(words[0]) or str(Path(sys.executable).parent / words[0])
        environ = {k: v for k, v in os.environ.items() if not k.startswith("SENDIT_")}
        environ |= {
            k: self._here(str(v)).replace(f"{self.root}/secrets", str(secrets))
            for k, v in service.get("environment", {}).items()
        }
        environ |= {
            "DJANGO_SETTINGS_MODULE": "sendit.server.settings",
            "PYTHONPATH": str(ROOT / "src"),
            "TMPDIR": f"{self.root}/tmp",
        }
        return [program, *words[1:]], environ

    def _secrets_of(self, name: str) -> Path:
        """Return a folder that holds what the service is given of the secrets, and no more."""
        folder = self.root / "run" / f"secrets-{name}"
        folder.mkdir(exist_ok=True)
        for secret in self.services[name].get("secrets", []):
            there = folder / secret["source"]
            there.unlink(missing_ok=True)
            there.symlink_to(self.root / "secrets" / secret["source"])
        return folder

    def healthy(self, name: str) -> bool:
        """Run the service's own health check, as far as it is a shell's."""
        kind, *words = self.services[name]["healthcheck"]["test"]
        line = [self._here(word.replace("$$", "$")) for word in words]
        command = ["sh", "-c", *line] if kind == "CMD-SHELL" else line
        if command[0] == "python":
            command[0] = sys.executable
            command = [w.replace("127.0.0.1:8000", f"127.0.0.1:{self.web_port}") for w in command]
        command = [w.replace("127.0.0.1:8443", f"127.0.0.1:{self.https_port}") for w in command]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def get(self, path: str, *, port: int = 0, method: str = "GET") -> tuple[int, str, Any]:
        """Ask nginx; return status, text and headers."""
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        scheme = "http" if port else "https"
        url = f"{scheme}://localhost:{port or self.https_port}{path}"
        opener = urllib.request.build_opener(_Stay(), urllib.request.HTTPSHandler(context=trust))
        try:
            with opener.open(urllib.request.Request(url, method=method), timeout=30) as answer:
                return answer.status, answer.read().decode(errors="replace"), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace"), error.headers

    def wait_until(self, true: Any, problem: str, *, seconds: float = 150) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, f"{problem}\n{self.said()}"
            for name, process in self.processes.items():
                assert process.poll() is None, f"{name} ended\n{self.said()}"
            time.sleep(0.05)

    def said(self) -> str:
        logs = sorted(self.root.glob("*.log"))
        return "\n".join(f"== {log.name}\n{log.read_text()[-1500:]}" for log in logs)

    def end(self) -> dict[str, tuple[int, float]]:
        """End everything by SIGTERM; return exit code and seconds of each."""
        began = time.monotonic()
        ended = {}
        for process in self.processes.values():
            process.terminate()
        for name, process in self.processes.items():
            try:
                ended[name] = (process.wait(20), time.monotonic() - began)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                ended[name] = (-9, time.monotonic() - began)
        self.processes.clear()
        return ended


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follow no redirect."""

    def redirect_request(self, *_: Any) -> None:
        return None
