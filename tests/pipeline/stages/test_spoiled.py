"""A target holds the very files of its batch until it has proven them, and somebody edits one."""

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from sendit.pipeline import machine
from sendit.pipeline.runner import Step
from sendit.records.models import Image
from sendit.terms import Stage, Status
from tests.pipeline.line import Line


def one_bit(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.seek(200)
        byte = stream.read(1)[0]
        stream.seek(200)
        stream.write(bytes([byte ^ 1]))


def cut_off(file: Path) -> None:
    os.truncate(file, 100)


def emptied(file: Path) -> None:
    os.truncate(file, 0)


def longer(file: Path) -> None:
    with file.open("ab") as stream:
        stream.write(b"\0\0")


DAMAGE = pytest.mark.parametrize("damage", [one_bit, cut_off, emptied, longer])


def at_verify(line: Line) -> int:
    line.installation.add_study("ACC1", n_series=1, n_images=3)
    batch_id = line.hand_in("ACC1")
    runner = line.runner()
    while line.batch(batch_id).stage != Stage.VERIFY:
        assert runner.advance(batch_id) is not Step.IDLE
    return batch_id


def content(line: Line) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in line.installation.delivered()}


def is_delivered(line: Line, batch_id: int, right: dict[str, bytes]) -> bool:
    images = Image.objects.filter(batch=batch_id).values_list("status", flat=True)
    done = {line.batch(batch_id).status, *images} == {Status.DONE}
    return done and content(line) == right and not line.workspace.clean(batch_id).exists()


@DAMAGE
def test_a_result_that_is_edited_at_its_target_is_made_again(
    line: Line, damage: Callable[[Path], None]
) -> None:
    batch_id = at_verify(line)
    right = content(line)
    edited = line.installation.delivered()[1]
    damage(edited)
    line.work()
    assert line.codes(batch_id) == ["VERIFICATION_FAILED"]

    edited.rename(line.installation.root / "edited")  # as the message says
    machine.retry(batch_id, target=None, now=line.clock)
    line.work()

    assert is_delivered(line, batch_id, right)


def test_one_that_is_not_moved_away_is_never_overwritten(line: Line) -> None:
    batch_id = at_verify(line)
    right = content(line)
    edited = line.installation.delivered()[1]
    one_bit(edited)
    line.work()
    kept = edited.read_bytes()

    machine.retry(batch_id, target=None, now=line.clock)
    line.work()

    assert line.codes(batch_id)[1:] == ["TARGET_CONFLICT"]
    assert edited.read_bytes() == kept
    edited.unlink()
    machine.retry(batch_id, target="out", now=line.clock)
    line.work(later=timedelta(minutes=1))
    assert is_delivered(line, batch_id, right)


def test_what_is_gone_here_and_held_there_needs_no_original(line: Line) -> None:
    """As after a restore of a database that is older than the clean-up."""
    batch_id = at_verify(line)
    right = content(line)
    for folder in (line.workspace.clean(batch_id), line.workspace.phi(batch_id)):
        for file in folder.rglob("*.dcm"):
            file.unlink()
    held = line.installation.delivered()[1]
    one_bit(held)
    line.work()
    assert line.codes(batch_id) == ["VERIFICATION_FAILED"]
    held.write_bytes(right[held.name])

    machine.retry(batch_id, target=None, now=line.clock)
    line.work()

    assert is_delivered(line, batch_id, right)


def test_whole_results_are_not_made_again(line: Line) -> None:
    batch_id = at_verify(line)
    right = content(line)
    file = line.installation.delivered()[1]
    other = file.with_name("other")
    other.write_bytes(b"not the result")
    other.replace(file)
    line.work()

    file.unlink()
    machine.retry(batch_id, target=None, now=line.clock)
    line.work()

    assert is_delivered(line, batch_id, right)
    runs = line.batch(batch_id).runs.filter(stage=Stage.DEIDENTIFY)
    assert [run.images for run in runs] == [3]


def test_original_that_somebody_removed_is_named(line: Line) -> None:
    line.installation.add_study("ACC1", n_series=1, n_images=3)
    batch_id = line.hand_in("ACC1")
    runner = line.runner()
    while line.batch(batch_id).stage != Stage.DEIDENTIFY:
        assert runner.advance(batch_id) is not Step.IDLE
    line.workspace.original(batch_id, 2).unlink()

    line.work()

    assert line.batch(batch_id).status == Status.ERROR
    assert f"phi/{batch_id}/2.dcm is missing" in line.batch(batch_id).errors[0]["message"]
    assert not line.installation.delivered()


@pytest.mark.parametrize("other", [3, 40], ids=["in one chunk", "in another"])
def test_original_in_the_place_of_another_stops_the_batch(line: Line, other: int) -> None:
    line.installation.add_study("ACC1", n_series=1, n_images=40)
    batch_id = line.hand_in("ACC1")
    runner = line.runner()
    while line.batch(batch_id).stage != Stage.DEIDENTIFY:
        assert runner.advance(batch_id) is not Step.IDLE
    first = line.workspace.original(batch_id, 1)
    shutil.copyfile(first, line.workspace.original(batch_id, other))

    line.work()

    assert line.batch(batch_id).status == Status.ERROR
    message = line.batch(batch_id).errors[0]["message"]
    assert f"phi/{batch_id}/1.dcm and phi/{batch_id}/{other}.dcm became the same image" in message
    assert not line.installation.delivered()
