"""Many processes that ask for the same new patients at once agree, on both databases."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORDS = ("--studies", "100", "--meet", "1")


@pytest.mark.usefixtures("postgresql_database")
def test_processes_agree_on_both_databases(tmp_path: Path) -> None:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SENDIT_")}

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ledger", *WORDS, "--folder", tmp_path],
        cwd=tmp_path,
        env={**inherited, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    sqlite, postgresql = done.stdout.splitlines()
    assert sqlite.startswith("ledger, SQLite: 100 studies of 30 patients by 4 processes")
    assert postgresql.startswith("ledger, PostgreSQL: 100 studies of 30 patients by 4 processes")
    assert sqlite.endswith(", 0 disagreements")
    assert postgresql.endswith(", 0 disagreements")
