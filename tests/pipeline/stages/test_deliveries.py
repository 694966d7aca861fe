"""A folder as the receiver of the delivery contract, in both layouts."""

from pathlib import Path
from typing import ClassVar

import pytest

from tests.contracts.deliveries import DeliveryContract
from tests.storage.folder_receiver import FolderReceiver


class FolderDeliveries(DeliveryContract):
    layout: ClassVar[str]

    @pytest.fixture
    def receiver(self, tmp_path: Path) -> FolderReceiver:
        (tmp_path / "there").mkdir()
        return FolderReceiver(tmp_path / "there", self.layout)

    @pytest.fixture
    def target_table(self, receiver: FolderReceiver) -> str:
        return f'kind = "folder"\npath = "{receiver.folder}"\nlayout = "{self.layout}"'


class TestTree(FolderDeliveries):
    layout = "tree"


class TestArchive(FolderDeliveries):
    layout = "archive"
