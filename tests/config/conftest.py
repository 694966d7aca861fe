"""A folder with an installation in it, and one call to read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from sendit.config import Configuration, load
from sendit.errors import ConfigurationInvalid
from tests.support.small_disk import remount, small_disk

__all__ = ["Installation", "installation", "remount", "small_disk"]


@dataclass(frozen=True)
class Installation:
    """Where the files of one installation are."""

    root: Path

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def load(self, environ: Mapping[str, str] | None = None, *, mounts: str = "") -> Configuration:
        return load(
            None,
            environ=environ or {},
            cwd=self.root,
            mounts=self.write("mountinfo", mounts) if mounts else self.root / "none",
        )

    def problems(self, environ: Mapping[str, str] | None = None, *, mounts: str = "") -> list[str]:
        """Return every problem that reading it shows."""
        try:
            self.load(environ, mounts=mounts)
        except ConfigurationInvalid as refusal:
            return str(refusal).splitlines()
        return []


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """One inbox, one project with one target; everything is there and right."""
    installation = Installation(tmp_path)
    (tmp_path / "inbox").mkdir()
    installation.write("sendit.toml", '[[inboxes]]\npath = "inbox"\nproject = "irb-1"\n')
    installation.write("projects/irb-1.toml", '[[targets]]\nkind = "folder"\npath = "../out"\n')
    return installation
