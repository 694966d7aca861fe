"""PostgreSQL and Redis as processes of a test's own: started, killed, started again."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import redis

INITDB_OPTIONS = ("-U", "sendit", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
PATIENCE = 30.0


def free_port() -> int:
    """Return a port of the loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgreSQL:
    """A PostgreSQL in a folder of its own.

    Parameters
    ----------
    initdb
        The program; its siblings lie beside it.
    settings
        Further ``-c`` settings.
    within
        Where its folder is made, if that matters.
    """

    def __init__(self, initdb: str, *settings: str, within: Path | None = None) -> None:
        # Not below pytest's own folder: that is 0700 and its path is too long for a socket.
        self.folder = Path(tempfile.mkdtemp(prefix="sendit-pg-", dir=within))
        self.port = free_port()
        self._bin = Path(initdb).parent
        self._settings = settings
        self._words = _as_ordinary_user(self.folder)
        self._run(initdb, "-D", f"{self.folder}/data", *INITDB_OPTIONS)

    @property
    def url(self) -> str:
        """The address of the database that is there from the start."""
        return self.url_of("postgres")

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url_of(self, database: str) -> str:
        return f"postgresql://sendit@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        options += "".join(f" -c {setting}" for setting in self._settings)
        self._control("-w", "-l", str(self.log), "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop; ``immediate`` is as good as a crash."""
        self._control("-w", "-m", mode, "stop", check=False)

    def restart(self) -> None:
        """Crash, and come back."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Answer nothing from now on and refuse nothing, as a machine does that is stuck."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on where it froze."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        first = int((self.data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for process in (first, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def new_database(self, name: str) -> str:
        """Make an empty database and return its address."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
        return self.url_of(name)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _control(self, *words: str, check: bool = True) -> None:
        self._run(f"{self._bin}/pg_ctl", "-D", f"{self.folder}/data", *words, check=check)

    def _run(self, *words: str, check: bool = True) -> None:
        # No pipes: the server would inherit them, and we would wait for it.
        subprocess.run(
            [*self._words, *words],
            check=check,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )


class Redis:
    """A Redis that keeps nothing on disk.

    Parameters
    ----------
    program
        ``redis-server``.
    password
        Asked of every client when it is not empty.
    """

    def __init__(self, program: str, *, password: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sendit-redis-"))
        self.port = free_port()
        self.password = password
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        who = f":{self.password}@" if self.password else ""
        return f"redis://{who}127.0.0.1:{self.port}/0"

    def client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.url, socket_timeout=None)

    def start(self) -> None:
        command = [self._program, "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self.folder), "--save", "", "--appendonly", "no"]
        command += ["--requirepass", self.password] if self.password else []
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE
        while not self._answers():
            assert time.monotonic() < until, "Redis did not start"
            time.sleep(0.02)

    def kill(self) -> None:
        self._signal(signal.SIGKILL).wait()

    def freeze(self) -> None:
        """Answer nothing from now on and refuse nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on where it froze."""
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """Die, and come back empty."""
        self.kill()
        self.start()

    def flush(self) -> None:
        with closing(self.client()) as client:
            client.flushall()

    def remove(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: int) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        self._process.send_signal(number)
        return self._process

    def _answers(self) -> bool:
        try:
            with closing(self.client()) as client:
                return bool(client.ping())
        except redis.exceptions.ConnectionError:
            return False


def _as_ordinary_user(folder: Path) -> list[str]:
    """Return the words that step down from root, which initdb refuses; none for anybody else."""
    if os.geteuid() != 0:
        return []
    owner = pwd.getpwnam("postgres")
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    return ["runuser", "-u", "postgres", "--"]
