"""A Redis that refuses, hangs, or holds what nobody understands: batches wait for it, no more."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.support.installation import Installation
from tests.support.site import Site, running, site_in
from tests.support.stores import PostgreSQL, Redis

NOT_UNDERSTOOD = (
    "no JSON",
    "{}",
    '{"body": "x"}',
    # A task of ours whose body, [], has not the three parts that Celery expects.
    json.dumps(
        {
            "body": "W10=",
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": {"task": "sendit.advance", "id": "1"},
            "properties": {
                "body_encoding": "base64",
                "delivery_tag": "1",
                "delivery_info": {"exchange": "", "routing_key": "phi"},
            },
        }
    ),
)


@pytest.fixture
def site(
    installation: Installation, postgresql: PostgreSQL, redis_server: Redis, tmp_path: Path
) -> Site:
    database = postgresql.new_database(f"broker-{tmp_path.name}"[-60:])
    return site_in(installation, database_url=database, broker_url=redis_server.url)


def diagnosis(site: Site) -> dict[str, str]:
    """Return what the doctor finds wrong."""
    checks = json.loads(site.run("doctor", "--json").stdout)["checks"]
    return {check["what"]: check["problem"] for check in checks if check["problem"]}


def everybody_lives(site: Site) -> bool:
    return {process.poll() for process in site.processes.values()} == {None}


@pytest.mark.timeout(400)
def test_messages_that_nobody_understands_cost_seconds_only(
    site: Site, redis_server: Redis
) -> None:
    with running(site):
        with closing(redis_server.client()) as client:
            for zone in ("phi", "out"):
                client.lpush(zone, *NOT_UNDERSTOOD)
        site.installation.add_study("ACC1", n_series=1, n_images=2)
        site.wait_until_done(1)

        assert everybody_lives(site)
        assert site.waiting() == 0


@contextmanager
def full(redis: Redis) -> Iterator[None]:
    """Let Redis take nothing more, as when its memory is used up."""
    with closing(redis.client()) as client:
        client.config_set("maxmemory", 1)
        try:
            yield
        finally:
            client.config_set("maxmemory", 0)


@pytest.mark.timeout(400)
def test_redis_that_is_full_is_named_and_batches_go_on_when_it_is_not(
    site: Site, redis_server: Redis
) -> None:
    with running(site):
        with full(redis_server):
            site.installation.add_study("ACC1", n_series=1, n_images=2)
            site.wait_until(lambda: "NEW" in site.statuses(), "nothing is let in")
            site.wait_until(lambda: "refuses messages" in site.said(), "nobody says so")
            found = diagnosis(site)["broker"]
            assert everybody_lives(site)
        site.wait_until_done(1)

    assert "takes no message" in found
    assert "maxmemory" in found


@pytest.mark.timeout(400)
def test_queue_that_is_something_else_is_named_and_ends_nobody(
    site: Site, redis_server: Redis
) -> None:
    with running(site):
        with closing(redis_server.client()) as client:
            client.set("phi", "a text")
            site.installation.add_study("ACC1", n_series=1, n_images=2)
            site.wait_until(lambda: "NEW" in site.statuses(), "nothing is let in")
            site.wait_until(lambda: "refuses messages" in site.said(), "nobody says so")
            found = diagnosis(site)["broker"]
            assert everybody_lives(site)
            client.delete("phi")
        site.wait_until_done(1)

    assert "WRONGTYPE" in found


@pytest.mark.timeout(400)
def test_redis_that_hangs_keeps_no_folder_from_being_taken_in(
    site: Site, redis_server: Redis
) -> None:
    with running(site):
        site.installation.add_study("FIRST", n_series=1, n_images=1)
        site.wait_until_done(1)  # so the workers have begun
        redis_server.freeze()
        try:
            for number in range(12):
                site.installation.add_study(f"ACC{number}", n_series=1, n_images=1)
            site.wait_until(lambda: len(site.statuses()) == 13, "not all are registered")
            site.wait_until(lambda: "does not answer" in site.said(), "nobody says so")
            # A look that waits for each message would take minutes until the next folder.
            site.installation.add_study("LATE", n_series=1, n_images=1)
            site.wait_until(lambda: len(site.statuses()) == 14, "the loop waits", seconds=60)
        finally:
            redis_server.thaw()
        site.wait_until_done(14)
