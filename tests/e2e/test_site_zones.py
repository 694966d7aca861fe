"""What a site's zones see: each does and tells what belongs to its own part."""

import json
import shutil
from pathlib import Path

import pytest

from tests.support.installation import Installation
from tests.support.site import NO_KEYS, Site, running, site_in
from tests.support.stores import PostgreSQL, Redis


@pytest.fixture
def site(
    installation: Installation, postgresql: PostgreSQL, redis_server: Redis, tmp_path: Path
) -> Site:
    database = postgresql.new_database(f"zones-{tmp_path.name}"[-60:])
    return site_in(installation, database_url=database, broker_url=redis_server.url)


@pytest.fixture
def apart(site: Site, tmp_path: Path) -> Path:
    """Return a place where the results of the site are mounted, and nothing else of it."""
    place = tmp_path / "apart"
    (place / "work").mkdir(parents=True)
    shutil.copytree(site.installation.projects, place / "projects")
    shutil.copy(site.installation.config, place / "sendit.toml")
    project = place / "projects/demo.toml"
    project.write_text(project.read_text().replace("../out", str(site.installation.out)))
    (place / "work/clean").symlink_to(site.installation.work_dir / "clean")
    return place


@pytest.fixture
def unreachable(site: Site) -> Path:
    """Return a target folder that nobody can make, as where its volume is not mounted."""
    target = site.installation.out
    target.rmdir()
    target.symlink_to(target.with_name("not mounted"))
    return target


def test_folder_of_a_target_is_made_by_the_watcher_where_it_can(site: Site) -> None:
    site.installation.out.rmdir()

    with running(site, phi=0, out=0):
        site.wait_until(site.installation.out.is_dir, "it did not make it")


def test_folder_of_a_target_is_made_by_the_workers_that_reach_it(
    site: Site, unreachable: Path
) -> None:
    with running(site, phi=0, out=0):
        site.wait_until(lambda: site.ask("SELECT 1 FROM records_beat"), "the watcher is not alive")
        watcher = site.said()
        assert not unreachable.exists()
        assert "target out" not in watcher
        unreachable.unlink()
        site.start("worker-out", "worker", "--zone", "out", "--concurrency", "1")
        site.wait_until(unreachable.is_dir, "nobody made it")


@pytest.mark.timeout(300)
def test_where_results_alone_are_everything_that_is_told_holds_for_them(
    site: Site, apart: Path
) -> None:
    def told(name: str, *words: str) -> tuple[int, dict[str, object]]:
        done = site.run(name, "--config", str(apart / "sendit.toml"), "--json", *words, **NO_KEYS)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    with running(site):
        site.run("pause", "--target", "out")
        site.installation.add_study("ACC1", n_series=1, n_images=1)
        site.wait_until(lambda: "DONEPROCESSING" in site.statuses(), "it does not come so far")

        _, doctor = told("doctor")
        check_code, check = told("check")
        targets_code, targets = told("targets")
        site.run("resume", "--target", "out")
        site.wait_until_done(1)

    wrong = {one["what"] for one in doctor["checks"] if one["problem"]}  # type: ignore[attr-defined]
    seen = {one["what"] for one in doctor["checks"]}  # type: ignore[attr-defined]
    assert wrong <= {"pauses", "core dumps", "swap"}, doctor
    assert {"database", "working volumes", "broker"} <= seen
    assert not seen & {"originals", "keys", "inboxes", "admission"}
    assert (check_code, check["problems"]) == (0, [])
    assert "project demo: target out" in {one["what"] for one in check["checks"]}  # type: ignore[attr-defined]
    assert (targets_code, len(targets)) == (0, 1)


@pytest.mark.usefixtures("unreachable")
def test_target_that_cannot_be_tried_where_the_originals_are_says_where_it_can(
    site: Site,
) -> None:
    with running(site, phi=0, out=0):
        done = site.run("check")

    assert done.returncode == 1
    assert 'run "sendit check" there' in done.stdout


@pytest.mark.timeout(300)
def test_originals_are_not_called_lost_where_their_volume_is_not_mounted(
    site: Site, tmp_path: Path
) -> None:
    site.installation.add_study("ACC1", n_series=1, n_images=1)
    with running(site, phi=1, out=0):
        site.wait_until(lambda: "DONEPROCESSING" in site.statuses(), "it does not come so far")
        done = site.run("doctor", "--json", SENDIT_WORK_DIR=str(tmp_path / "elsewhere"))

    found = {one["what"]: one["problem"] for one in json.loads(done.stdout)["checks"]}
    assert "not mounted" in found["working volumes"]
    assert "--reject" not in done.stdout
