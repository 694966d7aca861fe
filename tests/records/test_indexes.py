"""No daily question reads a large table from end to end: PostgreSQL's own plans say so."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.installation import Installation
from tests.support.stores import PostgreSQL

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_questions_of_all_day_go_by_an_index(
    installation: Installation, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    url = postgresql.new_database(f"plans-{tmp_path.name}"[-60:])

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale_plans", "8000"],
        cwd=ROOT,
        env=installation.environ(
            SENDIT_DATABASE_URL=url,
            DJANGO_SETTINGS_MODULE="sendit.server.settings",
            PYTHONPATH=f"{ROOT / 'src'}:{ROOT}",
        ),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    read_whole = json.loads(done.stdout.splitlines()[-1])
    assert len(read_whole) >= 12
    assert {
        name: tables
        for name, tables in read_whole.items()
        if tables and not name.endswith("(linear)")
    } == {}
