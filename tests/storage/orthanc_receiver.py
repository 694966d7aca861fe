"""A real Orthanc as a receiver of the contract suite, sent to in any of three ways."""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import write_file_meta_info

from sendit.deid.part10 import build_meta
from sendit.storage import Target
from sendit.storage.outgoing import data_start
from sendit.storage.registry import build
from tests.contracts.targets import OTHER_CLASS, Trouble, every_copy
from tests.support.dicom_peers import OrthancServer
from tests.support.troubled_http import TroubledHttp
from tests.support.troubled_tcp import TroubledTcp


def scanner_meta(theirs: FileMetaDataset) -> bytes:
    """Return preamble and meta group as ``write_instance`` writes them."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = theirs.MediaStorageSOPClassUID
    meta.MediaStorageSOPInstanceUID = theirs.MediaStorageSOPInstanceUID
    meta.ImplementationVersionName = "SCANNER_1"
    meta.TransferSyntaxUID = theirs.TransferSyntaxUID
    written = io.BytesIO()
    write_file_meta_info(written, meta, enforce_standard=True)
    return bytes(128) + b"DICM" + written.getvalue()


def engine_meta(theirs: FileMetaDataset) -> bytes:
    """Return preamble and meta group as results have them."""
    return build_meta(
        sop_class_uid=theirs.MediaStorageSOPClassUID,
        sop_instance_uid=theirs.MediaStorageSOPInstanceUID,
        transfer_syntax_uid=theirs.TransferSyntaxUID,
    )


@dataclass(frozen=True, slots=True)
class OrthancReceiver:
    """An Orthanc, and a proxy or a relay before it."""

    server: OrthancServer
    kind: str
    way: TroubledHttp | TroubledTcp
    options: Mapping[str, object] = field(default_factory=dict)
    head: Callable[[FileMetaDataset], bytes] = scanner_meta
    """What our files begin with: C-STORE carries the data set alone."""

    def target(self) -> Target:
        options: dict[str, object] = {
            "timeout_seconds": 2 if self.way.trouble else 20,
            **self.options,
        }
        if isinstance(self.way, TroubledHttp):
            options["url"] = self.way.url + ("/dicom-web" if self.kind == "dicomweb" else "")
        else:
            options |= {"host": "127.0.0.1", "port": self.way.port, "called_ae": "ORTHANC"}
        return build(self.kind, options, base=Path("/"))

    def held(self) -> Mapping[str, list[bytes]]:
        return every_copy(
            (uid, self._as_sent(self.server.get(f"/instances/{one}/file")))
            for uid, one in self.server.instances()
        )

    def spoil(self, sop_instance_uid: str) -> None:
        stored = self.server.stored_file(sop_instance_uid)
        content = bytearray(stored.read_bytes())
        content[-1] ^= 1
        stored.write_bytes(content)

    def lose(self, sop_instance_uid: str) -> None:
        for one in self.server.post("/tools/lookup", sop_instance_uid.encode()):
            self.server.delete(f"/instances/{one['ID']}")

    @contextmanager
    def troubled(self, trouble: Trouble) -> Iterator[None]:
        if trouble == "refuses class" and self.kind == "orthanc":
            with self.server.refusing(OTHER_CLASS):
                yield
        else:
            with self.way.troubled(trouble):
                yield

    def _as_sent(self, content: bytes) -> bytes:
        if self.kind != "dicom":
            return content
        theirs = dcmread(io.BytesIO(content), stop_before_pixels=True).file_meta
        return self.head(theirs) + content[data_start(content) :]
