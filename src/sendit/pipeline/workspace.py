"""The working folders of a batch, and what may be done in them.

``phi/<batch>/`` holds the originals by running number, and results until they are
released; ``clean/<batch>/`` holds results only.  Both lie on one file system, so a release
is a rename.  Each volume carries a sentinel file: when it is missing beside history, the
volume is not mounted and nothing is written.  That of the originals also says whether any came.
"""

import errno
import filecmp
import os
import shutil
from collections.abc import Iterable, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sendit.errors import VolumeMissing
from sendit.pipeline.proven_copy import copy_proven
from sendit.storage.durable import sync_folders, sync_volume
from sendit.terms import Zone

SENTINEL = ".sendit-volume"
_WORKED_IN = "Work was done here.\n"


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folders below ``work_dir``."""

    work_dir: Path

    @property
    def volumes(self) -> tuple[Path, ...]:
        """The folders that may be mounts of their own."""
        return (self.work_dir, self.work_dir / "phi", self.work_dir / "clean")

    def phi(self, batch_id: int) -> Path:
        """Originals of a batch."""
        return self.work_dir / "phi" / str(batch_id)

    def original(self, batch_id: int, nr: int, *, excluded: bool = False) -> Path:
        """One original, by its running number."""
        folder = self.phi(batch_id) / "excluded" if excluded else self.phi(batch_id)
        return folder / f"{nr}.dcm"

    def new(self, batch_id: int, run_id: int | None = None) -> Path:
        """Results that are not released yet, of one claim or of all."""
        folder = self.phi(batch_id) / "new"
        return folder if run_id is None else folder / str(run_id)

    def make_phi(self, batch_id: int, *below: str) -> Path:
        """Make a folder among the originals, down to the last one for its owner alone."""
        with suppress(FileNotFoundError):
            if not self._of_originals.stat().st_size:
                self._of_originals.write_text(_WORKED_IN)
        folder = self.phi(batch_id)
        folder.mkdir(mode=0o700, exist_ok=True)
        for name in below:
            # The mode that mkdir is told holds for the last folder only, so one at a time.
            folder /= name
            folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def clean(self, batch_id: int) -> Path:
        """Released results of a batch."""
        return self.work_dir / "clean" / str(batch_id)

    def previews(self, batch_id: int) -> Path:
        """Preview pictures of a batch's results."""
        return self.work_dir / "previews" / str(batch_id)

    def create(self) -> None:
        """Make the folders of a new installation, with their sentinels."""
        self.work_dir.mkdir(parents=True, exist_ok=True)
        for name, mode in (
            ("phi", 0o700),
            ("clean", 0o755),
            ("keys", 0o700),
            ("run", 0o755),
            ("logs", 0o755),
            ("reports", 0o700),
            ("previews", 0o755),
        ):
            folder = self.work_dir / name
            if not folder.is_dir():
                folder.mkdir(mode=mode)
        for volume in self.volumes:
            (volume / SENTINEL).touch(0o600 if volume.name == "phi" else 0o666)

    @property
    def _of_originals(self) -> Path:
        return self.work_dir / "phi" / SENTINEL

    def was_set_up(self) -> bool:
        """Say whether any of the volumes is there, or was."""
        return any((volume / SENTINEL).is_file() for volume in self.volumes)

    def was_worked_in(self) -> bool:
        """Say whether any batch was ever here, whatever the database knows."""
        if self._of_originals.is_file() and self._of_originals.stat().st_size:
            return True
        places = (self.work_dir / name for name in ("phi", "clean", "previews"))
        return any(
            folder.name.isdigit()
            for place in places
            if place.is_dir()
            for folder in place.iterdir()
        )

    def holds_results_alone(self) -> bool:
        """Say whether results are mounted here and nothing else, as in the zone ``out``."""
        whole, _, clean = (volume / SENTINEL for volume in self.volumes)
        try:
            return clean.is_file() and not whole.is_file()
        except OSError:
            return False  # ``check`` says what is wrong with them

    def check(self, zone: Zone = Zone.PHI) -> None:
        """Return if every volume is mounted that a zone sees; ``out`` sees results alone.

        Raises
        ------
        VolumeMissing
            Naming the volume without its sentinel, or two that should be one.
        """
        for volume in self.volumes if zone is Zone.PHI else self.volumes[2:]:
            if not (volume / SENTINEL).is_file():
                raise VolumeMissing(
                    f"{volume} is not mounted: its file {SENTINEL} is missing. Mount the volume; "
                    "if it was really replaced by a new one, create the file."
                )
        if zone is Zone.OUT:
            return
        phi, clean = self.volumes[1:]
        if phi.stat().st_dev != clean.stat().st_dev:
            raise VolumeMissing(
                f"{phi} and {clean} must be on one file system, since results are renamed from "
                "one to the other; mount neither of them, or one volume that holds both."
            )

    def take_in(self, source: Path, destination: Path) -> bool:
        """Move a file of an inbox in; False when it went to another file system.

        A copy is proven before its source is removed.  A move that was made already is fine.

        Raises
        ------
        FileNotFoundError
            When the file is in neither place.
        FileExistsError
            When another file stands at the destination; both are left alone.
        """
        try:
            if destination.exists():
                return _finish_move(source, destination)
            source.rename(destination)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            copy_proven(source, destination)
            sync_folders([destination.parent])
            source.unlink()
            return False
        return True

    def release(self, batch_id: int, run_id: int, files: Iterable[str]) -> None:
        """Rename checked results into the results folder and make their names durable."""
        folders: dict[Path, None] = {}
        new, clean = self.new(batch_id, run_id), self.clean(batch_id)
        for file in files:
            destination = clean / file
            if destination.parent not in folders:
                folders |= dict.fromkeys(_make_parents(destination.parent))
            (new / file).replace(destination)
        sync_folders(folders)

    def discard(self, folder: Path) -> None:
        """Remove a folder so that half of it never stands under its name: it is renamed first."""
        going = folder.with_name(f".{folder.name}.going")
        self.remove(going)
        if folder.exists():
            with suppress(FileNotFoundError):
                folder.rename(going)
            sync_folders([folder.parent])
            self.remove(going)

    def remove(self, folder: Path) -> None:
        """Remove a folder of this workspace and all in it; one that is gone is fine.

        So is one that somebody else removes at the same time: a worker that was stopped for
        longer than its lease goes on where it was.
        """
        if not folder.is_relative_to(self.work_dir):
            raise ValueError("only folders below work_dir are removed")
        while folder.exists():
            with suppress(FileNotFoundError):
                shutil.rmtree(folder)

    def remove_files(self, folder: Path, *, but: Set[str]) -> None:
        """Remove the files of a folder, but those of some names without extension; as above."""
        with suppress(FileNotFoundError):
            for path in list(folder.iterdir()):
                if path.name.partition(".")[0] not in but:
                    path.unlink(missing_ok=True)

    def remove_if_empty(self, folder: Path) -> None:
        """Remove a folder in which nothing is left; as above."""
        with suppress(FileNotFoundError):
            if not any(folder.iterdir()):
                folder.rmdir()


def _finish_move(source: Path, destination: Path) -> bool:
    """End a move that was interrupted between its copy and the removal of its source."""
    if os.path.lexists(source):
        if source.is_symlink() or not filecmp.cmp(source, destination, shallow=False):
            raise FileExistsError(errno.EEXIST, "another file stands at the destination")
        sync_volume(destination.parent)
        source.unlink()
    return True


def remove_empty_folders(root: Path) -> None:
    """Remove a folder and its subfolders, provided that no file is in any of them.

    Raises
    ------
    OSError
        ``ENOTEMPTY`` when a file is left; folders that were empty are gone then.
    """
    for folder, _, _ in os.walk(root, topdown=False):
        Path(folder).rmdir()


def _make_parents(folder: Path) -> list[Path]:
    made = [folder]
    if not folder.is_dir():
        made += _make_parents(folder.parent)
        folder.mkdir(exist_ok=True)
    return made
