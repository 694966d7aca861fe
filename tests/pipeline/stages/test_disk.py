import shutil
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from sendit.errors import VolumeMissing
from sendit.pipeline import machine
from sendit.pipeline.admission import admit, obstacle
from sendit.pipeline.preparation import prepare
from sendit.pipeline.workspace import SENTINEL
from sendit.records.models import Image
from sendit.terms import Stage, Status
from tests.pipeline.files import tree
from tests.pipeline.line import Line, make_line, register_folder
from tests.support.installation import Installation
from tests.support.make_study import not_dicom
from tests.support.small_disk import Remount

SOON = timedelta(seconds=11)
ROOMY = "size=256k,nr_inodes=1000"


def arrive(line: Line, inbox: Path, name: str = "ACC1") -> Path:
    """Put a study into an inbox that is not below the installation."""
    made = line.installation.add_study(name, n_series=1)
    moved = inbox / name
    shutil.move(made, moved)
    return moved


@pytest.fixture
def far(line: Line, small_disk: Path, remount: Remount) -> Path:
    """Return an inbox on another file system, configured as the project's."""
    remount(ROOMY)
    text = line.installation.config.read_text()
    line.installation.write_config(text.replace('path = "inbox"', f'path = "{small_disk}"'))
    line.configuration = line.installation.configuration()
    return small_disk


class TestInboxOnAnotherFileSystem:
    def test_originals_are_copied_proven_and_removed(self, line: Line, far: Path) -> None:
        arrive(line, far)

        batch_id = hand_in_from(line, far)
        line.work()

        assert line.batch(batch_id).status == Status.DONE
        assert len(line.installation.delivered()) == 3
        assert list(far.iterdir()) == []

    def test_what_cannot_be_read_stays_there(self, line: Line, far: Path) -> None:
        not_dicom(arrive(line, far) / "notes.txt")

        batch_id = hand_in_from(line, far)
        line.work()

        assert line.batch(batch_id).has_error
        assert [*tree(far)] == ["ACC1.err/notes.txt"]

    def test_originals_go_back_there(self, line: Line, far: Path) -> None:
        folder = arrive(line, far)
        not_dicom(folder / "notes.txt")
        originals = tree(folder)
        batch_id = hand_in_from(line, far)
        line.work()

        machine.turn_down(batch_id, reason="", now=line.clock)
        line.work()

        assert tree(far / "ACC1.err") == originals
        assert not line.workspace.phi(batch_id).exists()

    def test_read_only_originals_are_kept_where_they_are(
        self, line: Line, far: Path, remount: Remount
    ) -> None:
        folder = arrive(line, far)
        originals = tree(folder)
        batch_id = hand_in_from(line, far)
        remount("ro")

        line.work()

        batch = line.batch(batch_id)
        assert (batch.status, batch.stage) == (Status.ERROR, Stage.IMPORT)
        assert "make the folder writable" in batch.errors[0]["message"]
        assert tree(folder) == originals
        remount("rw")
        machine.retry(batch_id, target=None, now=line.clock)
        line.work()
        assert line.batch(batch_id).status == Status.DONE
        assert len(line.installation.delivered()) == 3
        assert list(far.iterdir()) == []

    def test_giving_back_to_a_full_disk_waits_for_room(self, line: Line, far: Path) -> None:
        folder = arrive(line, far)
        not_dicom(folder / "notes.txt")
        originals = tree(folder)
        batch_id = hand_in_from(line, far)
        line.work()
        filler = fill(far)
        machine.turn_down(batch_id, reason="", now=line.clock)

        line.work()
        assert line.batch(batch_id).retry_at is not None
        filler.unlink()
        line.work(later=SOON)

        assert tree(far / "ACC1.err") == originals
        assert line.batch(batch_id).stage == ""


def hand_in_from(line: Line, inbox: Path, name: str = "ACC1") -> int:
    batch = register_folder(line.configuration, inbox / name)
    assert machine.admit(batch.pk, now=line.clock)
    return int(batch.pk)


