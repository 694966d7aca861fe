"""The ledger's database holds no original value in clear, and comes back from a backup."""

import json
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.support.identity_service import identity_service
from tests.support.installation import PROJECT, Installation
from tests.support.system import find_program

PATIENT, OTHER, ITEM = "QANARY730195", "QANARY730196", "QACC73019"
LEDGER = PROJECT.replace("[identity]", '[identity]\nkind = "ledger"\nkeep_uids = true')


def text_of_sqlite(installation: Installation, _url: str) -> bytes:
    files = sorted(installation.work_dir.glob("sendit.sqlite3*"))
    assert files
    return b"".join(file.read_bytes() for file in files)


def text_of_postgresql(_installation: Installation, url: str) -> bytes:
    """Return every row of every table as text; binary columns as they are, in hexadecimal."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
        rows = [
            connection.execute(f'SELECT t::text FROM "{table}" t').fetchall()  # type: ignore[arg-type]
            for (table,) in tables
        ]
    assert rows
    text = json.dumps(rows).encode()
    binary = re.findall(rb"x([0-9a-f]{32,})", text)
    return text + b"".join(bytes.fromhex(part[: len(part) // 2 * 2].decode()) for part in binary)


def back_up_sqlite(installation: Installation, _url: str, to: Path) -> None:
    with (
        closing(sqlite3.connect(installation.work_dir / "sendit.sqlite3")) as source,
        closing(sqlite3.connect(to)) as copy,
    ):
        source.backup(copy)


def put_back_sqlite(installation: Installation, _url: str, copy: Path) -> None:
    for file in installation.work_dir.glob("sendit.sqlite3*"):
        file.unlink()
    shutil.copy(copy, installation.work_dir / "sendit.sqlite3")


def back_up_postgresql(_installation: Installation, url: str, to: Path) -> None:
    program = find_program("pg_dump")
    assert program is not None
    subprocess.run([program, "-Fc", "-f", to, url], check=True)


def put_back_postgresql(_installation: Installation, url: str, copy: Path) -> None:
    program = find_program("pg_restore")
    assert program is not None
    subprocess.run([program, "--clean", "-d", url, copy], check=True)


def _run(installation: Installation, *words: str, **environ: str) -> str:
    done = installation.run(*words, **environ)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_nothing_stands_in_clear_and_a_backup_brings_the_names_back(
    installation: Installation, database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url, environ = "", {}
    text, back_up, put_back = text_of_sqlite, back_up_sqlite, put_back_sqlite
    if database == "postgresql":
        url = request.getfixturevalue("postgresql_database")
        environ = {"SENDIT_DATABASE_URL": url}
        text, back_up, put_back = text_of_postgresql, back_up_postgresql, put_back_postgresql
    installation.write_project(LEDGER)
    installation.add_study("ACC1", n_series=1, PatientID=PATIENT, AccessionNumber=ITEM)
    _run(installation, "run", "--once", **environ)
    (delivered,) = {
        path.relative_to(installation.out).parts[0] for path in installation.delivered()
    }
    key = tmp_path / "broker.key"
    _run(installation, "identity", "credential", "issue", "b", "--output", str(key), **environ)
    words = ("--reason", f"about {PATIENT}", "--credential", str(key))
    assert PATIENT in _run(installation, "reidentify", delivered, *words, **environ)
    with identity_service(installation, **environ) as service:
        token = json.loads(service.issue().read_text())["accessToken"]
        items = [
            {"id": ITEM, "id_source": "DCM Accession #", "id_timestamp": "2015-06-01T00:00:00Z"}
        ]
        things = {"id_source": "Stanford MRN", "items": items}
        document = {"identifiers": [{"id": one, **things} for one in (PATIENT, OTHER)]}
        first = service.post("/identifiers/api/v1/uid/demo", document, token=token).document
    assert first["results"][0]["suid"] == delivered

    content = text(installation, url)
    for value in (PATIENT, OTHER, ITEM, "1950-03-02"):
        assert value.encode() not in content
        assert value.casefold().encode() not in content

    copy = tmp_path / "backup"
    back_up(installation, url, copy)
    _run(installation, "identity", "merge", PATIENT, OTHER, **environ)
    put_back(installation, url, copy)
    with identity_service(installation, **environ) as service:
        again = service.post("/identifiers/api/v1/mrn/demo", document, token=token).document
    assert again == first
    broken = installation.run("audit", "verify", **environ)
    assert broken.returncode == 1
    assert "the database is an older copy" in broken.stderr
