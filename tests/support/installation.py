"""A configured installation of sendit in a temporary folder, and how to use it.

::

    def test_study_is_delivered(installation: Installation) -> None:
        installation.add_study("ACC1", n_series=1)

        done = installation.run("run", "--once")

        assert done.returncode == 0
        assert len(installation.delivered()) == 3

``run`` starts ``sendit`` as its own process, as a user does.  The fixture
``in_this_process`` instead points Django's settings of the test at the installation, for
tests that call the rooms directly (they use pytest-django's database).
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pytest_django.fixtures import Settings

from sendit.config import Configuration, load
from sendit.records.encrypted import forget_keys
from tests.support.make_study import make_study

SOURCES = Path(__file__).parents[2] / "src"

INSTALLATION = """\
mode = "pool"
work_dir = "work"
[workers]
processes = 1
lease = "5 s"
[limits]
min_free_disk = "1 MB"
[ingest]
settle = "0.2 s"
scan = "0.1 s"
[[inboxes]]
path = "inbox"
project = "demo"
"""

PROJECT = """\
title = "Demo"
[accept]
modalities = ["CT", "MR"]
[identity]
on_missing = "derive"
[deid]
defacing = "off"
[[targets]]
name = "out"
kind = "folder"
path = "../out"
[retention]
originals = "remove"
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """The folders of one installation."""

    root: Path
    config: Path
    projects: Path
    inbox: Path
    work_dir: Path
    out: Path
    """The folder target of the project ``demo``."""

    def run(self, *words: str, timeout: float = 60, **environ: str) -> "Finished":
        """Run ``sendit WORDS`` as a process of its own, to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "sendit", *words],
            cwd=self.root,
            env=self.environ(**environ),
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=timeout,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def python(self, code: str) -> str:
        """Run some Python that sees this installation as ``django.conf.settings.SENDIT``."""
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.root,
            env=self.environ(DJANGO_SETTINGS_MODULE="sendit.server.settings"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *words: str, **environ: str) -> subprocess.Popen[bytes]:
        """Start ``sendit WORDS`` and return its process; whoever starts it also ends it."""
        return subprocess.Popen(
            [sys.executable, "-m", "sendit", *words],
            cwd=self.root,
            env=self.environ(**environ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def status(self, *batch: str) -> list[dict[str, Any]]:
        """Return what ``sendit status --json`` says."""
        done = self.run("status", *batch, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    def add_study(self, name: str = "ACC7301955", **attributes: Any) -> Path:
        """Put a finished study folder into the inbox, as a rename does, and return it."""
        arriving = self.root / "arriving" / name
        make_study(arriving, **attributes)
        return arriving.rename(self.inbox / name)

    def delivered(self) -> list[Path]:
        """Return the instances at the target, in order; manifests lie beside them."""
        return sorted(path for path in self.out.rglob("*.dcm") if path.is_file())

    def write_project(self, text: str, *, name: str = "demo") -> None:
        """Replace a project's file."""
        (self.projects / f"{name}.toml").write_text(text)

    def write_config(self, text: str) -> None:
        """Replace ``sendit.toml``."""
        self.config.write_text(text)

    def configuration(self, **environ: str) -> Configuration:
        """Return the configuration as the rooms see it."""
        return load(self.config, environ=environ, cwd=self.root)

    def environ(self, **more: str) -> dict[str, str]:
        """Return the environment of a command: of this installation and of no other."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("SENDIT_")}
        return {
            **inherited,
            "PYTHONPATH": str(SOURCES),
            "PYTHONWARNINGS": "default",
            "SENDIT_CONFIG": str(self.config),
            **more,
        }


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


def make_installation(
    root: Path, *, config: str = INSTALLATION, project: str = PROJECT
) -> Installation:
    """Make an installation with one inbox, the project ``demo`` and a folder target."""
    folders = Installation(
        root=root,
        config=root / "sendit.toml",
        projects=root / "projects",
        inbox=root / "inbox",
        work_dir=root / "work",
        out=root / "out",
    )
    for folder in (folders.projects, folders.inbox, folders.out):
        folder.mkdir(parents=True)
    folders.write_config(config)
    folders.write_project(project)
    return folders


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """Return an installation in a folder of its own."""
    return make_installation(tmp_path)


@pytest.fixture
def in_this_process(installation: Installation, settings: Settings) -> Configuration:
    """Point Django's settings at the installation, with a field key, until the test ends."""
    configuration = installation.configuration()
    field_file = configuration.settings.keys.field_file
    field_file.parent.mkdir(parents=True, mode=0o700)
    field_file.touch(mode=0o600)
    field_file.write_bytes(Fernet.generate_key())
    field_file.chmod(0o600)
    settings.SENDIT = configuration
    settings.SENDIT_FIELD_KEY_FILE = field_file
    forget_keys()  # an earlier test may have had a file of that name
    return configuration
