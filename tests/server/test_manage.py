import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_manage_is_the_same_program_as_sendit() -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}

    said = [
        subprocess.run(
            [sys.executable, *words, "--help"],
            cwd=ROOT,
            env=environ,
            capture_output=True,
            check=True,
        ).stdout
        for words in (("manage.py",), ("-m", "sendit"))
    ]

    assert said[0] == said[1]
    assert b"sendit COMMAND" in said[0]
