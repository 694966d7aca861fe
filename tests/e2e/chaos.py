"""``sendit run --once``, killed again and again: whom to kill, when, and what must hold then."""

import os
import random
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.installation import Installation

DATABASE = "work/sendit.sqlite3"
PARENT, EVERYTHING = "parent", "everything"
OPEN_RUNS = "SELECT stage, worker FROM records_stagerun WHERE ended IS NULL"


@dataclass(slots=True)
class Chaos:
    """One run to its end, over many processes that die.

    ``kills`` counts by what the victim was doing: its stage, ``parent`` for the one that looks
    into the inbox, ``everything`` for all at once.
    """

    installation: Installation
    random: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    parent: subprocess.Popen[bytes] | None = None
    seen: set[int] = field(default_factory=set)

    def run(self, plan: list[str], *, seconds: float) -> None:
        """Carry out a plan of kills in a random order, then let the run come to its end."""
        until = time.monotonic() + seconds
        left = self.random.sample(plan, len(plan))
        self.begin()
        while not self.ended():
            assert time.monotonic() < until, f"not done after {seconds} s; {dict(self.kills)}"
            if not left:
                self.pause(0.5)
                continue
            self.until_somebody_works()
            self.pause(self.random.uniform(0.0, 0.5))
            if not self.ended():
                self.kill(left.pop())
        assert not left, f"the run was over before {left} were killed"

    def kill(self, whom: str) -> None:
        if whom == PARENT:
            self.kill_parent()
        elif whom == EVERYTHING:
            self.kill_everything()
        else:
            self.kill_worker(whom)

    def begin(self) -> None:
        self.parent = self.installation.start("run", "--once")

    def ended(self) -> bool:
        """Say whether the run came to its end by itself."""
        assert self.parent is not None
        code = self.parent.poll()
        assert code in (None, 0), f"sendit run ended with {code}"
        return code == 0

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end of the run."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.ended():
            time.sleep(0.02)

    def until_somebody_works(self) -> None:
        """Wait until new processes have started; killing them before would prove nothing."""
        while not self.ended() and not dict(self.at_work()):
            time.sleep(0.02)

    def kill_worker(self, stage: str) -> None:
        """Kill a worker that is in a stage, at whatever line of it."""
        while not self.ended():
            for pid in [pid for pid, at in self.at_work() if at == stage]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                    still = dict(self.at_work()).get(pid) == stage
                    os.kill(pid, signal.SIGKILL if still else signal.SIGCONT)
                    if still:
                        self.kills[stage] += 1
                        return
            time.sleep(self.random.uniform(0.0, 0.03))

    def kill_parent(self) -> None:
        """Kill the process that looks into the inbox; its workers end by themselves."""
        assert self.parent is not None
        self.children()
        self.parent.kill()
        self.parent.wait()
        self.kills[PARENT] += 1
        self.begin()

    def kill_everything(self) -> None:
        """Kill parent and workers at once, look whether anything is lost, and begin anew."""
        assert self.parent is not None
        victims = [self.parent.pid, *self.children()]
        for pid in victims:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.parent.wait()
        self.kills[EVERYTHING] += 1
        assert_nothing_is_lost(self.installation)
        self.begin()

    def children(self) -> list[int]:
        """Return the processes of the run, whoever is their parent now."""
        assert self.parent is not None
        path = Path(f"/proc/{self.parent.pid}/task/{self.parent.pid}/children")
        with suppress(FileNotFoundError, ProcessLookupError):
            self.seen.update(map(int, path.read_text().split()))
        return [pid for pid in self.seen if is_ours(pid)]

    def at_work(self) -> Iterator[tuple[int, str]]:
        """Yield each live worker that is in a stage, with the stage."""
        ours = set(self.children())
        for stage, worker in read(self.installation, OPEN_RUNS):
            pid = int(worker.split(":")[1])
            if pid in ours:
                yield pid, stage

    def clear(self) -> None:
        """End whatever is left, also when the test failed."""
        if self.parent is not None:
            left = self.children()
            for pid in [self.parent.pid, *left]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.parent.wait()


def is_ours(pid: int) -> bool:
    """Say whether a process that we saw is still the one that we saw."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return b"sendit" in command or b"spawn_main" in command


def read(installation: Installation, statement: str) -> list[tuple[str, ...]]:
    """Ask the database, from outside."""
    file = installation.root / DATABASE
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)) as database:
            return database.execute(statement).fetchall()
    except sqlite3.OperationalError:  # not made yet
        return []


def assert_nothing_is_lost(installation: Installation) -> None:
    """While everything is dead: what no target has proven has its original somewhere."""
    unproven = read(
        installation,
        "SELECT b.id, b.folder_key, count(*) FROM records_batch b "
        "JOIN records_image i ON i.batch_id = b.id "
        "WHERE i.status != 'DONE' AND i.verdict = 'ACCEPTED' GROUP BY b.id",
    )
    numbers = (
        "SELECT project, status, sum(number) FROM (SELECT project, status, number FROM "
        "records_batchcount UNION ALL SELECT project, status, -1 FROM records_batch) "
        "GROUP BY project, status HAVING sum(number) != 0"
    )
    assert read(installation, numbers) == [], "the numbers of batches that are kept are wrong"
    hours = (
        "SELECT n, size FROM (SELECT sum(batches) AS n, sum(bytes) AS size FROM (SELECT batches, "
        "bytes FROM records_hourcount UNION ALL SELECT -1, -bytes FROM records_batch "
        "WHERE status = 'DONE')) WHERE n != 0 OR size != 0"
    )
    assert read(installation, hours) == [], "what is kept of each hour is wrong"
    folders = {folder_key(path.stat()): path for path in installation.inbox.iterdir()}
    for batch, key, count in unproven:
        moved = installation.work_dir / "phi" / str(batch)
        places = [place for place in (moved, folders.get(key)) if place and place.is_dir()]
        there = sum(1 for place in places for _ in place.glob("*.dcm"))
        assert there >= int(count), f"batch {batch} has lost an original"


def folder_key(found: os.stat_result) -> str:
    return f"{found.st_dev}:{found.st_ino}"
