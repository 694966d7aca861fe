from pathlib import Path

import pytest

from sendit.storage import Target
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
