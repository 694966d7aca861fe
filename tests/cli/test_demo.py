"""``sendit demo``: real studies, a real run, and a folder that is only ever its own."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sendit.cli import demo_folder
from sendit.cli.demo_studies import STUDIES, write_study
from sendit.config import load
from sendit.errors import UsageError
from tests.support.installation import SOURCES

EXAMPLES = SOURCES.parent / "examples"


def _run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SENDIT_")}
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env={**inherited, "PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_demo_shows_every_outcome_and_can_be_repeated(tmp_path: Path) -> None:
    # A configuration that is nobody's business must not disturb it.
    (tmp_path / "sendit.toml").write_text("this is not TOML")

    first = _run("-m", "sendit", "demo", "--dir", "my demo", cwd=tmp_path)
    second = _run("-m", "sendit", "demo", "--dir=my demo", cwd=tmp_path)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    for study in STUDIES:
        assert study.name in second.stdout
    for words in ("DONEPROCESSING", "EMPTY", "private element removed", "my demo/report.html"):
        assert words in second.stdout
    assert max(map(len, second.stdout.partition("Batch ")[0].splitlines())) <= 80
    [header] = [shlex.split(line) for line in second.stdout.splitlines() if "pydicom show" in line]
    shown = subprocess.run(header, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Patient Identity Removed" in shown.stdout, shown.stderr
    delivered = list((tmp_path / "my demo" / "out").rglob("*.dcm"))
    assert len(delivered) == sum(study.delivered for study in STUDIES)
    assert (tmp_path / "my demo/inbox/DEMO-4-NOTES.err/notes.txt").is_file()
    page = (tmp_path / "my demo" / "report.html").read_text()
    assert page.count("data:image/png") == 5
    for name in (*(study.name for study in STUDIES), "notes.txt", "98890234", "Doe"):
        assert name not in page


def test_an_outcome_that_differs_fails_the_demo(tmp_path: Path) -> None:
    changed = f"""
import sys
from dataclasses import replace
from sendit.cli import demo_studies, main
demo_studies.STUDIES = (replace(demo_studies.STUDIES[2], delivered=2),)
sys.exit(main.main(["demo", "--dir", {str(tmp_path / "shown")!r}]))
"""

    done = _run("-c", changed, cwd=tmp_path)

    assert done.returncode == 1, done.stderr
    assert "Not as expected: DEMO-3-MR" in done.stderr


@pytest.mark.parametrize("kind", ["full", "file", "link"])
def test_a_folder_that_the_demo_did_not_make_is_left_alone(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "mine"
    if kind == "full":
        folder.mkdir()
        (folder / "thesis.txt").write_text("years of work")
    elif kind == "file":
        folder.write_text("years of work")
    else:
        folder.symlink_to(tmp_path)
    before = sorted(tmp_path.rglob("*"))

    done = _run("-m", "sendit", "demo", "--dir", str(folder), cwd=tmp_path)

    assert done.returncode == 1
    assert str(folder) in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_help_makes_no_folder(tmp_path: Path) -> None:
    done = _run("-m", "sendit", "demo", "--help", cwd=tmp_path)

    assert done.returncode == 0
    assert "example:" in done.stdout
    assert not (tmp_path / "sendit-demo").exists()


def test_a_mistyped_option_leaves_the_last_demo_as_it_is(tmp_path: Path) -> None:
    demo_folder.make(tmp_path / "sendit-demo")
    result = tmp_path / "sendit-demo" / "out" / "result.dcm"
    result.write_bytes(b"of the last run")

    done = _run("-m", "sendit", "demo", "--drr", "elsewhere", cwd=tmp_path)

    assert done.returncode == 2
    assert "--drr" in done.stderr
    assert result.is_file()


def test_its_configuration_is_valid_and_the_examples_are_the_same(tmp_path: Path) -> None:
    source = demo_folder.make(tmp_path / "shown")

    configuration = load(source, environ={}, cwd=tmp_path)

    assert configuration.projects["demo"].title == "Demo"
    assert (EXAMPLES / "projects" / "demo.toml").read_text() == demo_folder.PROJECT


def test_a_study_arrives_finished(tmp_path: Path) -> None:
    folder = write_study(STUDIES[1], tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == [STUDIES[1].name]
    assert len(list(folder.rglob("*/*"))) == len(STUDIES[1].files)


def test_a_missing_test_file_is_named(tmp_path: Path) -> None:
    study = STUDIES[0]
    gone = type(study)("X", "", ("no_such_file.dcm",), study.status, 0)

    with pytest.raises(UsageError, match=r"no_such_file\.dcm"):
        write_study(gone, tmp_path)


def test_the_example_script_puts_a_study_into_an_inbox(tmp_path: Path) -> None:
    script = str(EXAMPLES / "make_demo_study.py")

    done = _run(script, str(tmp_path), "--study", "DEMO-2-CT", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "DEMO-2-CT").is_dir()
