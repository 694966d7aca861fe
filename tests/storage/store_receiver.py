"""An object store as a receiver of the contract suite, looked at past the target."""

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sendit.storage import Package, PackagedInstance, PackagedStudy, Target
from sendit.storage.registry import build
from tests.contracts.targets import Trouble, every_copy
from tests.support.troubled_store import TroubledStore


class Bucket(Protocol):
    """A bucket, past the target."""

    def list(self) -> list[str]: ...
    def get(self, key: str) -> bytes: ...
    def put(self, key: str, content: bytes) -> None: ...
    def delete(self, key: str) -> None: ...


@dataclass(slots=True)
class StoreReceiver:
    """A bucket, and a proxy before it."""

    kind: str
    bucket: Bucket
    way: TroubledStore
    options: Mapping[str, object]
    in_trouble: Mapping[Trouble, Mapping[str, object]] = field(default_factory=dict)
    """Options that bring about a trouble at the real server."""
    _now: Mapping[str, object] = field(default_factory=dict)

    def target(self) -> Target:
        options = {
            "endpoint": self.way.url,
            "timeout_seconds": 2 if self.way.trouble else 20,
            **self.options,
            **self._now,
        }
        return build(self.kind, options, base=Path("/"))

    def held(self) -> Mapping[str, list[bytes]]:
        return every_copy(self._files())

    def _files(self) -> Iterator[tuple[str, bytes]]:
        for key in self.bucket.list():
            content = self.bucket.get(key)
            if key.endswith(".tar.gz"):
                for name, one in unpacked(content).items():
                    yield Path(name).stem, one
            elif key.endswith(".dcm"):
                yield Path(key).stem, content

    def spoil(self, sop_instance_uid: str) -> None:
        key = self._place(sop_instance_uid)
        content = self.bucket.get(key)
        if key.endswith(".tar.gz"):
            entries = unpacked(content)
            name = next(one for one in entries if Path(one).stem == sop_instance_uid)
            content = packed(entries | {name: entries[name][:-1] + b"\xff"})
        else:
            content = content[:-1] + bytes([content[-1] ^ 1])
        self.bucket.put(key, content)

    def lose(self, sop_instance_uid: str) -> None:
        for key in self.bucket.list():
            if key.endswith(".tar.gz") or Path(key).stem == sop_instance_uid:
                self.bucket.delete(key)

    def _place(self, sop_instance_uid: str) -> str:
        keys = self.bucket.list()
        return next(
            (key for key in keys if Path(key).stem == sop_instance_uid),
            next((key for key in keys if key.endswith(".tar.gz")), ""),
        )

    @contextmanager
    def troubled(self, trouble: Trouble) -> Iterator[None]:
        if trouble in self.in_trouble:
            self._now = self.in_trouble[trouble]
            yield
            self._now = {}
        else:
            with self.way.troubled(trouble):
                yield


def make_large(root: Path, *, salt: bytes = b"") -> Package:
    """Return a package whose archive is of several parts, since noise cannot be packed."""
    content = os.urandom(6 << 20) + salt
    instances = []
    for number in range(3):
        file = f"P/2.25.1/2.25.2/2.25.3{number}.dcm"
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        instances.append(PackagedInstance(f"2.25.3{number}", file, digest, len(content)))
    study = PackagedStudy("P", "2.25.1", "S", "20190704", tuple(instances))
    return Package(root, 1, (study,))


def unpacked(content: bytes) -> dict[str, bytes]:
    """Return the files of an archive."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        files = ((member.name, archive.extractfile(member)) for member in archive)
        return {name: stream.read() for name, stream in files if stream is not None}


def packed(entries: Mapping[str, bytes]) -> bytes:
    """Return an archive of these files."""
    written = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=written, mode="wb", mtime=0) as stream,
        tarfile.open(mode="w", fileobj=stream) as archive,
    ):
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return written.getvalue()
