"""A site whose database takes no changes, or changes under it."""

import json
from pathlib import Path

import pytest

from tests.support.installation import Installation
from tests.support.site import Site, running, site_in
from tests.support.stores import PostgreSQL, Redis


@pytest.fixture
def site(
    installation: Installation, postgresql: PostgreSQL, redis_server: Redis, tmp_path: Path
) -> Site:
    database = postgresql.new_database(f"database-{tmp_path.name}"[-60:])
    return site_in(installation, database_url=database, broker_url=redis_server.url)


def set_read_only(site: Site, value: str) -> None:
    """Open the database for changes or close it; everybody must come again."""
    name = site.database_url.rpartition("/")[2]
    site.tell(
        "SET TRANSACTION READ WRITE; "
        f'ALTER DATABASE "{name}" SET default_transaction_read_only = {value}; '
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


@pytest.mark.timeout(300)
def test_database_that_takes_no_changes_is_named_and_waited_for(site: Site) -> None:
    def said(name: str) -> str:
        return (site.installation.root / f"{name}.log").read_text()

    with running(site):
        site.installation.add_study("ACC1", n_series=1, n_images=1)
        site.wait_until_done(1)

        set_read_only(site, "on")
        site.installation.add_study("ACC2", n_series=1, n_images=1)
        site.wait_until(lambda: "sqlstate 25006" in said("watcher"), "the watcher does not notice")
        doctor = json.loads(site.run("doctor", "--json").stdout)["checks"]
        worker = site.run("worker", "--zone", "out")
        watcher = site.run("run", "--once")
        alive = [process.poll() for process in site.processes.values()]
        set_read_only(site, "off")
        site.wait_until_done(2)

    found = {check["what"]: check["problem"] for check in doctor}
    assert "takes no changes" in (found["database"] or "")
    assert alive == [None] * 3
    assert (worker.returncode, watcher.returncode) == (1, 1)
    assert "takes no changes" in worker.stderr
    assert "takes no changes" in watcher.stderr
    assert "Traceback" not in worker.stderr + watcher.stderr


@pytest.mark.timeout(300)
def test_everybody_of_an_old_version_ends_when_the_tables_become_newer(site: Site) -> None:
    """Also who has nothing to do."""
    with running(site):
        site.installation.add_study("ACC1", n_series=1, n_images=1)
        site.wait_until_done(1)
        site.tell(
            "INSERT INTO django_migrations (app, name, applied) VALUES "
            "('records', '9999_from_the_future', now())"
        )
        site.wait_until(
            lambda: None not in [process.poll() for process in site.processes.values()],
            "somebody went on",
        )
        codes = {name: process.returncode for name, process in site.processes.items()}

    assert codes == {"watcher": 1, "worker-phi": 1, "worker-out": 1}
    assert site.said().count("newer sendit") >= 3
