"""Is everything well? What the first line of the dashboard and its gauges say when it is not."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from sendit.config import Configuration
from sendit.ingest.loop_lock import only_loop
from sendit.records.beats import WATCHER, beat, worker_name
from sendit.records.models import Pause
from sendit.records.roles import Role
from sendit.terms import Status, Zone
from tests.support.batches import make_batch
from tests.support.installation import INSTALLATION, Installation
from tests.support.visitors import visitor

pytestmark = pytest.mark.django_db
SITE = INSTALLATION.replace('mode = "pool"', 'mode = "celery"') + (
    '[broker]\nurl = "redis://127.0.0.1:1/0"\n'
    '[database]\nurl = "postgresql://sendit@127.0.0.1:1/nowhere"\n'
)
"""Only read: the tests keep the database that they have, and nobody asks the broker."""


@pytest.fixture
def at_a_site(
    configuration: Configuration, installation: Installation, settings: Settings
) -> Configuration:
    installation.write_config(SITE)
    settings.SENDIT = installation.configuration()
    return settings.SENDIT


@pytest.fixture
def viewer(configuration: Configuration) -> Client:
    return visitor("viewer", Role.VIEWER)


def page(client: Client, path: str = "/") -> str:
    return client.get(path).content.decode()


def alive(*zones: Zone, ago: timedelta = timedelta()) -> None:
    now = datetime.now(UTC) - ago
    beat(WATCHER, now=now)
    for zone in zones:
        beat(worker_name(zone, f"host-{os.getpid()}"), now=now)


@pytest.mark.usefixtures("at_a_site")
@pytest.mark.parametrize(
    ("zones", "words"),
    [
        ([Zone.PHI, Zone.OUT], "All is well"),
        ([Zone.PHI], "No worker of zone out is alive"),
        ([Zone.OUT], "No worker of zone phi is alive"),
        ([], "sendit worker --zone phi"),
    ],
)
def test_a_zone_without_workers_is_said_first(
    viewer: Client, zones: list[Zone], words: str
) -> None:
    alive(*zones)

    assert words in page(viewer)
    assert ("All is well" in page(viewer)) == (len(zones) == 2)


@pytest.mark.usefixtures("at_a_site")
def test_at_a_site_the_settings_tell_the_watcher_by_its_signs(viewer: Client) -> None:
    alive()
    assert "The watcher is active." in page(viewer, "/settings")

    alive(ago=timedelta(minutes=5))
    silent = page(viewer, "/settings")

    assert "The watcher is not active" in silent
    assert "sendit start_watcher" in silent


def test_at_a_site_inboxes_that_only_the_watcher_sees_are_not_called_missing(
    at_a_site: Configuration, viewer: Client
) -> None:
    at_a_site.settings.inboxes[0].path.rmdir()

    told = page(viewer, "/settings")

    assert "not seen from here" in told
    assert "not there" not in told


@pytest.mark.parametrize(
    ("kind", "name", "words", "resume"),
    [
        (Pause.NODE, "", "Paused: the node.", "sendit resume"),
        (Pause.PROJECT, "demo", "Paused: project demo.", "sendit resume --project demo"),
        (Pause.TARGET, "out", "Paused: target out.", "sendit resume --target out"),
    ],
)
def test_what_is_paused_is_said_also_when_nothing_waits(
    configuration: Configuration, viewer: Client, kind: str, name: str, words: str, resume: str
) -> None:
    Pause.objects.create(kind=kind, name=name)

    with only_loop(configuration.settings.work_dir):
        told = page(viewer)

    assert words in told
    assert f"<code>{resume}</code>" in told
    assert "All is well" not in told
    assert f"nothing is sent to it until <code>{resume}</code>" in page(viewer, "/targets/")


def test_a_pause_of_a_project_is_told_to_those_who_may_see_it(
    configuration: Configuration,
) -> None:
    Pause.objects.create(kind=Pause.PROJECT, name="demo")
    Pause.objects.create(kind=Pause.TARGET, name="out")

    with only_loop(configuration.settings.work_dir):
        told = page(visitor("other", Role.VIEWER, project="irb-2"))

    assert "Paused" not in told


def test_a_disk_with_too_little_room_says_why_that_is_bad(
    configuration: Configuration, installation: Installation, settings: Settings, viewer: Client
) -> None:
    installation.write_config(INSTALLATION.replace('"1 MB"', '"900000 TB"'))
    settings.SENDIT = installation.configuration()

    assert "less than min_free_disk (900000 TB): nothing new is let in" in page(viewer)


def test_whoever_may_see_no_project_is_not_told_that_all_is_well(
    configuration: Configuration,
) -> None:
    make_batch("ACC1", status=Status.DONE)

    with only_loop(configuration.settings.work_dir):
        told = page(visitor("nobody"))

    assert "You may not see any project yet" in told
    for words in ("All is well", "Nothing has come in yet"):
        assert words not in told
