"""Processes that are stopped or die in a site: another takes over, the rest goes on."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.installation import SOURCES, Installation
from tests.support.site import SITE, Site, running, site_in
from tests.support.stores import PostgreSQL, Redis
from tests.support.system import find_program


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


@pytest.fixture
def small_database() -> Iterator[tuple[PostgreSQL, Path]]:
    """A PostgreSQL on a volume of its own that has little room, and that volume."""
    initdb = find_program("initdb")
    volume = Path(tempfile.mkdtemp(prefix="sendit-small-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=120m,mode=755", "tmpfs", str(volume)]
    if initdb is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        volume.rmdir()
        pytest.skip("needs PostgreSQL, and root to mount a small volume")
    server = PostgreSQL(initdb, within=volume)
    try:
        server.start()
        yield server, volume
    finally:
        server.remove()
        subprocess.run(["umount", str(volume)], check=True)
        volume.rmdir()


@pytest.mark.timeout(400)
def test_database_volume_that_is_full_costs_only_the_time_until_there_is_room(
    installation: Installation, small_database: tuple[PostgreSQL, Path], redis_server: Redis
) -> None:
    server, volume = small_database
    url = server.new_database("small")
    site = site_in(installation, database_url=url, broker_url=redis_server.url)
    filler = volume / "filler"

    with running(site):
        site.installation.add_study("ACC1", n_series=1, n_images=60)
        site.wait_until(lambda: site.ask("SELECT 1 FROM records_image"), "nothing came in")
        with suppress(OSError), filler.open("wb", buffering=0) as stream:
            while True:
                stream.write(bytes(65536))
        site.wait_until(
            lambda: any(
                "did not answer" in log.read_text() for log in installation.root.glob("*.log")
            ),
            "nobody missed the database",
        )
        assert [process.poll() for process in site.processes.values()] == [None] * 3
        filler.unlink()
        with suppress(subprocess.CalledProcessError):
            server.start()  # as compose does, had it ended
        site.wait_until_done(1)

    assert len(installation.delivered()) == 60
    assert site.ask("SELECT count(*) FROM records_finding") == [(0,)]


POISON = """\
import os, signal, sys

def read(event, arguments):
    if event == "open" and str(arguments[0]).endswith("/phi/1/3.dcm"):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(read)
"""

RESTS = """
SELECT id, has_error FROM records_batch
WHERE status IN ('ERROR', 'DONE') OR held <> '' ORDER BY id
"""


@pytest.mark.timeout(300)
def test_study_that_kills_its_worker_is_given_up_and_named_and_the_rest_goes_on(
    site: Site, tmp_path: Path
) -> None:
    """The third original kills every process that opens it, as one that breaks a parser would."""
    (tmp_path / "poison").mkdir()
    (tmp_path / "poison/sitecustomize.py").write_text(POISON)
    site.preload = {"PYTHONPATH": f"{tmp_path / 'poison'}:{SOURCES}"}
    site.configure(SITE.replace('lease = "5 s"', 'lease = "1 s"\ntries = 2'))
    site.installation.add_study("ACC1", n_series=1, n_images=6)
    site.installation.add_study("ACC2", n_series=1, n_images=3)

    with running(site, phi=2):
        # The image is given up, or its batch with it: that depends on who opens it first.
        site.wait_until(
            lambda: site.ask(RESTS) == [(1, True), (2, False)], "the rest did not go on"
        )

    told = site.ask("SELECT id, errors -> 0 ->> 'code' FROM records_batch WHERE has_error")
    assert told == [(1, "CRASHED")]
    assert len(site.installation.delivered()) == 3
    originals = (site.installation.work_dir / "phi/1").glob("*.dcm")
    assert len(list(originals)) == 6, "the originals are kept"
