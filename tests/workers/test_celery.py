"""Messages over a real Redis: what it refuses is told once, and what it takes again goes on."""

import logging
from contextlib import closing
from types import SimpleNamespace

import pytest

from sendit.terms import Zone
from sendit.workers.celery import CeleryNudger, _task, nudger
from tests.support.installation import Installation
from tests.support.site import SITE
from tests.support.stores import Redis


@pytest.fixture
def carrier(installation: Installation, redis_server: Redis) -> CeleryNudger:
    installation.write_config(SITE)
    return nudger(
        installation.configuration(
            SENDIT_DATABASE_URL="postgresql://nobody@127.0.0.1/nothing",
            SENDIT_BROKER_URL=redis_server.url,
        )
    )


def test_redis_that_was_full_for_long_takes_messages_again(
    carrier: CeleryNudger, redis_server: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(redis_server.client()) as client:
        assert carrier.nudge(1, Zone.PHI)
        client.config_set("maxmemory", 1)

        with caplog.at_level(logging.WARNING):
            refused = [carrier.nudge(number, zone) for number in range(20) for zone in Zone]

        client.config_set("maxmemory", 0)
        assert not any(refused)
        assert caplog.text.count("refuses messages") == 1
        assert carrier.nudge(2, Zone.PHI)
        assert carrier.waiting(Zone.PHI) == 2


def test_redis_that_was_started_anew_takes_messages_at_once(
    carrier: CeleryNudger, redis_server: Redis
) -> None:
    assert carrier.nudge(1, Zone.PHI)

    redis_server.restart()

    assert carrier.nudge(1, Zone.PHI)
    assert carrier.waiting(Zone.PHI) == 1


def test_worker_without_a_parent_takes_one_message_at_most() -> None:
    left: list[str] = []
    orphan = SimpleNamespace(ended=lambda: True, stopping=False)
    ending = SimpleNamespace(busy=False, told=lambda: left.append("left"))

    _task(lambda *_, **__: None, orphan, ending).run(1)  # type: ignore[arg-type]

    assert left == ["left"]
