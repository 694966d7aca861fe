"""gunicorn as the child of ``sendit identity serve``, and where the running service is.

The parent opens the port, so one that is taken is known at once.  While the service runs, a
file in ``run/`` holds its address, for the tokens that are issued meanwhile.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

from sendit.cli.child import end, environment
from sendit.cli.web_server import is_loopback
from sendit.config import Configuration
from sendit.errors import UsageError

LOOK_SECONDS = 0.2
STOP_SECONDS = 5.0
COMMAND = (
    sys.executable,
    "-m",
    "gunicorn",
    "--config=python:sendit.server.identity_gunicorn",
    "sendit.server.identity_wsgi:application",
)


def check_host(configuration: Configuration, host: str) -> None:
    """Return if the service may be offered at an address.

    Raises
    ------
    sendit.errors.UsageError
        When others could reach it and it has no certificate.
    """
    if not (is_loopback(host) or configuration.settings.identity_service.certificate):
        raise UsageError(
            f"{host} can be reached from other machines, and identifiers would go there in clear: "
            "set identity_service.certificate and private_key first, or leave --host out."
        )


def address_of(configuration: Configuration, host: str, port: int) -> str:
    """Return under which address clients reach the service, without a path."""
    service = configuration.settings.identity_service
    if service.url is not None:
        return service.url
    scheme = "https" if service.certificate else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def running_address(configuration: Configuration) -> str:
    """Return the address of the service that runs here now, else the configured one."""
    service = configuration.settings.identity_service
    usual = address_of(configuration, service.host, service.port)
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(_note(configuration).read_text())
        os.kill(int(kept["pid"]), 0)
        return str(kept["url"])
    return usual


def serve(configuration: Configuration, listening: socket.socket, *, url: str, stop: Event) -> bool:
    """Serve until told to stop; False when the server ended by itself."""
    with _noted(configuration, url):
        child = _start(configuration, listening)
        listening.close()
        try:
            while not stop.wait(LOOK_SECONDS):
                if child.poll() is not None:
                    return False
        finally:
            end(child, seconds=STOP_SECONDS)
    return True


def _start(configuration: Configuration, listening: socket.socket) -> subprocess.Popen[bytes]:
    descriptor = listening.fileno()
    service = configuration.settings.identity_service
    tls = []
    if service.certificate and service.private_key:
        tls = [f"--certfile={service.certificate}", f"--keyfile={service.private_key}"]
    return subprocess.Popen(
        [*COMMAND, f"--bind=fd://{descriptor}", *tls],
        pass_fds=[descriptor],
        stdin=subprocess.DEVNULL,
        env={
            **environment(configuration),
            "DJANGO_SETTINGS_MODULE": "sendit.server.identity_settings",
        },
        start_new_session=True,  # Ctrl-C is for the parent, which ends the child in order
    )


@contextmanager
def _noted(configuration: Configuration, url: str) -> Iterator[None]:
    note = _note(configuration)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps({"pid": os.getpid(), "url": url}))
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def _note(configuration: Configuration) -> Path:
    return configuration.settings.work_dir / "run" / "identity.json"
