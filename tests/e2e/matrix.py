"""The crash matrix: every stage, met by every fault, in every mode; and what must hold then.

``python -m tests.e2e.matrix`` (``make chaos``) goes through all of it and on until so many
workers were killed; the suite runs a part in which every two of stage, fault and mode meet.
A cell waits until some batch is at the stage, does its harm, and lets the work go on. At the
end of a mode every image must have arrived exactly once, byte for byte as in a calm run.
"""

import argparse
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import cycle, product
from pathlib import Path

import psycopg

from sendit.terms import Stage
from tests.pipeline.files import tree
from tests.support.installation import PROJECT, Installation, make_installation
from tests.support.make_study import make_instance, write_instance
from tests.support.stores import PostgreSQL, Redis
from tests.support.system import find_program

MODES = ("pool+sqlite", "pool+postgresql", "celery+postgresql")
KILLS = ("kill before", "kill in", "kill after")
FAULTS = {
    **dict.fromkeys(KILLS, MODES),
    "redis flushed": MODES[2:],
    "redis killed": MODES[2:],
    "postgresql crash": MODES[1:],
    "target down": MODES,
    "disk full": MODES,
    "clock step": MODES,
}
STAGES = tuple(map(str, Stage))
CONFIG = """\
mode = "{mode}"
work_dir = "work"
[workers]
processes = 2
lease = "1 s"
tries = 60
[limits]
batches_at_once = 8
min_free_disk = "1 MB"
min_free_inodes = 100
[ingest]
settle = "0.1 s"
scan = "0.1 s"
polling = "always"
[[inboxes]]
path = "inbox"
project = "demo"
"""
WORK = "work"
QUICK = PROJECT.replace('originals = "remove"', 'previews = "remove"\nexcluded = "remove"').replace(
    '"../out"', f'"../{WORK}/out"'
)
"""The target lies on the volume of the working folder, so that it takes results over."""
AT_STAGE = (
    "SELECT worker FROM records_stagerun WHERE ended IS NULL AND stage = '{stage}' ORDER BY id"
)
WAITING = "SELECT id FROM records_batch WHERE stage = '{stage}' AND lease_token = ''"
MET = {
    "kill before": (
        "SELECT DISTINCT stage FROM records_batch WHERE stage != '' AND lease_token = '' "
        "AND status != 'QUEUE'"
    ),
    "kill in": "SELECT DISTINCT stage FROM records_stagerun WHERE ended IS NULL",
    "kill after": "SELECT DISTINCT stage FROM records_stagerun WHERE ended IS NULL",
}
"""At which stages something can be met now."""
LATELY = "SELECT id, worker FROM records_stagerun WHERE stage = '{stage}' AND outcome = 'done'"
HURRY = (
    "UPDATE records_batch SET retry_at = NULL WHERE status != 'ERROR'",
    "UPDATE records_delivery SET retry_at = NULL",
    "UPDATE records_targethealth SET open_until = NULL",
)
VOLUME = "48m"
DAY = 86400

WRONG = ("repeated moves", "lost", "doubled or foreign", "changed bytes")
"""What must be 0."""

Cell = tuple[str, str]
"""Stage and fault."""


def whole() -> dict[str, list[Cell]]:
    """Return every cell, by mode."""
    return {
        mode: [(stage, fault) for stage, fault in product(STAGES, FAULTS) if mode in FAULTS[fault]]
        for mode in MODES
    }


def pairwise() -> dict[str, list[Cell]]:
    """Return cells in which every stage meets every fault, and each of them every mode."""
    chosen: dict[str, list[Cell]] = {mode: [] for mode in MODES}
    for row, fault in enumerate(FAULTS):
        modes = cycle(FAULTS[fault])
        for _ in range(row):
            next(modes)
        for stage in STAGES:
            chosen[next(modes)].append((stage, fault))
    return chosen


