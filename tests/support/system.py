"""The programs that tests need and pip cannot bring: where they are, and how to get them.

``python -m tests.support.system`` installs what is missing with apt when that is possible
(Debian, root) and otherwise says which tests will be skipped.  A new server is one line in
``PROGRAMS`` and one fixture in ``tests/support/servers.py``.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

DEBIAN_BINARIES = ("/usr/sbin", "/usr/lib/postgresql/*/bin")
"""Where Debian puts servers that an ordinary PATH does not show."""
DEBIAN_PLUGINS = ("/usr/share/orthanc/plugins",)
"""Where it puts what a server loads; such a file need not be a program."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program of the operating system that some tests start."""

    name: str
    package: str
    """The Debian package that brings it."""
    fixture: str
    """The fixture of ``tests/support/servers.py`` that stands for the running server."""


PROGRAMS = (
    Program("initdb", "postgresql", "postgresql_url"),
    Program("redis-server", "redis-server", "redis_server"),
    Program("nginx", "nginx-light", "nginx"),
    Program("faketime", "faketime", "faketime"),
    Program("chromium", "chromium", "chromium"),
    Program("Orthanc", "orthanc", "orthanc"),
    Program("libOrthancDicomWeb.so", "orthanc-dicomweb", "orthanc"),
    Program("dcmqrscp", "dcmtk", "dcmqrscp"),
)


def find_program(name: str) -> str | None:
    """Return the path of a program or a plug-in of one, also where PATH does not lead."""
    found = shutil.which(name)
    for folder in DEBIAN_PLUGINS:
        found = found or (f"{folder}/{name}" if Path(folder, name).exists() else None)
    for pattern in DEBIAN_BINARIES if found is None else ():
        for folder in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True):
            found = found or shutil.which(name, path=str(folder))
    return found


def install_missing() -> int:
    """Install the missing packages where possible; say what is skipped where not."""
    missing = [program for program in PROGRAMS if find_program(program.name) is None]
    if not missing:
        return 0
    packages = sorted({program.package for program in missing})
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("installing with apt:", *packages, flush=True)
        _apt("update", "-q")
        _apt("install", "-q", "-y", "--no-install-recommends", *packages)
        missing = [program for program in PROGRAMS if find_program(program.name) is None]
    for program in missing:
        print(
            f"skipped: the tests that use {program.fixture}, since {program.name} is not there "
            f'(as root on Debian: "apt-get install {program.package}")',
            file=sys.stderr,
        )
    return 0


def _apt(*arguments: str) -> None:
    done = subprocess.run(
        ["apt-get", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"apt-get {arguments[0]} failed:", done.stderr.strip()[-500:], file=sys.stderr)


if __name__ == "__main__":
    sys.exit(install_missing())
