from pathlib import Path

import pytest

from sendit.cli.recipe import main

PROJECT = 'title = "Test"\n[deid]\npreset = "research"\ndefacing = "off"\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "test.toml"
    path.write_text(PROJECT)
    return path


def test_recipe_on_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0

    shown = capsys.readouterr().out
    assert "preset    basic" in shown
    assert "retain-longitudinal-modified-dates" in shown
    assert "removed" in shown


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("PatientName", "pseudonym"),
        ("(0010,0020)", "pseudonym"),
        ("0008,103E", "removed"),
        ("StudyDate", "moved by the patient's number of days"),
        ("StudyInstanceUID", "new UID"),
        ("Rows", "kept"),
        ("ConvolutionKernel", "identifiers"),
        ("00091001", "private"),
        ("ContentSequence", "one by one"),
        ("DeviceSerialNumber", "required (type 1)"),
    ],
)
def test_one_attribute(tag: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", tag]) == 0

    assert words in capsys.readouterr().out


def test_option_of_a_project_shows(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "SeriesDescription", "--project", str(project)]) == 0

    shown = capsys.readouterr().out
    assert "clean-descriptors: C, in force" in shown
    assert "cleaned" in shown


@pytest.mark.parametrize("words", [[], ["explain", "NoSuchThing"], ["nonsense"]])
def test_wrong_usage_is_exit_2(words: list[str]) -> None:
    assert main(words) == 2
