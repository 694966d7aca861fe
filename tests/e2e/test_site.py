"""A site's processes on real Redis and PostgreSQL: the main job goes through both zones."""

import json
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from celery import Celery
from kombu import Exchange, Queue

from tests.support.installation import INSTALLATION, Installation
from tests.support.overheard import Overheard
from tests.support.site import SITE, Site, running, site_in
from tests.support.stores import PostgreSQL, Redis


@pytest.fixture
def site(
    installation: Installation, postgresql: PostgreSQL, redis_server: Redis, tmp_path: Path
) -> Site:
    database = postgresql.new_database(f"site-{tmp_path.name}"[-60:])
    return site_in(installation, database_url=database, broker_url=redis_server.url)


def app_of(site: Site) -> Celery:
    """Return somebody else's way to send messages."""
    queues = [Queue(name, Exchange(""), routing_key=name) for name in ("phi", "out")]
    app = Celery(broker=site.broker_url, set_as_current=False)
    app.conf.task_queues = queues
    return app


@pytest.mark.timeout(400)
def test_study_is_delivered_by_workers_of_two_zones(site: Site) -> None:
    site.installation.add_study("ACC1", n_series=2, n_images=3)

    with running(site):
        site.wait_until_done(1)

    workers = dict(site.ask("SELECT stage, worker FROM records_stagerun"))
    assert len(site.installation.delivered()) == 6
    assert {workers["send"], workers["verify"]}.isdisjoint(
        {workers[stage] for stage in ("import", "identify", "deidentify", "clean_up")}
    )


@pytest.mark.timeout(400)
def test_workers_are_copies_that_keep_their_connection_until_it_is_cut(site: Site) -> None:
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid()"
    with running(site):
        site.installation.add_study("ACC1", n_series=1, n_images=2)
        site.wait_until_done(1)
        # Who tends a worker connects when it first says that it is alive.
        everybody = "the watcher, two who tend workers, two workers"
        site.wait_until(lambda: len(site.ask(f"SELECT pid {others}")) == 5, everybody)
        connected = site.ask(f"SELECT pid {others} ORDER BY pid")
        commands = [
            Path(f"/proc/{child}/cmdline").read_text()
            for zone in ("phi", "out")
            for child in children_of(site.processes[f"worker-{zone}"].pid)
        ]

        site.installation.add_study("ACC2", n_series=1, n_images=2)
        site.wait_until_done(2)
        still_connected = site.ask(f"SELECT pid {others} ORDER BY pid")
        site.ask(f"SELECT pg_terminate_backend(pid) {others}")
        site.installation.add_study("ACC3", n_series=1, n_images=2)
        site.wait_until_done(3)

    assert len(commands) == 2, "one worker of each zone, and nobody beside it"
    assert all("worker" in command.split("\0") for command in commands)
    assert still_connected == connected


