"""Runs that are killed at one point and begun again, each compared with a calm run.

Runs in a process of its own, since it forks, with Django set up on the installation; prints
one JSON object (``test_reentry.py`` starts it).  A *point* is any file operation below the
installation or any SQL statement: the process ends there with ``os._exit``, as after
``kill -9``, and the next one carries on.  Nothing of the product knows of it: file operations
are seen by an audit hook, statements by Django's own wrapper.
"""

import json
import logging
import os
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, connections

from sendit.config.keys import site_key
from sendit.pipeline import machine
from sendit.pipeline.preparation import prepare
from sendit.pipeline.runner import Runner, Step
from sendit.records.models import Batch, BatchIdentifiers, Delivery, Finding, Image
from sendit.terms import Status
from tests.pipeline.files import tree
from tests.pipeline.line import register_folder
from tests.pipeline.stages.killed_scenarios import SCENARIOS, Scenario, places_of
from tests.support.installation import Installation

FILE_EVENTS = {
    "open",
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.chmod",
    "os.scandir",
    "os.link",
}
KILLED = 99


@dataclass(slots=True)
class Fuse:
    """Ends the process at its n-th event below a folder."""

    root: str
    left: int = -1
    """How many events are still let pass; negative: all."""
    seen: int = 0
    armed: bool = False

    def event(self) -> None:
        if not self.armed:
            return
        self.seen += 1
        if self.seen == self.left:
            os.write(1, f"{stage_now()}\n".encode())
            os._exit(KILLED)

    def audit(self, name: str, arguments: tuple[Any, ...]) -> None:
        if self.armed and name in FILE_EVENTS and arguments:
            path = arguments[0]
            if isinstance(path, str | Path) and str(path).startswith(self.root):
                self.event()

    def statement(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        self.event()
        return execute(*arguments)


def stage_now() -> str:
    """Return the stage of the batch as it was committed, read past the running transaction."""
    FUSE.armed = False
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as reader:
        row = reader.execute("SELECT stage FROM records_batch").fetchone()
    return str(row[0] or "after the last")


FUSE = Fuse("")


# One run


def now() -> datetime:
    return datetime.now(UTC)


def work(scenario: Scenario) -> None:
    """Do everything that is due, and what the person decides in between."""
    configuration = settings.SENDIT
    key = site_key(configuration.settings, history=True, fingerprint=None)
    runner = Runner(configuration, site_key=key, worker=f"here:{os.getpid()}:1")
    for _ in range(2):
        while (batch_id := runner.next_batch()) is not None:
            while runner.advance(batch_id) is not Step.IDLE:
                pass
        batch = Batch.objects.get()
        waits = batch.held or batch.status == Status.ERROR
        if scenario.decision and waits and not (batch.turned_down or batch.accept_bad):
            getattr(machine, scenario.decision)(batch.pk, reason="", now=now())


def in_child(job: Callable[[], None]) -> int:
    """Do something in a forked process and return its exit code."""
    connections.close_all()
    sys.stdout.flush()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        job()
        os._exit(0)
    except BaseException:
        logging.getLogger().exception("the run failed")
        os._exit(1)


@contextmanager
def fuse(left: int) -> Iterator[None]:
    FUSE.left, FUSE.seen, FUSE.armed = left, 0, True
    with connection.execute_wrapper(FUSE.statement):
        yield
    FUSE.armed = False


def final_state(places: Installation) -> dict[str, Any]:
    """Return everything that must not depend on kills."""
    work_files = {
        path: digest
        for path, digest in tree(places.work_dir).items()
        if not path.startswith(("sendit.sqlite3", "keys/", "run/", ".setup.lock"))
    }
    batch = Batch.objects.get()
    return {
        "out": tree(places.out),
        "inbox": tree(places.inbox),
        "inbox folders": sorted(str(p.relative_to(places.inbox)) for p in places.inbox.rglob("*")),
        "work": work_files,
        "phi": sorted(path.name for path in (places.work_dir / "phi").iterdir()),
        "batch": [batch.status, batch.stage, batch.held, batch.has_error, batch.bytes],
        "errors": [[e["code"], bool(e["resolved"])] for e in batch.errors],
        "alerts": [e["code"] for e in batch.alerts],
        "unreadable": batch.unreadable,
        "images": [
            list(row)
            for row in Image.objects.order_by("nr").values_list(
                "nr", "source", "verdict", "reason", "status", "file", "sha256", "lease_token"
            )
        ],
        "deliveries": list(Delivery.objects.values_list("target", "state")),
        "findings": sorted(map(str, Finding.objects.values_list("code", "file", "nr"))),
        "identifiers": BatchIdentifiers.objects.count(),
    }


def main(name: str, points: int, root: Path, far: Path) -> None:
    """Kill at so many points, spread over the run (0: at every one), and print what differed."""
    scenario = SCENARIOS[name]
    places = places_of(root, scenario, far)
    template, far_template = root.with_name("template"), far / "template"
    logging.disable(logging.CRITICAL)
    assert in_child(lambda: prepare(settings.SENDIT) and None) == 0
    shutil.copytree(root, template, symlinks=True)
    if scenario.far_inbox:
        shutil.copytree(places.inbox, far_template, symlinks=True)
    FUSE.root = str(root)
    sys.addaudithook(FUSE.audit)

    def afresh() -> None:
        shutil.rmtree(root)
        shutil.copytree(template, root, symlinks=True)
        if scenario.far_inbox:
            shutil.rmtree(places.inbox)
            shutil.copytree(far_template, places.inbox, symlinks=True)

    def begin() -> None:
        batch = register_folder(settings.SENDIT, places.inbox / "ACC1")
        machine.admit(batch.pk, now=now())

    def run(left: int | None) -> None:
        begin()
        with nullcontext() if left is None else fuse(left):
            work(scenario)
        if left == -1:
            (root / "seen").write_text(str(FUSE.seen))

    def again() -> None:
        for batch in Batch.objects.exclude(lease_token=""):
            machine.release_claims(batch.lease_token.rpartition(":")[0], now=now())
        for image in Image.objects.exclude(lease_token=""):
            machine.release_claims(image.lease_token.rpartition(":")[0], now=now())
        work(scenario)

    afresh()
    assert in_child(lambda: run(-1)) == 0
    total = int((root / "seen").read_text())
    (root / "seen").unlink()
    calm = final_state(places)
    stride = max(1, total // points) if points else 1
    kills: Counter[str] = Counter()
    differing: dict[int, list[str]] = {}
    for left in range(1, total + 1, stride):
        afresh()
        reading, writing = os.pipe()
        stdout = os.dup(1)
        os.dup2(writing, 1)
        code = in_child(lambda: run(left))  # noqa: B023
        os.dup2(stdout, 1)
        os.close(writing)
        with os.fdopen(reading) as stream:
            where = stream.read().strip()
        assert code == KILLED, (left, code)
        kills[where] += 1
        if in_child(again):
            differing[left] = [where, "the second run failed"]
            continue
        found = final_state(places)
        if found != calm:
            differing[left] = [
                where,
                *(f"{key}: {found[key]} != {calm[key]}" for key in calm if found[key] != calm[key]),
            ]
    print(json.dumps({"scenario": name, "points": total, "kills": kills, "differing": differing}))
