"""A site's processes on real Redis and PostgreSQL: the main job goes through both zones."""

from pathlib import Path

import pytest

from tests.support.installation import Installation
from tests.support.site import Site, running, site_in
from tests.support.stores import PostgreSQL, Redis


@pytest.fixture
def site(
    installation: Installation, postgresql: PostgreSQL, redis_server: Redis, tmp_path: Path
) -> Site:
    database = postgresql.new_database(f"site-{tmp_path.name}"[-60:])
    return site_in(installation, database_url=database, broker_url=redis_server.url)


@pytest.mark.timeout(180)
def test_study_is_delivered_by_workers_of_two_zones(site: Site) -> None:
    site.installation.add_study("ACC1", n_series=2, n_images=3)

    with running(site):
        site.wait_until(lambda: site.statuses() == ["DONE"], "the batch was not done")

    workers = dict(site.ask("SELECT stage, worker FROM records_stagerun"))
    assert len(site.installation.delivered()) == 6
    assert {workers["send"], workers["verify"]}.isdisjoint(
        {workers[stage] for stage in ("import", "identify", "deidentify", "clean_up")}
    )
