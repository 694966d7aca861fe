"""A folder as target: a tree of instances, or one archive per Study.

The simplest target, and the model for the others: sending twice ends in the same state, no
name is ever used again for other content, and what was sent is proven by reading it back.
Sending never makes the folder itself: a missing one may be a volume that is not mounted.
``make_ready`` does, for whoever knows that nothing was ever delivered there.
"""

import os
import tarfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, ClassVar, Literal

from pydantic import BaseModel

from sendit.errors import TargetConflict, TargetUnavailable, VerificationFailed
from sendit.storage.archive import Archive, Entry, plan_archives, read_archive, write_archive
from sendit.storage.base import (
    IdentifiedPackage,
    LocalPath,
    Package,
    Progress,
    Receipt,
    no_progress,
)
from sendit.storage.durable import (
    copy_into,
    inside,
    make_folders,
    publish,
    remove_stale_parts,
    require_folder,
    sha256_of,
    sync_file,
    sync_folders,
    sync_volume,
    target_errors,
    write_part,
)

_CHUNK = 32
_WHAT_TO_DO = "Move it away if it does not belong there, then retry the batch."


class FolderOptions(BaseModel, extra="forbid", frozen=True, use_attribute_docstrings=True):
    """Options of ``kind = "folder"``."""

    path: LocalPath
    """The folder; made when nothing was delivered to it yet."""
    layout: Literal["tree", "archive"] = "tree"
    """`tree`: `<PatientID>/<Study>/<Series>/<Instance>.dcm`; `archive`: a `.tar.gz` per study."""


class Folder:
    """Stores packages in a folder and proves them by reading them back."""

    options_model: ClassVar[type[BaseModel]] = FolderOptions

    def __init__(self, options: FolderOptions) -> None:
        self._root = options.path
        self._layout = options.layout

    def send(self, package: Package, /, *, progress: Progress = no_progress) -> Receipt:
        """Store the package; what is there already with the same content is left alone."""
        if self._layout == "tree":
            return self._send_files(_files(package), progress)
        return self._send_archives(plan_archives(package), progress)

    def verify(
        self, package: Package, receipt: Receipt, /, *, progress: Progress = no_progress
    ) -> None:
        """Read every file back and compare its SHA-256 with the package's."""
        if self._layout == "tree":
            self._verify_files(_files(package), receipt, progress)
        else:
            self._verify_archives(plan_archives(package), receipt, progress)

    def send_identified(
        self, package: IdentifiedPackage, /, *, progress: Progress = no_progress
    ) -> Receipt:
        """Store originals under the paths that the package gives them."""
        if self._layout == "tree":
            return self._send_files(_identified_files(package), progress)
        return self._send_archives([_identified_archive(package)], progress)

    def verify_identified(
        self, package: IdentifiedPackage, receipt: Receipt, /, *, progress: Progress = no_progress
    ) -> None:
        """Read every original back and compare its SHA-256 with the package's."""
        if self._layout == "tree":
            self._verify_files(_identified_files(package), receipt, progress)
        else:
            self._verify_archives([_identified_archive(package)], receipt, progress)

    def make_ready(self) -> None:
        """Make the folder if it is missing."""
        with target_errors(self._root, doing="Making it"):
            self._root.mkdir(parents=True, exist_ok=True)

    def probe(self) -> None:
        """Write a small file, read it back and remove it."""
        require_folder(self._root)
        final = self._root / "probe"
        with target_errors(self._root, doing="A trial write"):
            remove_stale_parts([final])
            part = write_part(final, _write_probe)
            try:
                sync_file(part)
                same = part.read_bytes() == _PROBE
            finally:
                part.unlink(missing_ok=True)
        if not same:
            raise TargetUnavailable(
                f"The target folder {self._root} gave back other bytes than were written; "
                "check its file system."
            )

    def _send_files(self, entries: Sequence[Entry], progress: Progress) -> Receipt:
        require_folder(self._root)
        finals = [inside(self._root, entry.name) for entry in entries]
        with target_errors(self._root, doing="Writing"):
            for start in range(0, len(entries), _CHUNK):
                end = start + _CHUNK
                _store(self._root, entries[start:end], finals[start:end], progress)
            sync_folders({final.parent for final in finals})
            remove_stale_parts(finals)
        return self._receipt(entries)

    def _verify_files(self, entries: Sequence[Entry], receipt: Receipt, progress: Progress) -> None:
        require_folder(self._root)
        _require_same_package(entries, receipt)
        for entry in entries:
            final = inside(self._root, entry.name)
            with target_errors(self._root, doing="Reading back"):
                found = sha256_of(final, progress=progress) if _is_file(final) else None
            progress()
            if found is None:
                raise VerificationFailed(
                    f"Instance {entry.key} is not in the target folder {self._root}. "
                    "Retry the batch to send it again."
                )
            if found != entry.sha256:
                raise VerificationFailed(
                    f"Instance {entry.key} has other content in the target folder {self._root} "
                    f"than was sent. {_WHAT_TO_DO}"
                )

    def _send_archives(self, archives: Sequence[Archive], progress: Progress) -> Receipt:
        require_folder(self._root)
        finals = [self._root / archive.file_name for archive in archives]
        with target_errors(self._root, doing="Writing"):
            for archive, final in zip(archives, finals, strict=True):
                _store_archive(archive, final, progress)
            sync_folders([self._root])
            remove_stale_parts(finals)
        return self._receipt([entry for archive in archives for entry in archive.entries])

    def _verify_archives(
        self, archives: Sequence[Archive], receipt: Receipt, progress: Progress
    ) -> None:
        require_folder(self._root)
        _require_same_package([entry for archive in archives for entry in archive.entries], receipt)
        for archive in archives:
            final = self._root / archive.file_name
            with target_errors(self._root, doing="Reading back"):
                there = _is_file(final)
                same = there and _holds(final, archive, progress)
            if not there:
                raise VerificationFailed(
                    f"{archive.file_name} is not in the target folder {self._root}. "
                    "Retry the batch to send it again."
                )
            if not same:
                raise VerificationFailed(
                    f"{archive.file_name} in the target folder {self._root} does not hold what "
                    f"was sent. {_WHAT_TO_DO}"
                )

    def _receipt(self, entries: Sequence[Entry]) -> Receipt:
        return Receipt(str(self._root), len(entries), _digests(entries))


