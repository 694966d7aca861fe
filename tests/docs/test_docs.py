"""The documentation is true: links lead somewhere, files parse, examples run."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sendit.config import load, load_project

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)[ \t]*([\w ]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
MINIMAL_PROJECT = '[deid]\ndefacing = "off"\n'
EXTERNAL = ("https://", "http://", "mailto:")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: ```` ```language words ````."""

    line: int
    language: str
    words: str
    text: str


def blocks_of(page: Path, language: str, *, word: str = "") -> Iterator[Block]:
    text = page.read_text()
    for match in FENCE.finditer(text):
        block = Block(text.count("\n", 0, match.start()) + 1, *match.groups())
        if block.language == language and word in block.words:
            yield block


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        path, _, anchor = target.partition("#")
        file = page if not path else (page.parent / path).resolve()
        if target.startswith(EXTERNAL):
            continue
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(target)

    assert broken == []


def _anchors(page: Path) -> set[str]:
    """Return the anchors that headings get: lower case, words joined by hyphens."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in HEADING.findall(page.read_text())
    }


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_toml_example_parses(page: Path) -> None:
    for block in blocks_of(page, "toml"):
        tomllib.loads(block.text)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_configuration_example_is_valid(page: Path, tmp_path: Path) -> None:
    """Blocks that begin with ``# sendit.toml`` or ``# projects/NAME.toml`` belong together."""
    files = {
        first.removeprefix("# ").split()[0]: block.text
        for block in blocks_of(page, "toml")
        if (first := block.text.partition("\n")[0]).startswith(("# sendit.toml", "# projects/"))
    }
    (tmp_path / "projects").mkdir()
    for inbox in tomllib.loads(files.get("sendit.toml", "")).get("inboxes", []):
        (tmp_path / inbox["path"].lstrip("/")).mkdir(parents=True)
        files.setdefault(f"projects/{inbox['project']}.toml", MINIMAL_PROJECT)
    for name, text in files.items():
        (tmp_path / name).write_text(text.replace('path = "/', f'path = "{tmp_path}/'))

    for name in files:
        if name.startswith("projects/"):
            load_project(tmp_path / name)
    if "sendit.toml" in files:
        load(tmp_path / "sendit.toml", environ={}, cwd=tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_python_example_runs(page: Path, tmp_path: Path) -> None:
    for block in blocks_of(page, "python"):
        done = run("-c", block.text, folder=tmp_path)
        assert done.returncode == 0, f"line {block.line}: {done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_console_example_exits_with_0(page: Path, tmp_path: Path) -> None:
    """Blocks that begin with ```` ```console run ```` are run line by line in one empty folder."""
    for block in blocks_of(page, "console", word="run"):
        for line in block.text.splitlines():
            if line.startswith("$ sendit "):
                words = shlex.split(line.removeprefix("$ sendit "), comments=True)
                done = run("-m", "sendit", *words, folder=tmp_path)
                assert done.returncode == 0, f"line {block.line}: {line}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z]+)", page.read_text()))

    assert named <= targets


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
