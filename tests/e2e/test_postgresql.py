"""Everything that asks the database gives the same answers on PostgreSQL as on SQLite."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.installation import Installation

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(600)
def test_every_database_test_passes_on_postgresql(postgresql_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "django_db", "-q", "-p", "no:cacheprovider"],
        cwd=ROOT,
        env={**os.environ, "SENDIT_DATABASE_URL": postgresql_url},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


def test_study_is_delivered_with_postgresql(
    installation: Installation, postgresql_database: str
) -> None:
    installation.add_study("ACC1", n_series=1, n_images=2)

    done = installation.run("run", "--once", SENDIT_DATABASE_URL=postgresql_database)

    assert done.returncode == 0, done.stderr
    assert len(installation.delivered()) == 2
    assert not list(installation.work_dir.rglob("*.sqlite3*"))
