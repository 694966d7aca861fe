"""The ways of getting the corpus from here to there that are compared.

A way prepares a folder (not measured), names one command (measured), and proves afterwards
that every image arrived.  A further one is one more entry in ``WAYS``.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import RunFailed
from benchmarks.peers import PEERS

ROOT = Path(__file__).parents[1]
PEER_PYTHON = ROOT / ".venv" / "peers" / "bin" / "python"
"""The peers' own environment, which ``make bench`` makes."""
SENDIT = (sys.executable, "-m", "sendit")

PROJECT = """\
title = "Benchmark"
[accept]
modalities = ["CT", "MR", "SR"]
[deid]
preset = "research"
pixels = "off"
pixels_off_reason = "the images of the benchmark show no text"
defacing = "off"
[[targets]]
name = "out"
kind = "folder"
path = "../out"
"""

INSTALLATION = """\
mode = "pool"
work_dir = "work"
log_level = "warning"
[workers]
processes = {processes}
[ingest]
settle = "0.1 s"
scan = "0.1 s"
[[inboxes]]
path = "inbox"
project = "bench"
"""


@dataclass(frozen=True, slots=True)
class Way:
    """One way; ``prepare`` gets (corpus, empty folder, processes) and returns the command."""

    name: str
    prepare: Callable[[Path, Path, int], Sequence[str]]
    arrived: Callable[[Path], int]
    """How many images stand in the folder after the run, in their final place."""
    at_most: int | None = None
    """Images given to it, where all of them would take too long."""
    starts: bool = False
    """Whether its start is measured too, alone, on an empty corpus."""


def copy_files(corpus: Path, folder: Path, processes: int) -> Sequence[str]:
    """``cp -r``: what writing the bytes a second time costs at least."""
    return ("cp", "-r", str(corpus), str(folder / "out"))


def copy_and_digest(corpus: Path, folder: Path, processes: int) -> Sequence[str]:
    """Copy, and SHA-256 of what is written: what no engine that proves its results can save."""
    return (sys.executable, "-m", "benchmarks.copy_digest", str(corpus), str(folder / "out"))


def engine_alone(corpus: Path, folder: Path, processes: int) -> Sequence[str]:
    """``sendit deid``: headers, release check and digest, without a database."""
    project = _write(folder / "bench.toml", PROJECT)
    options = ("--project", str(project), "--jobs", str(processes))
    return (*SENDIT, "deid", str(corpus), str(folder / "out"), *options)


def engine_unproven(corpus: Path, folder: Path, processes: int) -> Sequence[str]:
    """Do the same without release check and digest, which no switch of the product allows."""
    command = engine_alone(corpus, folder, processes)
    return (sys.executable, "-m", "benchmarks.without_proof", *command[len(SENDIT) + 1 :])


def engine_on_two(corpus: Path, folder: Path, processes: int) -> Sequence[str]:
    """Run the engine in two processes: what a second core brings."""
    return engine_alone(corpus, folder, 2)


def whole_pipeline(corpus: Path, folder: Path, processes: int) -> Sequence[str]:
    """``sendit run --once``: from finished folders in an inbox to a verified folder target."""
    shutil.copytree(corpus, folder / "inbox")
    _write(folder / "projects" / "bench.toml", PROJECT)
    config = _write(folder / "sendit.toml", INSTALLATION.format(processes=processes))
    return (*SENDIT, "run", "--once", "--strict", "--config", str(config))


def whole_site(corpus: Path, folder: Path, processes: int) -> Sequence[str]:
    """Do the same with Celery, Redis and PostgreSQL, as a site runs it."""
    command = whole_pipeline(corpus, folder, processes)
    config = folder / "sendit.toml"
    config.write_text(f'mode = "celery"\n{config.read_text()}'.replace('mode = "pool"\n', ""))
    return (command[0], "-m", "benchmarks.site", str(folder), str(processes))


def peer(name: str) -> Way:
    """Another tool, on some of the images: it takes up to a hundred times as long."""

    def prepare(corpus: Path, folder: Path, processes: int) -> Sequence[str]:
        return (str(PEER_PYTHON), "-m", "benchmarks.peers", name, str(corpus), str(folder / "out"))

    return Way(name, prepare, files_in_out, at_most=300)


def images_in_out(folder: Path) -> int:
    """Count the images below ``out``, without the manifests beside them."""
    return sum(path.is_file() for path in (folder / "out").rglob("*.dcm"))


def files_in_out(folder: Path) -> int:
    """Count the files below ``out``."""
    return sum(path.is_file() for path in (folder / "out").rglob("*"))


def images_done(folder: Path) -> int:
    """Count the images that ``sendit status`` calls done, if as many files are at the target."""
    config = str(folder / "sendit.toml")
    listed = subprocess.run(
        [*SENDIT, "status", "--json", "--config", config],
        env=environment(),
        capture_output=True,
        check=True,
    )
    done = sum(batch["images"]["DONE"] for batch in json.loads(listed.stdout))
    if done != images_in_out(folder):
        raise RunFailed(f"{done} images are done, but {images_in_out(folder)} arrived")
    return done


def environment() -> Mapping[str, str]:
    """Return the environment of this process without settings of another installation."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("SENDIT_")
    }
    return {**inherited, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


WAYS: Mapping[str, Way] = {
    "cp": Way("cp -r", copy_files, files_in_out),
    "digest": Way("copy and SHA-256", copy_and_digest, files_in_out, starts=True),
    "unproven": Way("engine, no check or digest", engine_unproven, images_in_out, starts=True),
    "engine": Way("engine alone", engine_alone, files_in_out, starts=True),
    "engine-2": Way("engine, 2 processes", engine_on_two, files_in_out, starts=True),
    "pipeline": Way("whole pipeline", whole_pipeline, images_done, starts=True),
    "site": Way("whole pipeline, site", whole_site, images_in_out, starts=True),
    **{name: peer(name) for name in PEERS},
}
