"""A folder as the receiver of the delivery contract, in both layouts."""

from pathlib import Path
from typing import ClassVar

import pytest

from sendit.pipeline.runner import Step
from sendit.terms import Stage, Status
from tests.contracts.deliveries import DeliveryContract
from tests.pipeline.line import Line
from tests.storage.folder_receiver import FolderReceiver
from tests.support.installation import PROJECT


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


def share_of_the_files_themselves(line: Line) -> list[bool]:
    """Deliver a study, and say of each file at a target whether it is the result itself."""
    line.installation.add_study("ACC1", n_series=1, n_images=2)
    batch_id = line.hand_in("ACC1")
    runner = line.runner()
    while line.batch(batch_id).stage != Stage.CLEAN_UP:
        assert runner.advance(batch_id) is not Step.IDLE
    results = {path.name: path for path in line.workspace.clean(batch_id).rglob("*.dcm")}
    sent = line.installation.root.glob("out*/**/*.dcm")
    same = [path.samefile(results[path.name]) for path in sent]
    line.work()
    assert line.batch(batch_id).status == Status.DONE
    return same


def test_the_only_target_gets_results_that_go_without_a_second_copy(line: Line) -> None:
    assert share_of_the_files_themselves(line) == [True, True]


def test_results_that_stay_are_copied(line: Line) -> None:
    line.set_project(PROJECT.replace("[retention]", '[retention]\nresults = "2 days"'))

    assert share_of_the_files_themselves(line) == [False, False]


def test_results_for_two_targets_are_copied(line: Line) -> None:
    (line.installation.root / "out2").mkdir()
    line.set_project(f'{PROJECT}[[targets]]\nname = "second"\nkind = "folder"\npath = "../out2"\n')

    assert share_of_the_files_themselves(line) == [False] * 4


def test_results_for_an_optional_target_are_copied(line: Line) -> None:
    line.set_project(PROJECT.replace('name = "out"', 'name = "out"\nrequired = false'))

    assert share_of_the_files_themselves(line) == [False, False]
