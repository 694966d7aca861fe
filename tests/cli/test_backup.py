"""A backup, restored on another machine, is the same installation: same rows, keys, pseudonyms."""

import json
import shutil
from pathlib import Path

import psycopg
import pytest

from tests.e2e.test_canary import MARK, fill, leaks
from tests.pipeline.files import tree
from tests.support.installation import Installation, make_installation
from tests.support.stores import PostgreSQL


def another(installation: Installation, root: Path) -> Installation:
    """Return an installation on another machine, with the same configuration and nothing else."""
    place = make_installation(root, config=installation.config.read_text())
    shutil.copytree(installation.projects, place.projects, dirs_exist_ok=True)
    return place


@pytest.mark.timeout(400)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_restored_installation_is_the_same(
    installation: Installation, postgresql: PostgreSQL, tmp_path: Path, database: str
) -> None:
    here: dict[str, str] = {}
    there: dict[str, str] = {}
    if database == "postgresql":
        here["SENDIT_DATABASE_URL"] = postgresql.new_database(f"b1-{tmp_path.name}"[-60:])
        there["SENDIT_DATABASE_URL"] = postgresql.new_database(f"b2-{tmp_path.name}"[-60:])
    fill(installation.inbox)
    installation.add_study("ACC1", n_series=1, n_images=2)
    assert installation.run("run", "--once", **here).returncode == 0
    before = installation.run("status", "--json", **here).stdout
    folder = tmp_path / "safe"

    made = installation.run("backup", str(folder), **here)
    twice = installation.run("backup", str(folder), **here)
    place = another(installation, tmp_path / "other")
    restored = place.run("restore", str(folder), **there)
    again = place.run("restore", str(folder), **there)

    assert made.returncode == 0, made.stderr
    assert twice.returncode == 1
    assert "not empty" in twice.stderr
    assert restored.returncode == 0, restored.stderr
    assert again.returncode == 1
    assert "in use already" in again.stderr
    assert place.run("status", "--json", **there).stdout == before
    assert "counts anew" not in place.run("doctor", **there).stdout
    assert leaks(folder) == [], "a backup holds an identifier in clear"
    assert folder.stat().st_mode & 0o077 == 0
    assert not [p for p in folder.rglob("*") if p.is_file() and p.stat().st_mode & 0o077]

    shutil.copytree(installation.root / "inbox", tmp_path / "kept", dirs_exist_ok=True)
    place.add_study("ACC2", n_series=1, n_images=2, PatientID="SAME")
    installation.add_study("ACC2", n_series=1, n_images=2, PatientID="SAME")
    for one, environ in ((installation, here), (place, there)):
        assert one.run("run", "--once", **environ).returncode == 0
    patients = {path.name for path in installation.out.iterdir()}
    assert {path.name for path in place.out.iterdir()} <= patients
    assert place.delivered()
    assert MARK.encode() not in b"".join(map(bytes, map(str.encode, tree(place.out))))


@pytest.mark.timeout(200)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_database_that_is_gone_beside_work_starts_nothing_until_it_is_restored(
    installation: Installation, postgresql: PostgreSQL, tmp_path: Path, database: str
) -> None:
    right: dict[str, str] = {}
    wrong = {"SENDIT_DATABASE_URL": f"sqlite:///{tmp_path}/another/sendit.sqlite3"}
    if database == "postgresql":
        right["SENDIT_DATABASE_URL"] = postgresql.new_database(f"l1-{tmp_path.name}"[-60:])
        wrong["SENDIT_DATABASE_URL"] = postgresql.new_database(f"l2-{tmp_path.name}"[-60:])
    installation.add_study("ACC1", n_series=1, n_images=2)
    assert installation.run("run", "--once", **right).returncode == 0
    before = installation.run("status", "--json", **right).stdout
    assert installation.run("backup", str(tmp_path / "safe"), **right).returncode == 0
    installation.add_study("ACC2", n_series=1, n_images=2)

    told = {
        " ".join(words): installation.run(*words, **wrong)
        for words in (("run", "--once"), ("serve", "--port", "0"), ("status",), ("check",))
    }
    doctor = installation.run("doctor", **wrong)

    for words, done in told.items():
        assert (words, done.returncode) == (words, 1)
        assert "the database knows of none" in done.stdout + done.stderr, words
        assert "Traceback" not in done.stderr
    assert "the database knows of none" in doctor.stdout
    assert not (tmp_path / "another").exists()
    if database == "postgresql":
        with psycopg.connect(wrong["SENDIT_DATABASE_URL"]) as connection:
            listed = connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public'")
            assert listed.fetchall() == []
    assert installation.run("restore", str(tmp_path / "safe"), **wrong).returncode == 0
    assert installation.run("status", "--json", **wrong).stdout == before
    assert installation.run("run", "--once", **wrong).returncode == 0


@pytest.mark.timeout(200)
def test_damaged_or_foreign_backup_changes_nothing(
    installation: Installation, tmp_path: Path
) -> None:
    assert installation.run("run", "--once").returncode == 0
    folder = tmp_path / "safe"
    assert installation.run("backup", str(folder)).returncode == 0
    manifest = json.loads((folder / "manifest.json").read_text())

    def refusal(name: str, **changes: object) -> str:
        bad = tmp_path / name
        shutil.copytree(folder, bad)
        (bad / "manifest.json").write_text(json.dumps({**manifest, **changes}))
        if not changes:
            with (bad / "database.sqlite3").open("ab") as stream:
                stream.write(b"x")
        place = another(installation, tmp_path / f"for-{name}")
        done = place.run("restore", str(bad))
        assert done.returncode == 1
        assert not (place.work_dir / "keys").exists()
        return done.stderr

    assert "damaged" in refusal("flipped")
    assert "database.url names sqlite" in refusal("vendor", vendor="postgresql")
    nothing = another(installation, tmp_path / "nothing").run("restore", str(tmp_path))
    assert nothing.returncode == 1
    assert "is no backup" in nothing.stderr


@pytest.mark.timeout(200)
def test_another_key_in_place_is_left_alone(installation: Installation, tmp_path: Path) -> None:
    assert installation.run("run", "--once").returncode == 0
    folder = tmp_path / "safe"
    assert installation.run("backup", str(folder)).returncode == 0
    place = another(installation, tmp_path / "other")
    key = place.work_dir / "keys" / "site.key"
    key.parent.mkdir(parents=True)
    key.touch(mode=0o600)
    key.write_text("00" * 32)

    done = place.run("restore", str(folder))

    assert done.returncode == 1
    assert "Another key" in done.stderr
    assert key.read_text() == "00" * 32
