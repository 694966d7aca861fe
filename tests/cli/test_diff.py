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