_PROBE = b"sendit was here\n"


def _write_probe(stream: BinaryIO) -> None:
    stream.write(_PROBE)


def _files(package: Package) -> Sequence[Entry]:
    return [
        Entry(
            instance.sop_instance_uid,
            instance.file,
            package.root / instance.file,
            instance.sha256,
            instance.size,
        )
        for instance in package.instances
    ]


def _identified_files(package: IdentifiedPackage) -> Sequence[Entry]:
    return [
        Entry(
            str(instance.number),
            instance.path,
            package.root / instance.file,
            instance.sha256,
            instance.size,
        )
        for instance in package.instances
    ]


def _identified_archive(package: IdentifiedPackage) -> Archive:
    entries = sorted(_identified_files(package), key=lambda entry: entry.name)
    return Archive(f"batch-{package.batch}.tar.gz", tuple(entries))


def _store(
    root: Path, entries: Sequence[Entry], finals: Sequence[Path], progress: Progress
) -> None:
    """Store a few files: write all, sync all, then let all be seen under their names."""
    parts: list[tuple[Path, Path, Entry]] = []
    try:
        for entry, final in zip(entries, finals, strict=True):
            if not _is_there(final, entry, progress):
                make_folders(final.parent, root=root)
                parts.append((write_part(final, _copier(entry, progress)), final, entry))
            progress()
        if parts:
            sync_volume(root)
        for part, _, _ in parts:
            # Costs little after that, and hears of errors that network file systems report late.
            sync_file(part)
        for part, final, entry in parts:
            if not publish(part, final) and not _is_there(final, entry, progress):
                raise _changing()
    except BaseException:
        for part, _, _ in parts:
            part.unlink(missing_ok=True)
        raise


def _copier(entry: Entry, progress: Progress) -> Callable[[BinaryIO], None]:
    return partial(copy_into, source=entry.source, size=entry.size, progress=progress)


def _is_there(final: Path, entry: Entry, progress: Progress) -> bool:
    """Say whether this very file stands at the target already; raise when another does."""
    there = _stat(final)
    if there is None:
        return False
    same_size = S_ISREG(there.st_mode) and there.st_size == entry.size
    if same_size and sha256_of(final, progress=progress) == entry.sha256:
        return True
    raise TargetConflict(
        f"Instance {entry.key} stands in the target folder already, with other content; "
        f"nothing was overwritten. {_WHAT_TO_DO}"
    )


def _store_archive(archive: Archive, final: Path, progress: Progress) -> None:
    if _archive_is_there(archive, final, progress):
        return
    part = write_part(final, partial(write_archive, archive=archive, progress=progress))
    sync_file(part)
    if not publish(part, final) and not _archive_is_there(archive, final, progress):
        raise _changing()


def _archive_is_there(archive: Archive, final: Path, progress: Progress) -> bool:
    there = _stat(final)
    if there is None:
        return False
    if S_ISREG(there.st_mode) and _holds(final, archive, progress):
        return True
    raise TargetConflict(
        f"{archive.file_name} stands in the target folder already, with other content; "
        f"nothing was overwritten. {_WHAT_TO_DO}"
    )


def _stat(final: Path) -> os.stat_result | None:
    """Look at what stands under a name, which may be a link to nowhere."""
    try:
        return final.lstat()
    except FileNotFoundError:
        return None


def _is_file(final: Path) -> bool:
    """Say whether a file of its own stands under a name, not a link or a folder."""
    there = _stat(final)
    return there is not None and S_ISREG(there.st_mode)


def _changing() -> TargetUnavailable:
    return TargetUnavailable(
        "Somebody else puts files into the target folder and takes them away; try again."
    )


def _holds(final: Path, archive: Archive, progress: Progress) -> bool:
    """Say whether an archive has exactly these files in it."""
    try:
        with final.open("rb") as stream:
            found = read_archive(stream, progress=progress)
    except tarfile.TarError:
        return False
    return found == {entry.name: entry.sha256 for entry in archive.entries}


def _digests(entries: Sequence[Entry]) -> Mapping[str, str]:
    return {entry.key: entry.sha256 for entry in entries}


def _require_same_package(entries: Sequence[Entry], receipt: Receipt) -> None:
    if receipt.n_instances != len(entries) or dict(receipt.digests) != _digests(entries):
        raise VerificationFailed(
            "The receipt is not of this package: its instances or their content differ. "
            "Retry the batch to send it again."
        )
