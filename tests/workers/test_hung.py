"""A process that sleeps in the kernel, on a mount that hangs, does not stop its supervisor."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.hung_mount import HungMount, hang
from tests.support.installation import Installation

__all__ = ["hang"]

SCRIPT = """
import multiprocessing, os, sys, time
if __name__ == "__main__":
    import django
    django.setup()
    from sendit.workers.pool import _kill
    process = multiprocessing.get_context("spawn").Process(target=os.listdir, args=sys.argv[1:])
    process.start()
    while open(f"/proc/{process.pid}/stat").read().rpartition(")")[2].split()[0] != "D":
        time.sleep(0.05)
    _kill(process)
    with open("alive", "w") as said:
        said.write(str(process.is_alive()))
"""


@pytest.mark.timeout(120)
def test_supervisor_goes_on_and_ends_without_a_worker_that_cannot_be_killed(
    installation: Installation, hang: Callable[[Path], HungMount], tmp_path: Path
) -> None:
    (tmp_path / "mount").mkdir()
    hang(tmp_path / "mount")
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))

    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", tmp_path / "mount"],
        env=installation.environ(DJANGO_SETTINGS_MODULE="sendit.server.settings"),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,  # a pipe would be held open by the one that sleeps
        stderr=subprocess.DEVNULL,
        timeout=90,
        check=False,
    )

    assert done.returncode == 0
    assert (tmp_path / "alive").read_text() == "True"
