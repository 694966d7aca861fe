"""Processes that stop, die or hang in a site: another takes over, the rest goes on."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.hung_mount import HungMount, hang
from tests.support.installation import PROJECT, SOURCES, Installation
from tests.support.site import SITE, Site, running, site_in
from tests.support.stores import PostgreSQL, Redis

__all__ = ["hang"]


@pytest.fixture
def site(
    installation: Installation, postgresql: PostgreSQL, redis_server: Redis, tmp_path: Path
) -> Site:
    database = postgresql.new_database(f"trouble-{tmp_path.name}"[-60:])
    return site_in(installation, database_url=database, broker_url=redis_server.url)


def worker_of(site: Site, statement: str) -> int:
    """Return the number of the process that holds what a statement finds."""
    found: list[tuple[object, ...]] = []
    site.wait_until(lambda: found.extend(site.ask(statement)) or found, "nothing was claimed")
    return int(str(found[0][0]).split(":")[1])


@pytest.mark.timeout(300)
def test_worker_that_was_stopped_past_its_lease_writes_nothing_when_it_goes_on(
    site: Site,
) -> None:
    site.configure(SITE.replace('lease = "5 s"', 'lease = "1 s"\nchunk = 4'))
    site.installation.add_study("ACC1", n_series=1, n_images=120)

    with running(site, phi=2):
        stopped = stop_one_that_holds_images(site)
        try:
            site.wait_until_done(1)
            before = rows(site)
            delivered = {path: path.read_bytes() for path in site.installation.delivered()}
        finally:
            os.kill(stopped, signal.SIGCONT)
        site.installation.add_study("ACC2", n_series=1, n_images=8)
        site.wait_until_done(2)

    assert rows(site) == before
    assert len(delivered) == 120
    assert {path: path.read_bytes() for path in delivered} == delivered
    assert len(site.installation.delivered()) == 128
    assert not list((site.installation.work_dir / "phi").glob("*/new/**/*.dcm"))


def stop_one_that_holds_images(site: Site) -> int:
    """Stop a process in the middle of a chunk, and return its number."""
    while True:
        process = worker_of(
            site, "SELECT lease_token FROM records_image WHERE status = 'PROCESSING' LIMIT 1"
        )
        os.kill(process, signal.SIGSTOP)
        if site.ask(f"SELECT 1 FROM records_image WHERE lease_token LIKE '%:{process}:%'"):
            return process
        os.kill(process, signal.SIGCONT)


def rows(site: Site) -> list[tuple[object, ...]]:
    """Return what stands of the first batch's images and deliveries."""
    return site.ask(
        "SELECT nr, status, verdict, attempts, file, sha256, modified FROM records_image "
        "WHERE batch_id = 1 ORDER BY nr"
    ) + site.ask(
        "SELECT stage, worker, outcome, started, ended FROM records_stagerun "
        "WHERE batch_id = 1 AND outcome = 'done' ORDER BY id"
    )


POISON = """\
import os, signal, sys

def read(event, arguments):
    if event == "open" and str(arguments[0]).endswith("/phi/1/3.dcm"):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(read)
"""


@pytest.mark.timeout(300)
def test_image_that_kills_its_worker_is_given_up_and_named_and_the_rest_goes_on(
    site: Site, tmp_path: Path
) -> None:
    """The third original kills every process that opens it, as one that breaks a codec would."""
    (tmp_path / "poison").mkdir()
    (tmp_path / "poison/sitecustomize.py").write_text(POISON)
    site.preload = {"PYTHONPATH": f"{tmp_path / 'poison'}:{SOURCES}"}
    site.configure(SITE.replace('lease = "5 s"', 'lease = "1 s"\ntries = 2\nchunk = 4'))
    site.installation.add_study("ACC1", n_series=1, n_images=6)
    site.installation.add_study("ACC2", n_series=1, n_images=3)

    with running(site, phi=2):
        site.wait_until(
            lambda: site.statuses() == ["DONEPROCESSING", "DONE"], "the rest did not go on"
        )
        site.wait_until(
            lambda: site.ask("SELECT stage FROM records_batch WHERE id = 1") == [("clean_up",)],
            "the poisoned study was not delivered without the image",
        )

    rejected = site.ask("SELECT nr, reason, attempts FROM records_image WHERE verdict='REJECTED'")
    assert [(nr, reason) for nr, reason, _ in rejected] == [(3, "CRASHED")]
    assert len(site.installation.delivered()) == 5 + 3
    (told,) = site.ask("SELECT errors -> 0 ->> 'code' FROM records_batch WHERE has_error")
    assert told == ("CRASHED",)
    assert (site.installation.work_dir / "phi/1/3.dcm").exists(), "the original is kept"


@pytest.mark.timeout(300)
def test_target_on_a_mount_that_hangs_costs_its_own_batches_alone(
    site: Site, hang: Callable[[Path], HungMount]
) -> None:
    """The mount takes every request and answers none (FUSE), as NFS whose server has gone.

    Whoever waits for it sleeps in the kernel and cannot be ended by SIGKILL: harder than NFS,
    whose waiters die of one.
    """
    places = site.installation
    site.configure(
        SITE.replace('lease = "5 s"', 'lease = "2 s"\ntries = 2').replace(
            "[limits]", '[limits]\ninstance_timeout = "2 s"'
        )
        + '[[inboxes]]\npath = "inbox2"\nproject = "far"\n'
    )
    (places.root / "inbox2").mkdir()
    (places.root / "far").mkdir()
    places.write_project(PROJECT.replace("../out", "../far"), name="far")

    with running(site, out=2):
        mount = hang(places.root / "far")
        places.add_study("ACC1", n_series=1, n_images=2).rename(places.root / "inbox2/ACC1")
        for tries in (1, 2):
            worker_of(site, HANGING.format(tries=tries))
        places.add_study("ACC2", n_series=1, n_images=2)
        site.wait_until(
            lambda: sorted(site.statuses()) == ["DONE", "ERROR"], "the other project waited, too"
        )
        delivered = len(places.delivered())
        mount.vanish()
        done = site.run("retry", "1")
        site.wait_until(lambda: site.statuses() == ["DONE", "DONE"], "it did not go on")

    assert delivered == 2
    assert done.returncode == 0, done.stderr
    assert len(list((places.root / "far").rglob("*.dcm"))) == 2


HANGING = """
SELECT b.lease_token FROM records_batch b WHERE b.stage = 'send' AND b.prepared IS NOT NULL
AND b.project = 'far' AND b.attempts >= {tries} AND b.lease_token <> ''
"""
