"""A target may be silent for longer than a lease lasts: its own patience counts, not the lease."""

import signal
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import pytest

from tests.support.installation import INSTALLATION, PROJECT, Installation

pytestmark = pytest.mark.timeout(120)


@dataclass
class Silent:
    """Takes every connection, and never says a word."""

    listening: socket.socket
    asked: threading.Event = field(default_factory=threading.Event)
    taken: list[socket.socket] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.listening.getsockname()[1])

    def take(self) -> None:
        while True:
            try:
                self.taken.append(self.listening.accept()[0])
            except OSError:  # closed: the test is over
                return
            self.asked.set()


@pytest.fixture
def silent() -> Iterator[Silent]:
    server = Silent(socket.create_server(("127.0.0.1", 0)))
    thread = threading.Thread(target=server.take)
    thread.start()
    yield server
    server.listening.shutdown(socket.SHUT_RDWR)
    server.listening.close()
    thread.join()
    for connection in server.taken:
        connection.close()


def set_up(installation: Installation, silent: Silent, *, patience: int) -> None:
    config = INSTALLATION.replace('lease = "5 s"', 'lease = "1 s"')
    installation.write_config(config.replace("processes = 1", "processes = 2"))
    project = PROJECT.split("[[targets]]", maxsplit=1)[0]
    installation.write_project(
        f'{project}[[targets]]\nname = "pacs"\nkind = "orthanc"\n'
        f'url = "http://127.0.0.1:{silent.port}"\ntimeout_seconds = {patience}\n'
    )
    installation.add_study("ACC1", n_series=1)


def test_a_silent_target_is_away_and_the_batch_waits_for_it(
    installation: Installation, silent: Silent
) -> None:
    set_up(installation, silent, patience=4)

    done = installation.run("run", "--once")

    assert "LEASE_LOST" not in done.stderr
    (batch,) = installation.status()
    assert (batch["status"], batch["errors"]) == ("DONEPROCESSING", [])
    (delivery,) = batch["deliveries"]
    assert (delivery["state"], delivery["error"]["code"]) == ("pending", "TARGET_UNAVAILABLE")


def test_a_worker_that_waits_for_a_silent_target_lets_go_when_told_to_stop(
    installation: Installation, silent: Silent
) -> None:
    set_up(installation, silent, patience=100)
    with installation.start("run") as running:
        assert silent.asked.wait(60)
        running.send_signal(signal.SIGTERM)
        running.wait(60)

    with closing(sqlite3.connect(installation.work_dir / "sendit.sqlite3")) as database:
        held = database.execute("SELECT stage, lease_token, attempts FROM records_batch").fetchall()
    assert held == [("send", "", 0)]