def children_of(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.timeout(400)
def test_messages_are_few_and_hold_one_integer(site: Site, redis_server: Redis) -> None:
    site.configure(SITE.replace('lease = "5 s"', 'lease = "5 s"\nchunk = 2'))
    site.installation.add_study("CNRYACC1", n_series=1, n_images=60, PatientName="CNRY^MARK")

    with Overheard(redis_server) as heard, running(site):
        site.wait_until_done(1)

    messages = heard.messages()
    assert 3 <= len(messages) <= 20, [zone for zone, _ in messages]
    assert {json.dumps(body[:2]) for _, body in messages} == {"[[1], {}]"}
    assert "CNRY" not in heard.everything()
    assert {key for key in heard.keys() if not key.startswith("_kombu.")} <= {"phi", "out"}  # noqa: SIM118


@pytest.mark.timeout(400)
def test_messages_that_are_lost_cost_seconds_only(site: Site, redis_server: Redis) -> None:
    for number in range(3):
        site.installation.add_study(f"ACC{number}", n_series=1, n_images=4)

    with running(site):
        for _ in range(100):
            redis_server.flush()
            time.sleep(0.02)
        site.wait_until_done(3)

    assert len(site.installation.delivered()) == 12


@pytest.mark.timeout(400)
def test_messages_repeated_late_reordered_or_misdirected_change_nothing(site: Site) -> None:
    for number in range(2):
        site.installation.add_study(f"ACC{number}", n_series=1, n_images=4)
    app = app_of(site)
    chosen = random.Random(20260504)

    def send(n: int) -> None:
        for _ in range(n):
            word = chosen.choice([1, 2, 1, 2, 99, -1, "1", None, [1]])
            app.send_task("sendit.advance", (word,), queue=chosen.choice(["phi", "out"]))

    with running(site, phi=2):
        send(60)
        site.wait_until_done(2)
        before = site.ask("SELECT stage, outcome FROM records_stagerun ORDER BY id")
        send(60)
        site.wait_until(lambda: site.waiting() == 0, "the messages were not taken")
        site.installation.add_study("ACC9", n_series=1, n_images=1)
        site.wait_until_done(3)

    runs = site.ask("SELECT stage, outcome FROM records_stagerun WHERE batch_id < 3 ORDER BY id")
    assert runs == before
    sends = Counter(stage for stage, _ in runs)["send"]
    assert sends == 2 * 2, "prepared among the originals, then sent"
    assert len(site.installation.delivered()) == 9


@pytest.mark.timeout(400)
def test_worker_lets_go_within_ten_seconds_of_sigterm(site: Site) -> None:
    site.installation.add_study("ACC1", n_series=1, n_images=200)
    with running(site):
        site.wait_until(
            lambda: site.ask("SELECT 1 FROM records_image WHERE status = 'PROCESSING'"),
            "nothing was claimed",
        )
        began = time.monotonic()
        site.end(["worker-phi"])
        took = time.monotonic() - began
        held = site.ask("SELECT count(*) FROM records_image WHERE lease_until > now()")
        tries = site.ask("SELECT max(attempts) FROM records_image WHERE status = 'NEW'")
        site.start("worker-phi", "worker", "--zone", "phi", "--concurrency", "1")
        site.wait_until_done(1)

    assert took < 10
    assert held == [(0,)]
    assert tries == [(0,)]
    assert len(site.installation.delivered()) == 200


@pytest.mark.timeout(400)
def test_worker_refuses_to_start_without_what_it_needs(site: Site) -> None:
    dead = "redis://127.0.0.1:1/0"

    wrong_usage = site.run("worker")
    no_tables = site.run("worker", "--zone", "out")
    assert site.run("check").returncode == 0
    no_broker = site.run("worker", "--zone", "out", SENDIT_BROKER_URL=dead)
    no_database = site.run(
        "worker", "--zone", "out", SENDIT_DATABASE_URL="postgresql://sendit@127.0.0.1:1/x"
    )
    (site.installation.work_dir / "clean" / ".sendit-volume").unlink()
    no_volume = site.run("worker", "--zone", "out")
    site.configure(INSTALLATION)
    other_mode = subprocess.run(
        [sys.executable, "-m", "sendit", "worker", "--zone", "phi"],
        cwd=site.installation.root,
        env=site.installation.environ(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert wrong_usage.returncode == 2
    refused = (no_tables, no_broker, no_database, no_volume, other_mode)
    assert [done.returncode for done in refused] == [1] * 5
    assert "start the watcher" in no_tables.stderr
    assert "broker.url" in no_broker.stderr
    assert "database" in no_database.stderr
    assert "not mounted" in no_volume.stderr
    assert 'mode = "pool"' in other_mode.stderr


@pytest.mark.timeout(400)
def test_doctor_names_the_queue_that_nobody_takes_from(site: Site) -> None:
    """The workers that send listen to another Redis, as after a slip in one host's broker.url."""
    site.installation.add_study("ACC1", n_series=1, n_images=1)
    right, wrong = site.broker_url, site.broker_url.removesuffix("/0") + "/1"

    def found() -> dict[str, str | None]:
        checks = json.loads(site.run("doctor", "--json").stdout)["checks"]
        return {check["what"]: check["problem"] for check in checks}

    with running(site, out=0):
        site.broker_url = wrong
        site.start("worker-out", "worker", "--zone", "out", "--concurrency", "1")
        site.broker_url = right
        site.wait_until(
            lambda: site.ask("SELECT 1 FROM records_beat WHERE name LIKE 'worker-out%'"),
            "the worker did not begin",
        )
        site.wait_until(lambda: site.waiting("out"), "no message waits for it")
        ill = found()
        site.end(["worker-out"])
        site.start("worker-out", "worker", "--zone", "out", "--concurrency", "1")
        site.wait_until_done(1)
        well = found()

    assert "for zone out: nobody takes any" in (ill["queue of zone out"] or "")
    assert ill["workers of zone out"] is None
    assert ill["queue of zone phi"] is None
    assert well["queue of zone out"] is None


@pytest.mark.timeout(400)
def test_old_workers_leave_a_newer_database_alone(site: Site) -> None:
    with running(site):
        site.tell(
            "INSERT INTO django_migrations (app, name, applied) VALUES "
            "('records', '9999_from_the_future', now())"
        )
        site.installation.add_study("ACC1", n_series=1, n_images=1)
        site.wait_until(
            lambda: site.processes["worker-phi"].poll() is not None, "the worker went on"
        )
        code = site.processes["worker-phi"].returncode
    again = site.run("worker", "--zone", "out")
    watcher = site.run("run", "--once")

    assert code == 1
    assert site.ask("SELECT count(*) FROM records_stagerun") == [(0,)]
    assert [again.returncode, watcher.returncode] == [1, 1]
    assert "newer sendit" in again.stderr + watcher.stderr


@pytest.mark.timeout(400)
def test_worker_of_the_out_zone_needs_neither_originals_nor_a_key(
    site: Site, tmp_path: Path
) -> None:
    site.installation.add_study("ACC1", n_series=1, n_images=3)
    apart = tmp_path / "apart"
    (apart / "inbox").mkdir(parents=True)
    (apart / "work").mkdir()
    shutil.copytree(site.installation.projects, apart / "projects")
    shutil.copy(site.installation.config, apart / "sendit.toml")

    with running(site, out=0):
        (apart / "work" / "clean").symlink_to(site.installation.work_dir / "clean")
        site.start(
            "worker-apart",
            "worker",
            "--zone",
            "out",
            "--concurrency",
            "1",
            "--config",
            str(apart / "sendit.toml"),
        )
        site.wait_until_done(1, seconds=75)

    assert len(site.installation.delivered()) == 3
    assert [path.name for path in (apart / "work").iterdir()] == ["clean"]
