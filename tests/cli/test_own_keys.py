"""A project whose names end with it: made, kept, backed up, and destroyed by closing."""

from collections.abc import Sequence
from pathlib import Path

import pydicom
import pytest

from tests.cli.test_backup import another
from tests.support.installation import PROJECT, Installation
from tests.support.make_study import make_study

OWN = PROJECT.replace("[identity]", "[identity]\nown_key = true")
KINDS = {
    "keyed": OWN,
    "ledger": OWN.replace("[identity]", '[identity]\nkind = "ledger"'),
}


@pytest.fixture
def own(installation: Installation) -> Installation:
    installation.write_project(OWN)
    return installation


def deliver(installation: Installation, name: str) -> None:
    installation.add_study(name, n_series=1, n_images=1, PatientID="CANARY-7301")
    done = installation.run("run", "--once", "--strict")
    assert done.returncode == 0, done.stderr


def key_file(installation: Installation) -> Path:
    return installation.work_dir / "keys" / "namespaces" / "demo.key"


def names(paths: Sequence[Path]) -> set[tuple[str, str, str]]:
    read = (pydicom.dcmread(path, stop_before_pixels=True) for path in paths)
    return {(str(ds.PatientID), str(ds.SOPInstanceUID), str(ds.StudyDate)) for ds in read}


@pytest.mark.parametrize("kind", KINDS)
def test_closing_destroys_the_own_key_and_nobody_derives_with_the_site_key(
    installation: Installation, kind: str
) -> None:
    installation.write_project(KINDS[kind])
    deliver(installation, "ACC1")
    delivered = names(installation.delivered())
    text = key_file(installation).read_text()

    done = installation.run("project", "close", "demo", "--reason", "ended")
    again = installation.run("project", "close", "demo")

    assert (done.returncode, again.returncode) == (0, 0), done.stderr + again.stderr
    assert "not even with the site key" in done.stdout
    assert "keys/namespaces/demo.key in every folder" in done.stdout
    assert "was closed on" in again.stdout
    assert not key_file(installation).exists()
    for path in installation.work_dir.rglob("*"):
        assert not path.is_file() or text.strip().encode() not in path.read_bytes()
    installation.add_study("ACC2", n_series=1)
    assert installation.run("run", "--once", "--strict").returncode == 1
    # The site key alone, in a project that does not ask and under no mark, gives other names.
    (installation.work_dir / "keys" / "closed.namespaces").unlink()
    installation.write_project(PROJECT)
    make_study(installation.root / "in", n_series=1, n_images=1, PatientID="CANARY-7301")
    words = ("in", "clean", "--project", str(installation.projects / "demo.toml"))
    assert installation.run("deid", *words).returncode == 0
    tried = names(sorted((installation.root / "clean").rglob("*.dcm")))
    assert not {name for name, _, _ in tried} & {name for name, _, _ in delivered}
    assert not {uid for _, uid, _ in tried} & {uid for _, uid, _ in delivered}


def test_a_close_that_died_before_the_key_was_destroyed_is_finished_by_another(
    own: Installation,
) -> None:
    deliver(own, "ACC1")
    text = key_file(own).read_text()
    assert own.run("project", "close", "demo").returncode == 0
    key_file(own).touch(mode=0o600)
    key_file(own).write_text(text)
    (own.work_dir / "keys" / "closed.namespaces").unlink()

    again = own.run("project", "close", "demo")

    assert again.returncode == 0
    assert "is destroyed" in again.stdout
    assert not key_file(own).exists()
    assert (own.work_dir / "keys" / "closed.namespaces").read_text() == "demo\n"


def test_the_same_patient_has_the_same_names_by_the_folder_and_by_the_inbox(
    own: Installation,
) -> None:
    make_study(own.root / "in", n_series=1, n_images=1, PatientID="CANARY-7301")
    words = ("in", "clean", "--project", str(own.projects / "demo.toml"))
    assert own.run("deid", *words).returncode == 0
    deliver(own, "ACC1")

    by_folder = names(sorted((own.root / "clean").rglob("*.dcm")))

    assert {one[0] for one in names(own.delivered())} == {one[0] for one in by_folder}
    own.write_project(PROJECT)
    refused = own.run("deid", "in", "clean2", *words[2:])
    assert refused.returncode == 1
    assert "Set own_key = true" in refused.stderr


@pytest.mark.parametrize(("before", "after"), [(PROJECT, OWN), (OWN, PROJECT)])
def test_the_option_is_not_changed_on_a_project_with_history(
    installation: Installation, before: str, after: str
) -> None:
    installation.write_project(before)
    deliver(installation, "ACC1")
    installation.write_project(after)

    done = installation.run("run", "--once")

    assert done.returncode == 1
    assert "Set own_key = " in done.stderr
    assert "second name" in done.stderr
    assert key_file(installation).exists() == (before == OWN)


@pytest.mark.parametrize("harm", ["missing", "another"])
def test_without_its_own_key_nothing_starts(own: Installation, harm: str) -> None:
    deliver(own, "ACC1")
    assert "Own keys of namespaces, likewise: 1." in own.run("key", "verify").stdout
    key_file(own).unlink()
    if harm == "another":
        key_file(own).touch(mode=0o600)
        key_file(own).write_text("00" * 32)

    for words in (("run", "--once"), ("key", "verify"), ("doctor",), ("check",)):
        done = own.run(*words)
        assert done.returncode == 1, words
        assert "own key of a namespace" in done.stdout + done.stderr, words


def test_a_backup_carries_the_own_keys(own: Installation, tmp_path: Path) -> None:
    deliver(own, "ACC1")
    safe = tmp_path / "safe"
    assert own.run("backup", str(safe)).returncode == 0
    assert own.run("key", "backup", str(tmp_path / "usb")).returncode == 0
    for copy in (safe / "keys/namespaces/demo.key", tmp_path / "usb/namespaces/demo.key"):
        assert copy.read_text() == key_file(own).read_text()
        assert copy.stat().st_mode & 0o777 == 0o600
    place = another(own, tmp_path / "other")

    restored = place.run("restore", str(safe))

    assert restored.returncode == 0, restored.stderr
    assert place.run("key", "verify").returncode == 0
    for one in (own, place):
        deliver(one, "ACC2")
    here = {one[0] for one in names(own.delivered())}
    assert {one[0] for one in names(place.delivered())} == here
    assert len(here) == 1
