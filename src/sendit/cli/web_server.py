"""gunicorn as a child of ``sendit serve``: started, watched, ended.

The parent opens the port, so a port that is taken is known at once, and hands the socket
down.  A thread of the parent starts a server that died anew, and makes a new login link
when one was used.
"""

import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from sendit.cli.child import end, environment
from sendit.config import Configuration
from sendit.config.rules import is_loopback
from sendit.errors import UsageError
from sendit.web.login_links import forget_tokens, is_unused, make_link_token

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
STOP_SECONDS = 5.0
SHORTEST_LIFE_SECONDS = 10.0
"""A server that dies sooner would only die again."""
BACKLOG = 128
COMMAND = (
    sys.executable,
    "-m",
    "gunicorn",
    "--config=python:sendit.web.gunicorn_config",
    "sendit.server.wsgi:application",
)


def open_port(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    sendit.errors.UsageError
        When the port is taken or the address is not one of this machine.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind)
    except OSError as error:
        raise UsageError(f"{host} is no address of this machine ({error.strerror}).") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise UsageError(
            f"Port {port} of {host} cannot be used ({error.strerror}). End what uses it, or name "
            "another one with --port."
        ) from None
    return listening


def check_host(configuration: Configuration, host: str) -> None:
    """Return if the pages may be offered at an address.

    Raises
    ------
    sendit.errors.UsageError
        When others could reach it and the configuration is not made for that.
    """
    web = configuration.settings.web
    if not (is_loopback(host) or (web.allowed_hosts and web.secret_key)):
        raise UsageError(
            f"{host} can be reached from other machines: set web.allowed_hosts and "
            "web.secret_key first, or leave --host out."
        )


@contextmanager
def web_server(
    configuration: Configuration,
    listening: socket.socket,
    *,
    stop: Event,
    tell_token: Callable[[str], None] | None,
) -> Iterator["Keeper"]:
    """Serve the pages until the block ends.

    Parameters
    ----------
    configuration
        The installation.
    listening
        From ``open_port``; closed at the end.
    stop
        Set here when the server cannot be kept alive, and by whoever wants the block to end.
    tell_token
        Called with the token of each new login link; None: no link is made.
    """
    ended = Event()
    keeper = Keeper(configuration, listening, stop=stop, ended=ended, tell_token=tell_token)
    thread = threading.Thread(target=keeper.keep, name="web-server", daemon=True)
    thread.start()
    try:
        yield keeper
    finally:
        ended.set()
        thread.join()
        listening.close()
        forget_tokens(configuration.settings.work_dir)


class Keeper:
    """Keeps a server alive, and a login link at hand, in a thread of its own."""

    def __init__(
        self,
        configuration: Configuration,
        listening: socket.socket,
        *,
        stop: Event,
        ended: Event,
        tell_token: Callable[[str], None] | None,
    ) -> None:
        self._configuration = configuration
        self._listening = listening
        self._stop = stop
        self._ended = ended
        self._tell_token = tell_token
        self.gave_up = False
        """The server could not be kept alive."""

    def keep(self) -> None:
        """Do so until the end."""
        work_dir = self._configuration.settings.work_dir
        forget_tokens(work_dir)
        token = ""
        child, began = self._start(), time.monotonic()
        try:
            while not self._ended.wait(LOOK_SECONDS if token or self._tell_token is None else 0):
                token = self._link(work_dir, token)
                if child.poll() is not None:
                    if time.monotonic() - began < SHORTEST_LIFE_SECONDS:
                        logger.error("the web server does not start; its messages stand above")
                        self.gave_up = True
                        self._stop.set()
                        return
                    logger.warning("the web server died and is started anew")
                    child, began = self._start(), time.monotonic()
        finally:
            end(child, seconds=STOP_SECONDS)

    def _link(self, work_dir: Path, token: str) -> str:
        """Return the token of an unused link, made anew when there is none."""
        if self._tell_token is None or (token and is_unused(work_dir, token)):
            return token
        token = make_link_token(work_dir)
        self._tell_token(token)
        return token

    def _start(self) -> subprocess.Popen[bytes]:
        descriptor = self._listening.fileno()
        return subprocess.Popen(
            [*COMMAND, f"--bind=fd://{descriptor}"],
            pass_fds=[descriptor],
            stdin=subprocess.DEVNULL,
            env=environment(self._configuration),
            start_new_session=True,  # Ctrl-C is for the parent, which ends the child in order
        )
