"""The check of spelling reads what people wrote, not what sendit made."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
MISSPELT = "te" + "h"


@pytest.mark.parametrize(("folder", "code"), [("docs", 65), ("sendit-demo", 0), ("sendit-data", 0)])
def test_only_what_people_wrote_is_checked(tmp_path: Path, folder: str, code: int) -> None:
    shutil.copy(PYPROJECT, tmp_path)
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "report.html").write_text(MISSPELT)

    done = subprocess.run(
        [Path(sys.executable).with_name("codespell")],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )

    assert done.returncode == code
