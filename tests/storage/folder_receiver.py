"""A folder as a receiver of the contract suite, looked at past the target."""

import gzip
import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sendit.storage import Target
from sendit.storage.registry import build
from tests.contracts.targets import Trouble, every_copy
from tests.support.small_disk import Remount


@dataclass(frozen=True, slots=True)
class FolderReceiver:
    """A folder and how it is laid out."""

    folder: Path
    layout: str

    def target(self) -> Target:
        options = {"path": str(self.folder), "layout": self.layout}
        return build("folder", options, base=Path("/"))

    def held(self) -> Mapping[str, list[bytes]]:
        return every_copy(self._files())

    def _files(self) -> Iterator[tuple[str, bytes]]:
        for path in sorted(self.folder.rglob("*")):
            if path.suffix == ".dcm":
                yield path.stem, path.read_bytes()
            elif path.suffix == ".gz":
                for name, content in unpacked(path).items():
                    yield Path(name).stem, content

    def spoil(self, sop_instance_uid: str) -> None:
        path = self._place(sop_instance_uid)
        if path.suffix == ".dcm":
            content = bytearray(path.read_bytes())
            content[-1] ^= 1
            path.write_bytes(content)
        else:
            entries = unpacked(path)
            name = next(one for one in entries if Path(one).stem == sop_instance_uid)
            pack(path, entries | {name: entries[name][:-1] + b"\xff"})

    def lose(self, sop_instance_uid: str) -> None:
        for path in self.folder.rglob(f"{sop_instance_uid}.dcm"):
            path.unlink()
        for path in self.folder.rglob("*.tar.gz"):
            path.unlink()

    def _place(self, sop_instance_uid: str) -> Path:
        return next(self.folder.rglob(f"{sop_instance_uid}.dcm"), None) or next(
            self.folder.rglob("*.tar.gz")
        )

    @contextmanager
    def troubled(self, trouble: Trouble) -> Iterator[None]:
        away = self.folder.with_name("taken-away")
        if trouble == "away":
            self.folder.rename(away)
            yield
            away.rename(self.folder)
        else:
            raise AssertionError(trouble)


@dataclass(frozen=True, slots=True)
class SmallDiskReceiver(FolderReceiver):
    """A folder that is a disk of its own, so that it can be full or read-only."""

    remount: Remount

    @contextmanager
    def troubled(self, trouble: Trouble) -> Iterator[None]:
        if trouble == "full":
            filler = self.folder / "filler"
            with filler.open("wb", buffering=0) as stream:
                _fill(stream)
            yield
            filler.unlink()
        elif trouble == "away":
            self.remount("ro")
            yield
            self.remount("rw")
        else:
            raise AssertionError(trouble)


def _fill(stream: io.RawIOBase) -> None:
    try:
        while stream.write(bytes(4096)):
            pass
    except OSError:
        return


def unpacked(path: Path) -> dict[str, bytes]:
    """Return the files of an archive."""
    with tarfile.open(path) as archive:
        files = ((member.name, archive.extractfile(member)) for member in archive)
        return {name: stream.read() for name, stream in files if stream is not None}


def pack(path: Path, entries: Mapping[str, bytes]) -> None:
    """Write an archive of these files."""
    with (
        gzip.GzipFile(path, mode="wb", mtime=0) as packed,
        tarfile.open(mode="w", fileobj=packed) as archive,
    ):
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
