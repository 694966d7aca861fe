"""Pack the Studies of a package, each into one ``.tar.gz`` that is the same bytes every time.

Entries are sorted and carry no time and no owner, the gzip header neither name nor time, so
packing twice with the same zlib gives the same file.  Whether an archive holds what it should
is decided by what is *in* it, since another zlib may pack the same content into other bytes.
"""

import gzip
import hashlib
import io
import re
import tarfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from sendit.storage.base import Package, PackagedStudy
from sendit.storage.durable import open_source

_BUFFER = 1024 * 1024
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive."""

    key: str
    """What a receipt calls it: its SOP Instance UID, or its number."""
    name: str = field(repr=False)
    """Path in the archive."""
    source: Path = field(repr=False)
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Archive:
    """One archive that is to be: its file name, and its entries sorted by name."""

    file_name: str
    entries: tuple[Entry, ...]


def plan_archives(package: Package) -> Sequence[Archive]:
    """Return the archives of a package; Studies that share a name share an archive."""
    by_name: dict[str, list[PackagedStudy]] = {}
    for study in package.studies:
        by_name.setdefault(archive_name(study), []).append(study)
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
        )
        for name, studies in sorted(by_name.items())
    ]


def archive_name(study: PackagedStudy) -> str:
    """Return ``<PatientID>_<YYYYMMDD>_<study pseudonym>``, safe as a file name."""
    parts = (study.patient_id, study.study_date or "00000000", study.study_pseudonym)
    return "_".join(_UNSAFE.sub("_", part) for part in parts).lstrip(".") or "_"


def write_archive(stream: BinaryIO, archive: Archive, *, progress: Callable[[], None]) -> None:
    """Write an archive; the same entries give the same bytes."""
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0) as packed,
        tarfile.open(mode="w", fileobj=packed, format=tarfile.PAX_FORMAT) as tar,
    ):
        for entry in archive.entries:
            member = tarfile.TarInfo(entry.name)
            member.size = entry.size
            member.mode = 0o644
            with open_source(entry.source, size=entry.size) as source:
                tar.addfile(member, _Watched(source, progress))


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
            gzip.GzipFile(mode="rb", fileobj=stream) as packed,
            tarfile.open(mode="r|", fileobj=packed) as tar,
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
            while packed.read(_BUFFER):  # to the end, where gzip keeps its checksum
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise tarfile.ReadError("the archive is cut off or damaged") from error
    return digests


class _Watched(io.RawIOBase):
    """A file that reports progress whenever it is read from."""

    def __init__(self, source: BinaryIO, progress: Callable[[], None]) -> None:
        self._source = source
        self._progress = progress

    def read(self, size: int = -1, /) -> bytes:
        self._progress()
        return self._source.read(size)
