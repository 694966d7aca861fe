"""Who else on this machine may read what is private, or change what decides."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from sendit.config import Configuration

PRIVATE = ("phi", "keys", "reports")
WRITTEN = ("phi", "clean", "run")


def rights(configuration: Configuration, *, environ: Mapping[str, str]) -> str:
    """Return whose rights are too wide or too narrow, and the command that mends them."""
    work_dir = configuration.settings.work_dir
    lines = [
        *(_readable(work_dir / name, "700") for name in PRIVATE),
        *(_readable(path, "600") for path in _secret_files(environ)),
        *(_writable_by_others(path) for path in _deciding(configuration)),
        *(_not_ours(work_dir / name) for name in WRITTEN),
    ]
    return " ".join(filter(None, lines))


def _secret_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Return the files that the environment has secrets read from; keys are looked at elsewhere."""
    for variable, value in environ.items():
        ours = variable.startswith("SENDIT_") and variable.endswith("_FILE")
        if ours and not variable.startswith("SENDIT_KEYS_"):
            yield Path(value)


def _deciding(configuration: Configuration) -> Iterator[Path]:
    """Return what decides how studies are de-identified and where they go."""
    yield configuration.settings.work_dir
    if configuration.source is not None:
        yield configuration.source
        yield configuration.source.parent
        yield configuration.settings.projects_dir
        yield from sorted(configuration.settings.projects_dir.glob("*.toml"))


def _readable(path: Path, mode: str) -> str:
    if not _mode(path) & 0o077:
        return ""
    return f"{path} can be read by other users. Run: chmod {mode} {path}"


def _writable_by_others(path: Path) -> str:
    mode = _mode(path)
    if not mode & stat.S_IWOTH or mode & stat.S_ISVTX:
        return ""
    return f"{path} can be changed by any user. Run: chmod o-w {path}"


def _not_ours(path: Path) -> str:
    if not path.is_dir() or os.access(path, os.W_OK | os.X_OK):
        return ""
    return (
        f"{path} cannot be written: give it to the user that runs sendit (chown -R), or mount it "
        "for writing."
    )


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return 0
