from pathlib import Path

import pytest

from sendit.storage import PreparableTarget, Target
from sendit.storage.registry import build
from tests.contracts.targets import TargetContract


class TestTree(TargetContract):
    @pytest.fixture
    def target(self, tmp_path: Path) -> Target:
        (tmp_path / "out").mkdir()
        return build("folder", {"path": "out"}, base=tmp_path)


class TestArchive(TargetContract):
    @pytest.fixture
    def target(self, tmp_path: Path) -> Target:
        (tmp_path / "out").mkdir()
        return build("folder", {"path": "out", "layout": "archive"}, base=tmp_path)


def test_make_ready_makes_a_missing_folder_and_leaves_a_full_one_alone(tmp_path: Path) -> None:
    folder = build("folder", {"path": "a/b"}, base=tmp_path)
    assert isinstance(folder, PreparableTarget)
    folder.make_ready()
    (tmp_path / "a" / "b" / "kept").touch()

    folder.make_ready()

    assert (tmp_path / "a" / "b" / "kept").exists()
