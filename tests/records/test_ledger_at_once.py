"""Many processes that ask for the same new patients at once agree, on both databases."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STUDIES = "300"


def allocate(tmp_path: Path, **environ: str) -> str:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SENDIT_")}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ledger", "--studies", STUDIES, "--folder", tmp_path],
        cwd=tmp_path,
        env={**inherited, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_processes_agree_on_sqlite(tmp_path: Path) -> None:
    assert "300 studies of 90 patients by 4 processes" in allocate(tmp_path)


def test_processes_agree_on_postgresql(tmp_path: Path, postgresql_url: str) -> None:
    said = allocate(tmp_path, SENDIT_DATABASE_URL=postgresql_url)

    assert said.startswith("ledger, postgresql: ")
    assert "0 disagreements" in said