def fill(disk: Path) -> Path:
    """Leave no room on a small file system; return the file that takes it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(bytes(1024))
    return filler


class TestWorkingVolumes:
    @pytest.fixture
    def tight(
        self,
        db: None,
        installation: Installation,
        small_disk: Path,
        remount: Remount,
        in_this_process: object,
    ) -> Line:
        """Return a pipeline whose working folder is on a small file system."""
        remount(ROOMY)
        keys = installation.work_dir / "keys"
        shutil.copytree(keys, small_disk / "keys")
        shutil.rmtree(installation.work_dir)
        installation.work_dir.symlink_to(small_disk)
        text = installation.config.read_text().replace("1 MB", "1 kB")
        installation.write_config(text)
        return make_line(installation, installation.configuration())

    def test_full_disk_during_import_holds_the_batch_until_there_is_room(self, tight: Line) -> None:
        folder = tight.installation.add_study("ACC1", n_series=1)
        originals = tree(folder)
        batch_id = tight.hand_in("ACC1")
        filler = fill(tight.installation.work_dir)

        for _ in range(5):
            tight.work(later=SOON)

        batch = tight.batch(batch_id)
        assert (batch.status, batch.stage, batch.has_error) == (Status.NEW, Stage.IMPORT, False)
        assert tree(folder) == originals
        filler.unlink()
        tight.work(later=SOON)
        assert tight.batch(batch_id).status == Status.DONE
        assert len(tight.installation.delivered()) == 3

    def test_full_disk_during_deidentify_gives_every_image_back(self, tight: Line) -> None:
        tight.installation.add_study("ACC1", n_series=1)
        batch_id = tight.hand_in("ACC1")
        runner = tight.runner()
        while tight.batch(batch_id).stage != Stage.DEIDENTIFY:
            runner.advance(batch_id)
        filler = fill(tight.installation.work_dir)

        for _ in range(5):
            tight.work(later=SOON)

        batch = tight.batch(batch_id)
        assert (batch.stage, batch.has_error, batch.attempts) == (Stage.DEIDENTIFY, False, 0)
        assert set(Image.objects.values_list("status", "attempts")) == {(Status.NEW, 0)}
        assert list(tight.workspace.new(batch_id).rglob("*")) == []
        filler.unlink()
        tight.work(later=SOON)
        assert tight.batch(batch_id).status == Status.DONE

    def test_results_on_another_volume_than_originals_are_refused_in_words(
        self, line: Line, small_disk: Path
    ) -> None:
        clean = line.workspace.work_dir / "clean"
        shutil.copytree(clean, small_disk, dirs_exist_ok=True)
        shutil.rmtree(clean)
        clean.symlink_to(small_disk)

        with pytest.raises(VolumeMissing, match="one file system"):
            line.workspace.check()

    @pytest.mark.parametrize("volume", ["", "phi", "clean"])
    @pytest.mark.parametrize("stage", [Stage.IMPORT, Stage.DEIDENTIFY, Stage.CLEAN_UP])
    def test_volume_that_is_not_mounted_gets_nothing_written(
        self, line: Line, volume: str, stage: Stage
    ) -> None:
        line.installation.add_study("ACC1", n_series=1)
        batch_id = line.hand_in("ACC1")
        runner = line.runner()
        while line.batch(batch_id).stage != stage:
            runner.advance(batch_id)
        sentinel = line.configuration.settings.work_dir / volume / SENTINEL
        sentinel.unlink()
        before = tree(line.installation.root)

        for _ in range(5):
            line.work(later=SOON)

        assert tree(line.installation.root) == before
        assert (line.batch(batch_id).stage, line.batch(batch_id).has_error) == (stage, False)
        sentinel.touch()
        line.work(later=SOON)
        assert line.batch(batch_id).status == Status.DONE

    def test_nothing_starts_or_is_admitted_without_a_volume(self, line: Line) -> None:
        line.installation.add_study("ACC1", n_series=1)
        batch = register_folder(line.configuration, line.installation.inbox / "ACC1")
        (line.configuration.settings.work_dir / "phi" / SENTINEL).unlink()

        assert admit(line.configuration, now=line.clock) == []
        assert "not mounted" in (obstacle(line.configuration) or "")
        assert line.batch(batch.pk).status == Status.QUEUE
        with pytest.raises(VolumeMissing, match="not mounted"):
            prepare(line.configuration)


def test_nothing_is_admitted_without_room(line: Line) -> None:
    text = line.installation.config.read_text().replace("1 MB", "900000 GB")
    line.installation.write_config(text)
    configuration = line.installation.configuration()
    line.installation.add_study("ACC1", n_series=1)
    register_folder(configuration, line.installation.inbox / "ACC1")

    assert admit(configuration, now=line.clock) == []
    assert "until there is room" in (obstacle(configuration) or "")


def test_originals_are_private_in_the_working_area(line: Line) -> None:
    folder = line.installation.add_study("ACC1", n_series=1)
    for path in folder.rglob("*.dcm"):
        path.chmod(0o644)
    batch_id = line.hand_in("ACC1")
    runner = line.runner()
    while line.batch(batch_id).stage != Stage.SEND:
        runner.advance(batch_id)

    phi = line.workspace.phi(batch_id)

    assert {oct(path.stat().st_mode & 0o777) for path in phi.glob("*.dcm")} == {"0o600"}
    folders = [phi.parent, phi, *(path for path in phi.rglob("*") if path.is_dir())]
    assert {path.name for path in folders} >= {"phi", "excluded"}
    assert {oct(path.stat().st_mode & 0o777) for path in folders} == {"0o700"}
    assert (phi.parent / ".sendit-volume").stat().st_mode & 0o777 == 0o600
    assert (line.configuration.settings.work_dir / "keys").stat().st_mode & 0o077 == 0