@dataclass
class Site:
    """An installation under fire."""

    mode: str
    root: Path
    random: random.Random
    postgresql: PostgreSQL | None
    redis: Redis | None
    faketime: dict[str, str] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    fed: int = 0
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    url: str = ""
    connection: "psycopg.Connection[tuple[object, ...]] | None" = None
    """Kept, since a new one for each of our many questions would cost as much as the work."""

    def __post_init__(self) -> None:
        self.installation = installation_in(self.root, mode=self.mode.partition("+")[0])
        if self.postgresql is not None:
            self.url = self.postgresql.new_database(self.root.name)
        (self.root / "clock").write_text("+0")

    # The database, from outside

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        try:
            if self.url:
                return self._postgresql().execute(statement).fetchall()  # type: ignore[call-overload]
            file = self.root / "work/sendit.sqlite3"
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)) as database:
                return database.execute(statement).fetchall()
        except (psycopg.OperationalError, psycopg.errors.UndefinedTable, sqlite3.OperationalError):
            return []

    def _postgresql(self) -> "psycopg.Connection[tuple[object, ...]]":
        if self.connection is None or self.connection.closed:
            self.connection = psycopg.connect(self.url, connect_timeout=2, autocommit=True)
        return self.connection

    def hurry(self) -> None:
        """Let what is put off be tried at once, as ``sendit retry`` does."""
        undefined = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)  # not yet
        with suppress(psycopg.OperationalError, *undefined, sqlite3.OperationalError):
            if self.url:
                for statement in HURRY:
                    self._postgresql().execute(statement)
            else:
                file = self.root / "work/sendit.sqlite3"
                with closing(sqlite3.connect(file, timeout=5)) as database, database:
                    for statement in HURRY:
                        database.execute(statement)

    # Its processes

    @property
    def environ(self) -> dict[str, str]:
        more: dict[str, str] = {}
        if self.url:
            more["SENDIT_DATABASE_URL"] = self.url
        if self.redis is not None:
            more["SENDIT_BROKER_URL"] = self.redis.url
        return more

    def start(self) -> None:
        self._start("run")
        if self.redis is not None:
            until = time.monotonic() + 120
            while not self.ask("SELECT id FROM records_installation"):
                assert time.monotonic() < until, self.said()
                time.sleep(0.1)
            self._start("worker", "--zone", "phi", "--concurrency", "2")
            self._start("worker", "--zone", "out", "--concurrency", "1")

    def _start(self, *words: str) -> None:
        clock = {**self.faketime, "FAKETIME_TIMESTAMP_FILE": str(self.root / "clock")}
        with (self.root / f"{words[-1]}{len(self.processes)}.log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "sendit", *words],
                    cwd=self.root,
                    env=self.installation.environ(
                        **self.environ, **(clock if self.faketime else {})
                    ),
                    stdout=log,
                    stderr=log,
                )
            )

    def end(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()

    def said(self) -> str:
        return "\n".join(
            f"== {log.name}\n{log.read_text()[-2500:]}" for log in sorted(self.root.glob("*.log"))
        )

    # Work for them

    def feed(self, *, at_least: int = 6) -> None:
        """Hand folders in until so many batches are not done."""
        left = self.ask("SELECT count(*) FROM records_batch WHERE stage != ''")
        known = self.ask("SELECT count(*) FROM records_batch")
        unseen = self.fed - int(str(known[0][0])) if known else self.fed
        waiting = (int(str(left[0][0])) if left else 0) + unseen
        for _ in range(max(0, at_least - waiting)):
            self.fed += 1
            hand_in(self.installation, self.fed)

    # Harm

    def go_through(self, cells: Sequence[Cell], *, seconds: float = 180) -> None:
        for stage, fault in self.random.sample(list(cells), len(cells)):
            until = time.monotonic() + seconds
            while not self.strike(stage, fault):
                assert time.monotonic() < until, f"no batch came to {stage}\n{self.said()}"
                self.look_after()
            self.done[fault] += 1

    def kill_at_random(self, number: int) -> None:
        """Go on killing until so many were killed, at whatever stage work is met."""
        while self.kills.total() < number:
            self.look_after()
            fault = self.random.choice(KILLS)
            stages = [str(stage) for (stage,) in self.ask(MET[fault])]
            if stages:
                self.strike(self.random.choice(stages), fault)
            else:
                time.sleep(0.02)

    def look_after(self) -> None:
        for process in self.processes:
            assert process.poll() is None, f"a parent ended by itself\n{self.said()}"
        self.feed()
        self.hurry()

    def strike(self, stage: str, fault: str) -> bool:
        """Do the harm when a batch is where it is to be met; False when none is now."""
        if fault in KILLS:
            return {
                "kill before": self._kill_before,
                "kill in": self._kill_in,
                "kill after": self._kill_after,
            }[fault](stage)
        for _ in range(100):
            if self.ask(AT_STAGE.format(stage=stage)):
                break
            time.sleep(0.002)
        else:
            return False
        harm: dict[str, Callable[[], None]] = {
            "redis flushed": self._flush,
            "redis killed": self._kill_redis,
            "postgresql crash": self._crash_postgresql,
            "target down": self._take_target_down,
            "disk full": self._fill_disk,
            "clock step": self._step_clock,
        }
        harm[fault]()
        return True

    def workers(self) -> list[int]:
        """Return the worker processes of our parents."""
        found = []
        for parent in self.processes:
            children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
            with suppress(FileNotFoundError, ProcessLookupError):
                found += [pid for pid in map(int, children.read_text().split()) if is_worker(pid)]
        return found

    def _kill_before(self, stage: str) -> bool:
        if not self.ask(WAITING.format(stage=stage)):
            return False
        return self._kill(self.random.choice(self.workers() or [0]), stage)

    def _kill_in(self, stage: str) -> bool:
        for (worker,) in self.ask(AT_STAGE.format(stage=stage)):
            pid = int(str(worker).split(":")[1])
            if pid not in self.workers():
                continue
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                still = (worker,) in self.ask(AT_STAGE.format(stage=stage))
                if still:
                    return self._kill(pid, stage)
                os.kill(pid, signal.SIGCONT)
        return False

    def _kill_after(self, stage: str) -> bool:
        before = set(self.ask(LATELY.format(stage=stage)))
        for _ in range(200):
            if new := set(self.ask(LATELY.format(stage=stage))) - before:
                pid = int(str(new.pop()[1]).split(":")[1])
                return self._kill(pid, stage) if pid in self.workers() else False
            time.sleep(0.005)
        return False

    def _kill(self, pid: int, stage: str) -> bool:
        if pid <= 0:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        self.kills[stage] += 1
        return True

    def _flush(self) -> None:
        assert self.redis is not None
        self.redis.flush()

    def _kill_redis(self) -> None:
        assert self.redis is not None
        self.redis.restart()

    def _crash_postgresql(self) -> None:
        assert self.postgresql is not None
        self.postgresql.restart()

    def _take_target_down(self) -> None:
        away = self.installation.out.with_suffix(".away")
        self.installation.out.rename(away)
        time.sleep(0.3)
        away.rename(self.installation.out)

    def _fill_disk(self) -> None:
        filler = self.root / "work/filler"
        with suppress(OSError), filler.open("wb", buffering=0) as stream:
            while True:
                stream.write(b"\0" * 65536)
        time.sleep(0.5)
        filler.unlink(missing_ok=True)

    def _step_clock(self) -> None:
        ahead = (self.root / "clock").read_text() == "+0"
        (self.root / "clock").write_text(f"+{DAY}" if ahead else "+0")
        time.sleep(1.2)  # until every process has read it

    # What must hold

    def settle(self, *, seconds: float = 300) -> None:
        """Wait until everything rests."""
        until = time.monotonic() + seconds
        statement = "SELECT count(*) FROM records_batch WHERE status = 'DONE' AND stage = ''"
        while (found := self.ask(statement)) != [(self.fed,)]:
            standing = self.ask(
                "SELECT id, status, stage, lease_token, retry_at FROM records_batch "
                "WHERE stage != ''"
            )
            assert time.monotonic() < until, (
                f"{found} of {self.fed} done: {standing}\n{self.said()}"
            )
            self.hurry()
            time.sleep(0.2)

    def verdict(self, calm: Path) -> dict[str, int]:
        """Compare with a calm run of the same folders; return what the table says."""
        wild, right = tree(self.installation.out), tree(calm)
        moves = self.ask(
            "SELECT batch_id, stage, count(*) FROM records_stagerun WHERE outcome = 'done' "
            "AND stage IN ('import', 'identify') GROUP BY batch_id, stage"
        )
        images = self.ask("SELECT status, count(*) FROM records_image GROUP BY status")
        assert images == [("DONE", self.fed * 3)], images
        assert not list(self.installation.inbox.iterdir())
        kept = self.ask("SELECT status, sum(number) FROM records_batchcount GROUP BY status")
        assert [row for row in kept if row[1]] == [("DONE", self.fed)], kept
        runs = "records_stagerun WHERE stage = 'deidentify' AND ended IS NOT NULL"
        went = self.ask("SELECT sum(batches), sum(images) FROM records_hourcount")
        assert went == self.ask(f"SELECT {self.fed}, sum(images) FROM {runs}"), went
        return {
            "batches": self.fed,
            "images": self.fed * 3,
            "kills": self.kills.total(),
            "moves": sum(int(str(count)) for _, _, count in moves),
            "repeated moves": sum(int(str(count)) > 1 for _, _, count in moves),
            "lost": len(right.keys() - wild.keys()),
            "doubled or foreign": len(wild.keys() - right.keys()),
            "changed bytes": sum(wild[name] != right[name] for name in wild.keys() & right.keys()),
            "stages without a kill": sum(not self.kills[stage] for stage in STAGES),
        }


def installation_in(root: Path, *, mode: str) -> Installation:
    places = make_installation(root, config=CONFIG.format(mode=mode), project=QUICK)
    places.work_dir.mkdir()
    return replace(places, out=places.work_dir / "out")


def hand_in(installation: Installation, number: int) -> None:
    """Put one small study into the inbox, the same for the same number."""
    arriving = installation.root / "arriving"
    for image in range(1, 4):
        ds = make_instance(
            seed=f"study {number}",
            number=image,
            rows=8,
            columns=8,
            PatientID=f"MRN{number:06}",
            AccessionNumber=f"ACC{number:06}",
        )
        write_instance(arriving / f"{image}.dcm", ds)
    arriving.rename(installation.inbox / f"S{number:05}")


def is_worker(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        return b"sendit" in command or b"spawn_main" in command
    return False


@contextmanager
def small_volume(folder: Path) -> Iterator[None]:
    """Mount a small file system of its own there, for what happens when it is full."""
    words = ["mount", "-t", "tmpfs", "-o", f"size={VOLUME}", "tmpfs", str(folder)]
    subprocess.run(words, check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def may_mount() -> bool:
    return os.geteuid() == 0


def clock_library() -> dict[str, str]:
    """Return the environment in which a process's clock can be set; empty without faketime."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        return {}
    return {
        "LD_PRELOAD": str(found[0]),
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_NO_CACHE": "0",
        "FAKETIME_CACHE_DURATION": "1",
    }


def run(mode: str, cells: Sequence[Cell], *, seed: int, kills: int = 0) -> dict[str, int]:
    """Go through the cells of one mode, and on with kills at random until so many were made."""
    chosen = random.Random(seed)
    shared = Path("/dev/shm")
    initdb, redis_server = find_program("initdb"), find_program("redis-server")
    assert initdb is not None
    assert redis_server is not None
    postgresql = PostgreSQL(initdb) if "postgresql" in mode else None
    redis = Redis(redis_server) if "celery" in mode else None
    base = Path(tempfile.mkdtemp(prefix="sendit-matrix-", dir=shared if shared.is_dir() else None))
    site = None
    try:
        for server in (postgresql, redis):
            if server is not None:
                server.start()
        site = Site(mode, base / mode.replace("+", "-"), chosen, postgresql, redis, clock_library())
        with small_volume(site.root / WORK):
            try:
                site.start()
                site.go_through(cells)
                site.kill_at_random(kills)
                site.settle()
            finally:
                site.end()
            calm = installation_in(base / "calm", mode="inline")
            for number in range(1, site.fed + 1):
                hand_in(calm, number)
            shutil.copytree(site.root / "work/keys", calm.work_dir / "keys")
            done = calm.run("run", "--once", timeout=600)
            assert done.returncode == 0, done.stderr
            found = site.verdict(calm.out)
        report(site, found)
        return found
    finally:
        if site is not None and site.connection is not None:
            site.connection.close()
        for server in (postgresql, redis):
            if server is not None:
                server.remove()
        shutil.rmtree(base, ignore_errors=True)


def report(site: Site, found: dict[str, int]) -> None:
    """Print the table of one mode, at once: the other modes print theirs beside it."""
    lines = (
        f"\n{site.mode}: " + ", ".join(f"{name} {value}" for name, value in found.items()),
        "  faults: " + ", ".join(f"{name} {n}" for name, n in sorted(site.done.items())),
        "  kills by stage: " + ", ".join(f"{stage} {site.kills[stage]}" for stage in STAGES),
    )
    print("\n".join(lines), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=20260504)
    parser.add_argument("--kills", type=int, default=1000, help="over all modes")
    parser.add_argument("--mode", choices=MODES, action="append")
    parser.add_argument("--jobs", type=int, default=len(MODES), help="so many modes at a time")
    options = parser.parse_args()
    modes = options.mode or MODES
    each = -(-options.kills // len(modes))
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=spawn) as at_a_time:
        runs = [
            at_a_time.submit(run, mode, whole()[mode], seed=options.seed, kills=each)
            for mode in modes
        ]
        found = [run.result() for run in as_completed(runs)]
    total, bad = sum(one["kills"] for one in found), sum(one[w] for one in found for w in WRONG)
    left_out = sum(one["stages without a kill"] for one in found)
    print(f"\n{total} kills; {bad} moves repeated, images lost, doubled or changed")
    return int(bad > 0 or left_out > 0)


if __name__ == "__main__":
    sys.exit(main())
