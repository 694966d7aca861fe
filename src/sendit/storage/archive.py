"""Pack the Studies of a package, each into one ``.tar.gz`` that is the same bytes every time.

Entries are sorted and carry no time and no owner, the gzip header neither name nor time, so
packing twice gives the same file.  Whether an archive holds what it should is decided by what is
*in* it, since another version of ISA-L, or another kind of processor, may pack the same content
into other bytes.

``archive_blocks`` packs while it is read from, so a target that takes a stream needs no second
copy on disk.  Manifests lie beside an archive, so that it can be judged before it is unpacked.
"""

import hashlib
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from isal import igzip
from isal.igzip_lib import IsalError

from sendit.storage.base import Package, PackagedStudy
from sendit.storage.durable import changed_meanwhile, open_source, unreadable
from sendit.storage.packing import PIECE, packed

_BUFFER = 1024 * 1024
_DAMAGED = cast("tuple[type[Exception], ...]", (EOFError, igzip.BadGzipFile, IsalError))
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive or of a tree."""

    key: str
    """What a receipt calls it: its SOP Instance UID, or its number; the place of a document."""
    name: str = field(repr=False)
    """Path in the archive, or in the tree."""
    source: Path = field(repr=False)
    sha256: str
    size: int
    is_document: bool = False

    @property
    def title(self) -> str:
        """What messages call it."""
        return self.key if self.is_document else f"Instance {self.key}"


@dataclass(frozen=True, slots=True)
class Archive:
    """One archive that is to be: its file name, and its entries sorted by name."""

    file_name: str
    entries: tuple[Entry, ...]
    pack: bool = True
    """Whether it is to become smaller."""


def plan_archives(package: Package, *, pack: bool = True) -> Sequence[Archive]:
    """Return the archives of a package; Studies that share a name share an archive."""
    return [
        Archive(
            f"{name}.tar.gz",
            tuple(
                sorted(
                    (
                        Entry(
                            instance.sop_instance_uid,
                            "/".join(
                                (name.split(".")[0], *PurePosixPath(instance.file).parts[-2:])
                            ),
                            package.root / instance.file,
                            instance.sha256,
                            instance.size,
                        )
                        for study in studies
                        for instance in study.instances
                    ),
                    key=lambda entry: entry.name,
                )
            ),
            pack,
        )
        for name, studies in _by_name(package)
    ]


def plan_documents(package: Package) -> Sequence[Entry]:
    """Return the manifests of a package, which lie beside its archives: ``<name>.<document>``.

    The name of an archive says which supplement it is; there, the document's need not.
    """
    entries = []
    for name, studies in _by_name(package):
        for study in studies:
            stem = name if len(studies) == 1 else f"{name}.{study.study_instance_uid}"
            end = f"_s{study.supplement}" if study.supplement else ""
            for document in study.documents:
                place = f"{stem}.{document.name.replace(end, '', 1)}"
                source = package.root / document.file
                entries.append(
                    Entry(place, place, source, document.sha256, document.size, is_document=True)
                )
    return entries


def archive_name(study: PackagedStudy) -> str:
    """Return ``<PatientID>_<YYYYMMDD>_<study pseudonym>``, safe as a file name.

    A later generation has ``_g<n>`` at its end, and a supplement ``_s<n>``.
    """
    parts = (study.patient_id, study.study_date or "00000000", study.study_pseudonym)
    name = "_".join(_UNSAFE.sub("_", part) for part in parts).lstrip(".") or "_"
    generation = f"_g{study.generation}" if study.generation > 1 else ""
    supplement = f"_s{study.supplement}" if study.supplement else ""
    return name + generation + supplement


def write_archive(stream: BinaryIO, archive: Archive, *, progress: Callable[[], None]) -> None:
    """Write an archive; the same entries give the same bytes."""
    for block in archive_blocks(archive, progress=progress):
        stream.write(block)


def archive_blocks(archive: Archive, *, progress: Callable[[], None]) -> Iterator[bytes]:
    """Pack an archive block by block; the same entries give the same bytes.

    Raises
    ------
    sendit.errors.TargetError
        When a file cannot be read, or was changed since it was written.
    """
    return packed(_tar(archive, progress), smaller=archive.pack)


def _tar(archive: Archive, progress: Callable[[], None]) -> Iterator[bytearray]:
    """Return a tar in pieces of about the size that packs well."""
    piece, size = bytearray(), 0
    for entry in archive.entries:
        member = tarfile.TarInfo(entry.name)
        member.size = entry.size
        member.mode = 0o644
        piece += member.tobuf(tarfile.PAX_FORMAT)
        left = entry.size
        with open_source(entry.source, size=entry.size) as source:
            while left:
                if len(piece) >= PIECE:
                    size += len(piece)
                    yield piece
                    piece = bytearray()
                try:
                    block = source.read(min(PIECE - len(piece), left))
                except OSError as error:
                    raise unreadable(error) from error
                if not block:
                    raise changed_meanwhile()
                left -= len(block)
                piece += block
                progress()
        piece += bytes(-entry.size % tarfile.BLOCKSIZE)
        progress()
    piece += bytes(2 * tarfile.BLOCKSIZE)
    yield piece + bytes(-(size + len(piece)) % tarfile.RECORDSIZE)


def _by_name(package: Package) -> Sequence[tuple[str, Sequence[PackagedStudy]]]:
    by_name: dict[str, list[PackagedStudy]] = {}
    for study in package.studies:
        by_name.setdefault(archive_name(study), []).append(study)
    return sorted(by_name.items())


def file_blocks(entry: Entry) -> Iterator[bytes]:
    """Read a file block by block; it must be what the package says.

    Raises
    ------
    sendit.errors.TargetError
        When it cannot be read, or was changed since it was written.
    """
    digest = hashlib.sha256()
    with open_source(entry.source, size=entry.size) as stream:
        while block := stream.read(_BUFFER):
            digest.update(block)
            yield block
    if digest.hexdigest() != entry.sha256:
        raise changed_meanwhile()


def read_archive(stream: BinaryIO, *, progress: Callable[[], None]) -> Mapping[str, str]:
    """Return the SHA-256 of every file in an archive, by its path in it.

    Raises
    ------
    tarfile.TarError
        When the stream is not a whole archive.
    """
    digests: dict[str, str] = {}
    try:
        with (
            igzip.GzipFile(mode="rb", fileobj=stream) as unpacked,
            tarfile.open(mode="r|", fileobj=unpacked) as tar,
        ):
            for member in tar:
                content = tar.extractfile(member)
                if content is None:
                    raise tarfile.ReadError("an entry is not a file")
                digest = hashlib.sha256()
                while block := content.read(_BUFFER):
                    digest.update(block)
                    progress()
                digests[member.name] = digest.hexdigest()
            while unpacked.read(_BUFFER):  # to the end, where gzip keeps its checksum
                pass
    except _DAMAGED as error:
        raise tarfile.ReadError("the archive is cut off or damaged") from error
    return digests
