import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.stages.killed_scenarios import SCENARIOS, install

ROOT = Path(__file__).parents[3]
POINTS = 12
"""Kills of each scenario, spread evenly over the run; 0: at every point (minutes)."""
START = """\
import sys
from pathlib import Path
import django
django.setup()
from tests.pipeline.stages.killed_runs import main
main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
"""


@pytest.fixture
def fast_folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder in memory where there is one: only processes die here, not the machine."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        dir=memory if memory.is_dir() else tmp_path, prefix="sendit-"
    ) as folder:
        yield Path(folder)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SCENARIOS)
def test_run_that_is_killed_anywhere_ends_as_if_it_had_not_been(
    name: str, fast_folder: Path, tmp_path: Path
) -> None:
    places = install(fast_folder / "root", SCENARIOS[name], tmp_path)

    done = subprocess.run(
        [sys.executable, "-c", START, name, str(POINTS), str(places.root), str(tmp_path)],
        cwd=ROOT,
        env={
            **places.environ(DJANGO_SETTINGS_MODULE="sendit.server.settings"),
            "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    print(f"{name}: {result['points']} points, kills by stage {result['kills']}")
    assert sum(result["kills"].values()) >= POINTS
    assert result["differing"] == {}
