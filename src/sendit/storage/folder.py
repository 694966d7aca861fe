"""A folder as target: a tree of instances, or one archive per Study.

The simplest target, and the model for the others: sending twice ends in the same state, no
name is ever used again for other content, and what was sent is proven by reading it back.
Sending never makes the folder itself: a missing one may be a volume that is not mounted.
``make_ready`` does, for whoever knows that nothing was ever delivered there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, BinaryIO, ClassVar, Literal

from pydantic import BaseModel, Strict

from sendit.errors import TargetUnavailable, VerificationFailed
from sendit.storage.archive import Archive, Entry, plan_archives, plan_documents
from sendit.storage.base import (
    NOT_TOLD,
    IdentifiedPackage,
    LocalPath,
    Package,
    Progress,
    Receipt,
    Removal,
    Stored,
    no_progress,
)
from sendit.storage.durable import (
    mount_point,
    remove_stale_parts,
    require_folder,
    sync_file,
    target_errors,
    write_part,
)
from sendit.storage.folder_archive import remove_archives, store_archives, verify_archives
from sendit.storage.folder_tree import remove_stored, store_files, verify_files
from sendit.storage.tree import plan_tree, plan_tree_documents

ARCHIVE = ".tar.gz"


class FolderOptions(BaseModel, extra="forbid", frozen=True):
    """Options of ``kind = "folder"``."""

    path: LocalPath
    """The folder; made when nothing was delivered to it yet."""
    layout: Literal["tree", "archive"] = "tree"
    """`tree`: `<PatientID>/<Study>/<Series>/<Instance>.dcm`; `archive`: a `.tar.gz` per study."""
    pack: Annotated[bool, Strict()] = True
    """Whether archives are packed; `false` costs less CPU, and more room."""


class Folder:
    """Stores packages in a folder and proves them by reading them back."""

    options_model: ClassVar[type[BaseModel]] = FolderOptions

    keeps_generations: ClassVar[bool] = True
    """As ``storage.base`` says; so is ``location``."""

    def __init__(self, options: FolderOptions) -> None:
        self._root = options.path
        self._layout = options.layout
        self._pack = options.pack
        self.location = str(options.path)
        self.packs_archives = options.layout == "archive"

    def send(self, package: Package, /, *, progress: Progress = no_progress) -> Receipt:
        """Store the package; what is there already with the same content is left alone."""
        if self._layout == "tree":
            documents = plan_tree_documents(package)
            receipt = self._send_files(plan_tree(package), progress, given_away=package.given_away)
        else:
            documents = plan_documents(package)
            receipt = self._send_archives(plan_archives(package, pack=self._pack), progress)
        store_files(self._root, documents, progress=progress)
        return replace(receipt, documents=_digests(documents))

    def verify(
        self, package: Package, receipt: Receipt, /, *, progress: Progress = no_progress
    ) -> None:
        """Read every file back and compare its SHA-256 with the package's."""
        if self._layout == "tree":
            documents = plan_tree_documents(package)
            self._verify_files(plan_tree(package), receipt, progress)
        else:
            documents = plan_documents(package)
            self._verify_archives(plan_archives(package), receipt, progress)
        verify_files(self._root, documents, progress=progress)

    def remove(self, receipt: Receipt, /, *, progress: Progress = no_progress) -> Removal:
        """Remove what a receipt lists, unless something else stands there now."""
        places = {uid: receipt.stored.get(uid, Stored()).place for uid in receipt.digests}
        left = {uid: NOT_TOLD for uid, place in places.items() if not place}
        files = {
            uid: (place, receipt.digests[uid])
            for uid, place in places.items()
            if place and not place.endswith(ARCHIVE)
        }
        archives: dict[str, dict[str, str]] = {}
        for uid, place in places.items():
            if place.endswith(ARCHIVE):
                archives.setdefault(place, {})[uid] = receipt.digests[uid]
        removals = (
            remove_stored(self._root, files, progress=progress),
            remove_archives(self._root, archives, progress=progress),
        )
        for removal in removals:
            left |= removal.left
        if not left:
            documents = {place: (place, sha) for place, sha in receipt.documents.items()}
            left |= remove_stored(self._root, documents, progress=progress).left
        return Removal(tuple(uid for removal in removals for uid in removal.removed), left)

    def send_identified(
        self, package: IdentifiedPackage, /, *, progress: Progress = no_progress
    ) -> Receipt:
        """Store originals under the paths that the package gives them."""
        if self._layout == "tree":
            return self._send_files(_identified_files(package), progress)
        archive = replace(_identified_archive(package), pack=self._pack)
        return self._send_archives([archive], progress)

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

    def require_volume(self, earlier: Receipt, /) -> None:
        """Return unless the folder has fallen back to what its volume is mounted on."""
        now = mount_point(self._root)
        moved = earlier.location != str(self._root) or not earlier.volume
        if not moved and earlier.volume != now and Path(earlier.volume).is_relative_to(now):
            raise TargetUnavailable(
                f"The target folder {self._root} is there, but its volume {earlier.volume} is not "
                "mounted; nothing was written. Mount it; if it was given up for good, name "
                "another folder in the project."
            )

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

    def _send_files(
        self, entries: Sequence[Entry], progress: Progress, *, given_away: bool = False
    ) -> Receipt:
        store_files(self._root, entries, given_away=given_away, progress=progress)
        return self._receipt(entries, {entry.key: entry.name for entry in entries})

    def _verify_files(self, entries: Sequence[Entry], receipt: Receipt, progress: Progress) -> None:
        _require_same_package(entries, receipt)
        verify_files(self._root, entries, progress=progress)

    def _send_archives(self, archives: Sequence[Archive], progress: Progress) -> Receipt:
        store_archives(self._root, archives, progress=progress)
        places = {entry.key: archive.file_name for archive in archives for entry in archive.entries}
        return self._receipt(_entries(archives), places)

    def _verify_archives(
        self, archives: Sequence[Archive], receipt: Receipt, progress: Progress
    ) -> None:
        _require_same_package(_entries(archives), receipt)
        verify_archives(self._root, archives, progress=progress)

    def _receipt(self, entries: Sequence[Entry], places: Mapping[str, str]) -> Receipt:
        return Receipt(
            self.location,
            len(entries),
            _digests(entries),
            mount_point(self._root),
            {key: Stored(place) for key, place in places.items()},
        )


_PROBE = b"sendit was here\n"


def _write_probe(stream: BinaryIO) -> None:
    stream.write(_PROBE)


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


def _entries(archives: Sequence[Archive]) -> Sequence[Entry]:
    return [entry for archive in archives for entry in archive.entries]


def _digests(entries: Sequence[Entry]) -> Mapping[str, str]:
    return {entry.key: entry.sha256 for entry in entries}


def _require_same_package(entries: Sequence[Entry], receipt: Receipt) -> None:
    if receipt.n_instances != len(entries) or dict(receipt.digests) != _digests(entries):
        raise VerificationFailed(
            "The receipt is not of this package: its instances or their content differ. "
            "Retry the batch to send it again."
        )
