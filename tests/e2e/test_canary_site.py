"""The canary test for a site: its database server, its queue, its logs, its temporary folders.

PostgreSQL logs every statement here, which no site does: not even then may a mark be seen, since
what identifies is encrypted before it is sent. Its files are searched as they lie on the disk,
dead rows and write-ahead log included; so is every value as SQL reads it, since what is large is
compressed in the files.
"""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.e2e.test_canary import MARK, fill, leaks, marked, shows
from tests.support.installation import PROJECT, Installation
from tests.support.make_study import write_instance
from tests.support.overheard import Overheard
from tests.support.site import SITE, running, site_in
from tests.support.stores import PostgreSQL, Redis
from tests.support.system import find_program


@pytest.fixture
def talkative() -> Iterator[PostgreSQL]:
    """Return a PostgreSQL that logs all it is told, and the values of what fails."""
    initdb = find_program("initdb")
    if initdb is None:
        pytest.skip("PostgreSQL is not installed")
    server = PostgreSQL(
        initdb,
        "log_statement=all",
        "log_error_verbosity=verbose",
        "log_min_error_statement=debug5",
        "log_parameter_max_length_on_error=-1",
        "autovacuum=off",
    )
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.mark.timeout(600)
def test_no_mark_is_found_in_anything_that_a_site_keeps(
    installation: Installation,
    talkative: PostgreSQL,
    redis_server: Redis,
    tmp_path: Path,
) -> None:
    site = site_in(installation, database_url=talkative.url, broker_url=redis_server.url)
    site.configure('log_level = "debug"\n' + SITE)
    installation.write_project(
        PROJECT.replace('originals = "remove"', 'excluded = "remove"\nresults = "keep"')
    )
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    site.preload = {"TMPDIR": str(temporary)}
    fill(installation.inbox)
    twin = installation.inbox / f"{MARK}TWIN"
    write_instance(twin / f"{MARK}A.dcm", marked(1, SOPInstanceUID="2.25.77"))

    with Overheard(redis_server) as heard, running(site):
        site.wait_until(lambda: len(site.ask(RESTING)) == 3, "the batches do not rest")
        assert provoke(site.database_url) == 2
        backup = site.run("backup", str(tmp_path / "backup"))
        doctor = site.run("doctor", "--json")
        report = site.run("report", "--json")

    assert backup.returncode == 0, backup.stderr
    said = doctor.stdout + doctor.stderr + report.stdout + report.stderr + heard.everything()
    assert not shows(said.encode())
    assert not shows(every_value(site.database_url).encode())
    talkative.stop("fast")
    assert leaks(talkative.data) == [], "dead rows, indexes or the write-ahead log"
    assert b"INSERT INTO" in talkative.log.read_bytes()
    assert not shows(talkative.log.read_bytes())
    assert leaks(temporary) == []
    assert leaks(tmp_path / "backup") == []
    assert leaks(installation.root, but=("inbox", "work/phi", "arriving")) == []


RESTING = (
    "SELECT id FROM records_batch WHERE status = 'ERROR' OR stage IN ('', 'clean_up') OR held <> ''"
)


def provoke(url: str) -> int:
    """Make statements fail whose values the server then quotes; return how many did."""
    failed = 0
    for statement in (
        "INSERT INTO records_batch SELECT * FROM records_batch",
        "UPDATE records_batch SET uid_digest = (SELECT min(uid_digest) FROM records_batch)",
    ):
        with psycopg.connect(url) as connection:
            try:
                connection.execute(statement)
            except psycopg.errors.UniqueViolation:
                failed += 1
    return failed


def every_value(url: str) -> str:
    """Return every row of every table as text, bytes decoded."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchall()
        rows = [
            str(row)
            for (table,) in tables
            for row in connection.execute(f'SELECT * FROM "{table}"').fetchall()  # type: ignore[call-overload]
        ]
    return "\n".join(rows)
