"""Batches wait before a volume is full: what they will need is known from their folders."""

from pathlib import Path

import pytest

from sendit.config import Configuration
from sendit.pipeline import machine
from sendit.pipeline.admission import admit, obstacle
from sendit.pipeline.room import Copied, Need, need_of, need_of_admitted, room_in
from sendit.records.models import Batch
from tests.pipeline.line import Line, register_folder

pytestmark = pytest.mark.django_db


def queued(line: Line, name: str, *, size: int, files: int = 10, priority: int = 0) -> Batch:
    line.installation.add_study(name, n_series=1, n_images=1)
    batch = register_folder(line.configuration, line.installation.inbox / name)
    Batch.objects.filter(pk=batch.pk).update(
        expected_bytes=size, expected_files=files, priority=priority
    )
    batch.refresh_from_db()
    return batch


def with_limits(line: Line, *, free_after: int = 0, inodes_after: int = 0) -> Configuration:
    """Return limits that leave so much room, or so many inodes, above the floor."""
    here = room_in(line.workspace.work_dir)
    floor = here.free.size - free_after if free_after else 0
    inodes = here.free.inodes - inodes_after if inodes_after else 0
    text = line.installation.config.read_text()
    line.installation.write_config(
        text.replace(
            'min_free_disk = "1 MB"', f'min_free_disk = "{floor} B"\nmin_free_inodes = {inodes}'
        )
    )
    return line.installation.configuration()


def test_what_was_let_in_is_set_aside_before_it_is_written(line: Line) -> None:
    configuration = with_limits(line, free_after=500_000_000)
    first = queued(line, "ACC1", size=200_000_000)
    second = queued(line, "ACC2", size=200_000_000)
    third = queued(line, "ACC3", size=200_000_000)

    assert admit(configuration, now=line.clock) == [first.pk, second.pk]
    assert admit(configuration, now=line.clock) == []
    assert f"Batch {third.pk} waits for room" in (obstacle(configuration) or "")
    assert "200 MB" in (obstacle(configuration) or "")


def test_large_batch_is_not_overtaken_but_one_that_never_fits_is(line: Line) -> None:
    configuration = with_limits(line, free_after=500_000_000)
    never = queued(line, "ACC1", size=10**18)
    large = queued(line, "ACC2", size=600_000_000)
    small = queued(line, "ACC3", size=1_000)

    assert admit(configuration, now=line.clock) == []
    assert f"Batch {large.pk} waits" in (obstacle(configuration) or "")
    Batch.objects.filter(pk=large.pk).update(expected_bytes=1_000)
    assert admit(configuration, now=line.clock) == [large.pk, small.pk]
    assert f"Batch {never.pk} is larger than" in (obstacle(configuration) or "")


def test_urgent_batch_comes_first(line: Line) -> None:
    configuration = with_limits(line, free_after=500_000_000)
    old = queued(line, "ACC1", size=1_000)
    urgent = queued(line, "ACC2", size=1_000, priority=5)

    assert admit(configuration, now=line.clock, limit=2) == [urgent.pk, old.pk]


def test_inodes_are_kept_free_too(line: Line) -> None:
    if not room_in(line.workspace.work_dir).counts_inodes:
        pytest.skip("this file system makes inodes as it needs them")
    configuration = with_limits(line, inodes_after=1_000)
    queued(line, "ACC1", size=1_000, files=2_000)

    assert admit(configuration, now=line.clock) == []
    assert "inodes" in (obstacle(configuration) or "")


def test_copy_from_another_file_system_counts_twice(line: Line, tmp_path: Path) -> None:
    near = queued(line, "ACC1", size=1_000)
    far = Batch(inbox="/proc", expected_bytes=1_000, expected_files=3)

    assert need_of(near, Copied(line.workspace)) == Need(1_000, 20)
    assert need_of(far, Copied(line.workspace)) == Need(2_000, 6)


def test_results_that_are_written_are_not_set_aside_again(line: Line) -> None:
    batch = queued(line, "ACC1", size=5_000)
    machine.admit(batch.pk, now=line.clock)
    before = need_of_admitted(Copied(line.workspace))
    line.work()

    assert before == Need(5_000, 20)
    assert need_of_admitted(Copied(line.workspace)) == Need()


def test_batches_come_in_again_by_themselves_when_there_is_room(line: Line, tmp_path: Path) -> None:
    tight = with_limits(line, free_after=1)
    batch = queued(line, "ACC1", size=1_000_000)
    assert admit(tight, now=line.clock) == []

    assert admit(line.configuration, now=line.clock) == [batch.pk]
