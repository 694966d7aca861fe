from io import StringIO
from pathlib import Path

import pydicom
import pytest

from sendit.cli.diff import main
from sendit.deid import Engine, Recipe
from tests.deid.engines import identities_for
from tests.support.make_study import make_study


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    [original] = make_study(tmp_path / "in", n_series=1, n_images=1)
    result = tmp_path / "out.dcm"
    Engine(Recipe.resolve(), identities_for(original)).deidentify_to(original, result)
    return original, result


def test_both_sides_are_shown(pair: tuple[Path, Path]) -> None:
    screen = Terminal()

    assert main([str(path) for path in pair], screen=screen) == 0

    shown = screen.getvalue()
    assert "~ (0010,0010) Patient's Name" in shown
    assert "Sandpiper^Amalia" in shown
    assert "- (0008,0080) Institution Name" in shown
    assert "+ (0012,0062) Patient Identity Removed" in shown
    assert "Rows" not in shown


def test_values_go_to_a_terminal_only(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    screen = StringIO()

    assert main([str(path) for path in pair], screen=screen) == 1

    assert screen.getvalue() == ""
    assert "terminal only" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")
def test_file_that_nobody_can_read_is_one_line(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    original, result = pair
    level = bytes.fromhex("0800159253510000fffffffffeff00e0ffffffff")
    result.write_bytes(result.read_bytes()[:400] + level * 10_000)

    assert main([str(original), str(result)], screen=Terminal()) == 1

    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(("broken", "word"), [(0, "ORIGINAL"), (1, "RESULT")], ids=["old", "new"])
def test_the_file_that_cannot_be_read_is_named(
    pair: tuple[Path, Path], broken: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pair[broken].write_text("no DICOM")

    assert main([str(path) for path in pair], screen=Terminal()) == 1

    assert capsys.readouterr().err.startswith(f"{word} cannot be read: ")


def test_a_value_sends_no_commands_to_the_terminal(pair: tuple[Path, Path]) -> None:
    original, result = pair
    ds = pydicom.dcmread(original)
    ds.PatientComments = "\x07\x9b2Jknee"
    ds.save_as(original)
    screen = Terminal()

    main([str(original), str(result)], screen=screen)

    assert "knee" in screen.getvalue()
    assert "\x07" not in screen.getvalue()


def test_result_that_lost_something_is_exit_1(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original, result = pair
    ds = pydicom.dcmread(result)
    ds.SliceThickness = "9.75"
    ds.save_as(result)

    assert main([str(original), str(result)], screen=Terminal()) == 1

    assert "release check refuses" in capsys.readouterr().err


def test_wrong_usage_is_exit_2() -> None:
    assert main([]) == 2
