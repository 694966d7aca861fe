"""A site: an installation in mode ``celery``, its watcher and the workers of both zones."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import redis

from tests.support.installation import INSTALLATION, Installation

PATIENCE = 150.0
NO_KEYS = {
    "SENDIT_KEYS_SITE_FILE": "/nonexistent/site.key",
    "SENDIT_KEYS_FIELD_FILE": "/nonexistent/field.key",
}
SITE = INSTALLATION.replace('mode = "pool"', 'mode = "celery"')


@dataclass(slots=True)
class Site:
    """The processes of a site on one machine."""

    installation: Installation
    database_url: str
    broker_url: str
    preload: dict[str, str] = field(default_factory=dict)
    """Further environment of its processes."""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def configure(self, config: str = SITE) -> None:
        """Write ``sendit.toml``; the secrets come by the environment, as at a site."""
        self.installation.write_config(config)

    @property
    def secrets(self) -> dict[str, str]:
        return {"SENDIT_DATABASE_URL": self.database_url, "SENDIT_BROKER_URL": self.broker_url}

    def run(self, *words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "sendit", *words],
            cwd=self.installation.root,
            env=self.installation.environ(**{**self.secrets, **environ}),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, name: str, *words: str) -> None:
        """Start ``sendit WORDS``; its output goes to ``NAME.log``.

        What has the way out is given no key, as in ``compose.yaml``.
        """
        keys = NO_KEYS if "out" in words else {}
        with (self.installation.root / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "sendit", *words],
                cwd=self.installation.root,
                env=self.installation.environ(**self.secrets, **keys, **self.preload),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start_all(self, *, phi: int = 1, out: int = 1) -> None:
        """Start the watcher and the workers, and wait until the tables are there."""
        self.start("watcher", "run")
        self.wait_until(self.is_set_up, "the watcher did not set the site up")
        for zone, number in (("phi", phi), ("out", out)):
            if number:
                self.start(f"worker-{zone}", "worker", "--zone", zone, "--concurrency", str(number))

    def is_set_up(self) -> bool:
        try:
            return bool(self.ask("SELECT id FROM records_installation"))
        except psycopg.Error:
            return False

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        """Ask the database, from outside."""
        with psycopg.connect(self.database_url, connect_timeout=5) as connection:
            return connection.execute(statement).fetchall()  # type: ignore[call-overload, no-any-return]

    def tell(self, statement: str) -> None:
        """Change the database, from outside."""
        with psycopg.connect(self.database_url, connect_timeout=5) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def waiting(self, *zones: str) -> int:
        """Return how many messages nobody has taken, of all zones by default."""
        with closing(redis.Redis.from_url(self.broker_url)) as client:
            return sum(client.llen(zone) for zone in zones or ("phi", "out"))

    def statuses(self) -> list[str]:
        return [str(row[0]) for row in self.ask("SELECT status FROM records_batch ORDER BY id")]

    def wait_until(
        self, true: Callable[[], object], problem: str, *, seconds: float = PATIENCE
    ) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, f"{problem}\n{self.said()}"
            time.sleep(0.05)

    def wait_until_done(self, number: int, *, seconds: float = PATIENCE) -> None:
        """Wait until so many batches are done and cleaned up."""
        statement = "SELECT status, stage FROM records_batch"
        self.wait_until(
            lambda: self.ask(statement) == [("DONE", "")] * number,
            "the batches were not done",
            seconds=seconds,
        )

    def said(self) -> str:
        """Return the ends of the logs."""
        logs = sorted(self.installation.root.glob("*.log"))
        with suppress(psycopg.Error):
            return f"{self.ask('SELECT id, errors FROM records_batch')}\n" + _ends(logs)
        return _ends(logs)

    def end(self, names: Sequence[str] = (), *, number: int = signal.SIGTERM) -> None:
        """End processes, all by default, and wait for them."""
        chosen = names or list(self.processes)
        for name in chosen:
            self.processes[name].send_signal(number)
        for name in chosen:
            self.processes.pop(name).wait(20)


@contextmanager
def running(site: Site, *, phi: int = 1, out: int = 1) -> Iterator[Site]:
    """Run a site until the block ends."""
    try:
        site.start_all(phi=phi, out=out)
        yield site
    finally:
        site.end()


def site_in(root: Installation, *, database_url: str, broker_url: str) -> Site:
    site = Site(root, database_url, broker_url)
    site.configure()
    return site


def _ends(logs: Sequence[Path]) -> str:
    return "\n".join(f"== {log.name}\n{log.read_text()[-1500:]}" for log in logs)
