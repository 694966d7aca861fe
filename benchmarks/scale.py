"""``make bench-scale``: whether a question costs more in a database a hundred times as large.

Also: how much more independent work do twice the processes do on this machine.

Fills a PostgreSQL of its own with 10,000, then with 1,000,000 images (``scale_inside.py``).
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.stores import PostgreSQL
from tests.support.system import find_program

ROOT = Path(__file__).parents[1]
CONFIG = """\
work_dir = "work"
[[inboxes]]
path = "inbox"
project = "demo"
"""
PROJECT = """\
[deid]
defacing = "off"
[[targets]]
name = "out"
kind = "folder"
path = "../out"
"""


def main() -> int:
    """Start a database, and measure in a process that is configured for it."""
    parser = argparse.ArgumentParser(prog="make bench-scale", description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000, help="of the large backlog")
    options = parser.parse_args()
    initdb = find_program("initdb")
    if initdb is None:
        print("PostgreSQL is not installed.", file=sys.stderr)
        return 1
    server = PostgreSQL(initdb, "shared_buffers=512MB", "max_wal_size=4GB")
    with tempfile.TemporaryDirectory(prefix="sendit-scale-") as folder:
        try:
            server.start()
            return _run_inside(Path(folder), server.url, images=options.images)
        finally:
            server.remove()


def _run_inside(folder: Path, url: str, *, images: int) -> int:
    for name in ("inbox", "projects", "out"):
        (folder / name).mkdir()
    (folder / "sendit.toml").write_text(CONFIG)
    (folder / "projects/demo.toml").write_text(PROJECT)
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SENDIT_")}
    environ |= {
        "SENDIT_CONFIG": str(folder / "sendit.toml"),
        "SENDIT_DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "sendit.server.settings",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    }
    command = [sys.executable, "-m", "benchmarks.scale_inside", str(images)]
    return subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
