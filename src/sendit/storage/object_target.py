"""Keep packages in an object store: one archive per Study, or one object per instance.

Whatever the store: sending twice ends in the same state, an object is never overwritten, and
what was sent is proven by reading it back and by the digests that the store itself computed.
An archive is packed while it is uploaded; there is no second copy of it on the disk.
"""

import hashlib
import secrets
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import BinaryIO, Literal, cast

from sendit.errors import (
    TargetConflict,
    TargetError,
    TargetUnavailable,
    VerificationFailed,
)
from sendit.storage.archive import (
    Archive,
    Entry,
    archive_blocks,
    archive_name,
    file_blocks,
    plan_archives,
    plan_documents,
    read_archive,
)
from sendit.storage.base import NOT_TOLD, Package, Progress, Receipt, Removal, Stored
from sendit.storage.durable import changed_meanwhile, sha256_of
from sendit.storage.objects import DICOM, GZIP, OTHER, Held, ObjectStore, Reading
from sendit.storage.outgoing import MISSING, Failure, Outgoing, require_same_package, settle
from sendit.storage.together import Traffic, together
from sendit.storage.tree import plan_tree, plan_tree_documents

ARCHIVE = ".tar.gz"
_BLOCK = 1 << 20
_TAKEN = (
    "is there already with other content, which was left alone. Remove it there if it does not "
    "belong there, then retry the batch."
)
_OTHER = (
    "has other content there than was sent. Remove it if it does not belong there, then retry the "
    "batch."
)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a target keeps packages."""

    prefix: str
    """What every key begins with; empty, or with a slash at its end."""
    layout: Literal["archive", "tree"]
    proof: Literal["read", "digest"]
    at_once: int
    """Connections at one time."""
    by_patient: bool = False
    """Whether archives lie in a folder of their patient, as a tree does anyway."""
    pack: bool = True
    """Whether archives are to become smaller."""


class ObjectTarget:
    """The packages of one target in one bucket."""

    def __init__(self, store: ObjectStore, manner: Manner) -> None:
        self._store = store
        self._prefix = manner.prefix
        self._is_tree = manner.layout == "tree"
        self._reads = manner.proof == "read"
        self._at_once = manner.at_once
        self._by_patient = manner.by_patient
        self._pack = manner.pack

    @property
    def location(self) -> str:
        """The bucket, and where in it."""
        return f"{self._store.location}/{self._prefix}".rstrip("/")

    def send(self, package: Package, *, progress: Progress) -> Receipt:
        """Store what is not there yet."""
        documents = self._documents(package)
        with self._store.connected():
            entries, results = self._put(package, progress)
            beside = self._put_files(documents, progress)
        stored = settle(_outgoing(entries), _told(results), location=self.location)
        settle(_outgoing(documents), _told(beside), location=self.location)
        return Receipt(
            self.location,
            len(entries),
            {entry.key: entry.sha256 for entry in entries},
            stored=stored,
            documents={self._prefix + entry.name: entry.sha256 for entry in documents},
        )

    def verify(self, package: Package, receipt: Receipt, *, progress: Progress) -> None:
        """Prove every object."""
        archives = [] if self._is_tree else self._archives(package)
        entries = plan_tree(package) if self._is_tree else _entries(archives)
        require_same_package(_outgoing(entries), receipt)
        with self._store.connected():
            if self._is_tree:
                self._prove_files(entries, receipt, progress)
            self._prove_archives(package, archives, receipt, progress)
            self._prove_files(self._documents(package), receipt, progress)

    def remove(self, receipt: Receipt, *, progress: Progress) -> Removal:
        """Remove what a receipt lists, unless something else stands there now."""
        left: dict[str, str] = {}
        with self._store.connected():
            left |= self._remove(_by_place(receipt), progress)
            if not left:
                documents = {place: {place: sha} for place, sha in receipt.documents.items()}
                gone = self._remove(documents, progress)
                if gone:
                    left |= dict.fromkeys(receipt.digests, next(iter(gone.values())))
        left |= {
            uid: NOT_TOLD for uid in receipt.digests if not receipt.stored.get(uid, Stored()).place
        }
        return Removal(tuple(uid for uid in receipt.digests if uid not in left), left)

    def probe(self) -> None:
        """Store a small object, read it back and remove it."""
        content, traffic = b"sendit was here\n", Traffic()
        key = f"{self._prefix}sendit-probe-{secrets.token_hex(8)}"
        with self._store.connected():
            held = self._store.put_blocks(
                key, lambda: [content], OTHER, at_most=len(content), progress=lambda: None
            )
            with self._store.reading(key, traffic) as reading:
                back = reading.read() if reading is not None else b""
            left = self._store.delete(held, traffic) if held is not None else "was not stored"
        if back != content or left:
            what = f"an object {left}" if left else "gave back other bytes than it was given"
            raise TargetError(f"{self.location}: {what}; see its versions and retention rules.")

    def _archives(self, package: Package) -> Sequence[Archive]:
        return [
            replace(one, file_name=self._folder(package, one.file_name) + one.file_name)
            for one in plan_archives(package, pack=self._pack)
        ]

    def _documents(self, package: Package) -> Sequence[Entry]:
        if self._is_tree:
            return plan_tree_documents(package)
        return [
            replace(one, name=self._folder(package, one.name) + one.name)
            for one in plan_documents(package)
        ]

    def _folder(self, package: Package, name: str) -> str:
        """Return the folder of an archive, or of a document that lies beside it."""
        if not self._by_patient:
            return ""
        owners = (one for one in package.studies if name.startswith(f"{archive_name(one)}."))
        study = max(owners, key=lambda one: len(archive_name(one)))
        return f"{PurePosixPath(study.instances[0].file).parts[0]}/"

    # Sending

    def _put(
        self, package: Package, progress: Progress
    ) -> tuple[Sequence[Entry], Sequence[Held | Failure]]:
        if self._is_tree:
            entries = plan_tree(package)
            return entries, self._put_files(entries, progress)
        archives = self._archives(package)
        results: list[Held | Failure] = []
        for archive in archives:
            results += [self._put_archive(archive, progress)] * len(archive.entries)
        return _entries(archives), results

    def _put_files(self, entries: Sequence[Entry], progress: Progress) -> Sequence[Held | Failure]:
        folders = sorted({"/".join(entry.name.split("/")[:2]) for entry in entries})
        known = {
            key
            for folder in (folders if self._is_tree else ())
            for key in self._store.keys(f"{self._prefix}{folder}/", Traffic())
        }

        def put(entry: Entry, traffic: Traffic) -> Held | Failure:
            key = self._prefix + entry.name
            if key not in known:
                kind = DICOM if entry.name.endswith(".dcm") else OTHER
                held = self._store.put_file(key, entry, kind, traffic)
                if held is not None:
                    return held
            return self._compared(key, entry, traffic)

        return together(entries, put, at_once=self._at_once, progress=progress)

    def _compared(self, key: str, entry: Entry, traffic: Traffic) -> Held | Failure:
        """Say whether what stands under a key is this very file; fetch it if the store does not."""
        held = self._store.head(key, traffic)
        if held is None:
            return MISSING
        if self._store.is_of(held, file_blocks(entry), at_most=entry.size):
            return held
        with self._store.reading(key, traffic) as reading:
            if reading is None:
                return MISSING
            same = _sha256(reading) == entry.sha256
        return reading.held if same else Failure(TargetConflict, _TAKEN)

    def _put_archive(self, archive: Archive, progress: Progress) -> Held | Failure:
        key = self._prefix + archive.file_name
        there = self._there(key, archive, progress)
        if there is None:
            held = self._store.put_blocks(
                key,
                lambda: archive_blocks(archive, progress=progress),
                GZIP,
                at_most=_at_most(archive),
                progress=progress,
            )
            there = held or self._there(key, archive, progress)
        if there is None:
            raise TargetUnavailable(f"{self.location}: {archive.file_name} comes and goes there.")
        return there

    def _there(self, key: str, archive: Archive, progress: Progress) -> Held | Failure | None:
        """Say whether what stands under a key is this archive.

        It is packed again and compared with what the store tells; what was packed otherwise, by
        another version of the packer, has to be fetched.
        """
        held = self._store.head(key, Traffic())
        if held is None:
            return None
        blocks = archive_blocks(archive, progress=progress)
        if self._store.is_of(held, blocks, at_most=_at_most(archive)):
            return held
        found = self._content(key, progress)
        if found is None:
            return None
        return found[0] if found[1] == _contents(archive) else Failure(TargetConflict, _TAKEN)

    # Proving

    def _prove_files(self, entries: Sequence[Entry], receipt: Receipt, progress: Progress) -> None:
        def prove(entry: Entry, traffic: Traffic) -> Stored | Failure:
            key = self._prefix + entry.name
            told = receipt.stored.get(entry.key, Stored())
            if not self._reads and told.digest:
                held = self._store.head(key, traffic)
                if held is None:
                    return MISSING
                same = held.size == entry.size and held.digest == told.digest
                return Stored(key) if same else Failure(VerificationFailed, _OTHER)
            with self._store.reading(key, traffic) as reading:
                if reading is None:
                    return MISSING
                if _sha256(reading) != entry.sha256:
                    return Failure(VerificationFailed, _OTHER)
            return Stored(key)

        results = together(entries, prove, at_once=self._at_once, progress=progress)
        settle(_outgoing(entries), results, location=self.location)

    def _prove_archives(
        self, package: Package, archives: Sequence[Archive], receipt: Receipt, progress: Progress
    ) -> None:
        results: list[Stored | Failure] = []
        for archive in archives:
            result = self._prove_archive(package, archive, receipt, progress)
            results += [result] * len(archive.entries)
        settle(_outgoing(_entries(archives)), results, location=self.location)

    def _prove_archive(
        self, package: Package, archive: Archive, receipt: Receipt, progress: Progress
    ) -> Stored | Failure:
        key = self._prefix + archive.file_name
        told = receipt.stored.get(archive.entries[0].key, Stored())
        other = Failure(VerificationFailed, f"lies in {archive.file_name}, which {_OTHER}")
        if not self._reads and told.digest:
            held = self._store.head(key, Traffic())
            if held is None:
                return MISSING
            for entry in () if package.is_copy else archive.entries:
                _require_unchanged(entry, progress)
            same = held.digest == told.digest and told.size in (0, held.size)
            return Stored(key) if same else other
        found = self._content(key, progress)
        if found is None:
            return MISSING
        return Stored(key) if found[1] == _contents(archive) else other

    def _content(self, key: str, progress: Progress) -> tuple[Held, Mapping[str, str]] | None:
        """Return the SHA-256 of what is in an archive; of nothing when it is damaged."""
        with self._store.reading(key, Traffic()) as reading:
            if reading is None:
                return None
            try:
                return reading.held, read_archive(cast("BinaryIO", reading), progress=progress)
            except tarfile.TarError:
                return reading.held, {}

    # Taking back

    def _remove(
        self, places: Mapping[str, Mapping[str, str]], progress: Progress
    ) -> Mapping[str, str]:
        """Remove objects that hold what was sent; return why the others are left, by UID."""

        def remove(place: str, traffic: Traffic) -> str:
            with self._store.reading(place, traffic) as reading:
                if reading is None:
                    return self._store.remains(place, traffic)
                if not _holds_only(reading, place, places[place]):
                    return "has other content there than was sent; it was not touched."
            left = self._store.delete(reading.held, traffic)
            return left or self._store.remains(place, traffic)

        reasons = together(list(places), remove, at_once=self._at_once, progress=progress)
        return {
            uid: reason
            for place, reason in zip(places, reasons, strict=True)
            if reason
            for uid in places[place]
        }


def _holds_only(reading: Reading, place: str, digests: Mapping[str, str]) -> bool:
    if not place.endswith(ARCHIVE):
        return _sha256(reading) in digests.values()
    try:
        found = read_archive(cast("BinaryIO", reading), progress=lambda: None)
    except tarfile.TarError:
        return False
    return {PurePosixPath(name).stem: sha for name, sha in found.items()} == dict(digests)


def _by_place(receipt: Receipt) -> Mapping[str, Mapping[str, str]]:
    places: dict[str, dict[str, str]] = {}
    for uid, sha256 in receipt.digests.items():
        if place := receipt.stored.get(uid, Stored()).place:
            places.setdefault(place, {})[uid] = sha256
    return places


def _told(results: Sequence[Held | Failure]) -> Sequence[Stored | Failure]:
    return [
        one
        if isinstance(one, Failure)
        else Stored(one.key, one.digest, version=one.version, size=one.size)
        for one in results
    ]


def _at_most(archive: Archive) -> int:
    """Return about how many bytes an archive can have.

    Little is gained where pixels are compressed already; tar and gzip add a little.
    """
    return sum(entry.size + 2048 for entry in archive.entries) * 1001 // 1000 + 20480


def _contents(archive: Archive) -> Mapping[str, str]:
    return {entry.name: entry.sha256 for entry in archive.entries}


def _entries(archives: Sequence[Archive]) -> Sequence[Entry]:
    return [entry for archive in archives for entry in archive.entries]


def _outgoing(entries: Sequence[Entry]) -> Sequence[Outgoing]:
    return [Outgoing(one.key, one.source, one.sha256, one.size) for one in entries]


def _require_unchanged(entry: Entry, progress: Progress) -> None:
    """Return if a file here is still the one that the package says; it is part of the proof."""
    progress()
    if sha256_of(entry.source, progress=progress) != entry.sha256:
        raise changed_meanwhile()


def _sha256(reading: Reading) -> str:
    digest = hashlib.sha256()
    while block := reading.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()
