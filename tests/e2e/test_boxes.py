"""The main job through services that are confined as compose.yaml says."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.e2e.boxes import Boxes
from tests.e2e.topology import OURS
from tests.support.stores import PostgreSQL, Redis


@pytest.fixture
def boxes(
    tmp_path: Path, own_postgresql: PostgreSQL, redis_server: Redis, nginx: str
) -> Iterator[Boxes]:
    site = Boxes(tmp_path, own_postgresql, redis_server, own_postgresql.new_database("box"), nginx)
    try:
        yield site
    finally:
        site.end()


def wrong(said: str) -> set[str]:
    return {check["what"] for check in json.loads(said)["checks"] if not check["ok"]}


@pytest.mark.boxes
@pytest.mark.timeout(400)
def test_main_job_needs_no_more_than_compose_gives(boxes: Boxes) -> None:
    site = boxes
    site.start("watcher")
    site.wait_until(lambda: site.healthy("watcher"), "the watcher is not healthy")
    for name in ("web", "worker-phi", "worker-out"):
        site.start(name)
    site.wait_until(lambda: all(map(site.healthy, OURS)), "not all are healthy")

    site.hand_in("ACC1")

    def done() -> bool:
        with psycopg.connect(site.database_url) as connection:
            rows = connection.execute("SELECT status, stage FROM records_batch").fetchall()
        return rows == [("DONE", "")]

    site.wait_until(done, "the batch was not done")
    assert len(list(site.out.rglob("*.dcm"))) == 3
    with_originals = site.asked("watcher", "sendit", "doctor", "--json")
    with_results = site.asked("worker-out", "sendit", "doctor", "--json")
    check = site.asked("worker-out", "sendit", "check", "--json")
    assert wrong(with_originals.stdout) <= {"swap"}, with_originals.stdout
    assert wrong(with_results.stdout) <= {"swap"}, with_results.stdout
    assert check.returncode == 0, check.stdout
    logs = {name: (site.root / f"{name}.log").read_text() for name in OURS}
    assert not [name for name, said in logs.items() if "Read-only" in said], logs
