"""Orthanc by its own REST interface: instances go in one by one and are proven by their MD5.

Orthanc keeps the file that it was given, byte by byte, and tells the MD5 that it made of it;
asked to, it reads the file again from its disk and compares.  That is the proof.  An instance
that Orthanc has already is not sent again when it is the same file, and is a conflict when it
is not: with Orthanc's defaults the old one would stay, with ``OverwriteInstances`` it would go.

An Orthanc that changes what it stores (``IngestTranscoding``, a script that modifies) holds
other bytes than were sent and is never proven by this plug-in.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, ClassVar, Literal

from isal import igzip
from pydantic import BaseModel, Strict
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from sendit.errors import TargetConflict, TargetError, TargetRefused, VerificationFailed
from sendit.storage.base import (
    IdentifiedPackage,
    Package,
    Progress,
    Receipt,
    Removal,
    Stored,
    no_progress,
)
from sendit.storage.http_body import FilePart
from sendit.storage.http_client import HttpClient
from sendit.storage.http_options import HttpOptions
from sendit.storage.outgoing import (
    MISSING,
    Failure,
    Outgoing,
    digests_of,
    local_md5,
    outgoing,
    outgoing_identified,
    read_meta,
    remove_each,
    require_same_package,
    settle,
)
from sendit.storage.probe_instance import probe_instance
from sendit.storage.together import Traffic, together

_BLOCK = 1 << 20
_NOT_COMPRESSED = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


class OrthancOptions(HttpOptions, frozen=True):
    """Options of ``kind = "orthanc"``."""

    proof: Literal["md5", "file"] = "md5"
    """`md5`: Orthanc reads each file from its disk and compares; `file`: each is fetched back."""
    compress: Annotated[bool, Strict()] = False
    """Whether files that are not compressed go as gzip, which pays over a slow line only."""


class Orthanc:
    """Sends each instance to ``/instances`` and verifies it by the digest of its attachment."""

    options_model: ClassVar[type[BaseModel]] = OrthancOptions

    def __init__(self, options: OrthancOptions) -> None:
        self._client = HttpClient(options)
        self._at_once = options.connections
        self._proof = options.proof
        self._compress = options.compress

    @property
    def location(self) -> str:
        """Its address."""
        return self._client.url

    def send(self, package: Package, /, *, progress: Progress = no_progress) -> Receipt:
        """Store every instance that is not there yet."""
        with self._client.connected():
            known = {
                one.sop_instance_uid
                for study in package.studies
                if self._find(study.study_instance_uid)
                for one in study.instances
            }
            return self._send(outgoing(package), lambda item: item.key in known, progress)

    def verify(
        self, package: Package, receipt: Receipt, /, *, progress: Progress = no_progress
    ) -> None:
        """Have every instance's file read back and its digest compared with ours."""
        self._verify(outgoing(package), receipt, progress)

    def send_identified(
        self, package: IdentifiedPackage, /, *, progress: Progress = no_progress
    ) -> Receipt:
        """Store originals, as ``send`` does results."""
        with self._client.connected():
            return self._send(outgoing_identified(package), lambda _: True, progress)

    def verify_identified(
        self, package: IdentifiedPackage, receipt: Receipt, /, *, progress: Progress = no_progress
    ) -> None:
        """Prove originals, as ``verify`` does results."""
        self._verify(outgoing_identified(package), receipt, progress)

    def probe(self) -> None:
        """Store a small instance, read it back and remove it."""
        content = probe_instance()
        with self._client.connected():
            told = self._client.request("POST", "/instances", body=(content,)).json()
            path = f"/instances/{_text(told, 'ID')}"
            back = self._client.request("GET", f"{path}/file").body
            self._client.request("DELETE", path)
        if back != content:
            raise TargetError(
                f"{self.location} gave back another file than it was given; it changes what "
                "it stores (IngestTranscoding, a script?), so nothing could be proven by it."
            )

    def remove(self, receipt: Receipt, /, *, progress: Progress = no_progress) -> Removal:
        """Remove the instances of a receipt, and ask whether they are gone."""
        with self._client.connected():
            return remove_each(
                receipt,
                lambda key, traffic: self._remove(key, receipt, traffic),
                at_once=self._at_once,
                progress=progress,
            )

    def _send(
        self, items: Sequence[Outgoing], looked_for: Callable[[Outgoing], bool], progress: Progress
    ) -> Receipt:
        def store(item: Outgoing, traffic: Traffic) -> Stored | Failure:
            there = self._find(read_meta(item).sop_instance_uid) if looked_for(item) else ()
            if there:
                return self._compare(item, there, traffic)
            return self._store(item, traffic)

        results = together(items, store, at_once=self._at_once, progress=progress)
        stored = settle(items, results, location=self.location)
        return Receipt(self.location, len(items), digests_of(items), stored=stored)

    def _verify(self, items: Sequence[Outgoing], receipt: Receipt, progress: Progress) -> None:
        require_same_package(items, receipt)
        with self._client.connected():
            results = together(items, self._prove, at_once=self._at_once, progress=progress)
        settle(items, results, location=self.location)

    def _store(self, item: Outgoing, traffic: Traffic) -> Stored | Failure:
        """Store one instance; if Orthanc has one under its UID, that stays and is compared."""
        packed = self._compress and read_meta(item).transfer_syntax_uid in _NOT_COMPRESSED
        with _gzipped(item) if packed else nullcontext(FilePart(item.file, item.size)) as part:
            answer = self._client.request(
                "POST",
                "/instances",
                body=(part,),
                headers={"Content-Type": "application/dicom"}
                | ({"Content-Encoding": "gzip"} if packed else {}),
                traffic=traffic,
                allowed=(400,),
            )
        if answer.status == 400:
            return Failure(TargetRefused, "is no DICOM to it (400). Look into its log.")
        told = answer.json()
        match _text(told, "Status"):
            case "Success":
                return Stored(place=_text(told, "ID"))
            case "AlreadyStored":
                return self._compare(item, (_text(told, "ID"),), traffic)
        return Failure(TargetRefused, "was refused by a filter or a script there. Change that.")

    def _compare(self, item: Outgoing, there: Sequence[str], traffic: Traffic) -> Stored | Failure:
        """Say whether what Orthanc has under an instance's UID is this very file."""
        if len(there) > 1 or self._digest(there[0], traffic) != self._expected(item):
            return Failure(
                TargetConflict,
                "is there already with other content, which was left alone. Remove it there if it "
                "does not belong there, then retry the batch.",
            )
        return Stored(place=there[0])

    def _prove(self, item: Outgoing, traffic: Traffic) -> Stored | Failure:
        there = self._find(read_meta(item).sop_instance_uid)
        if not there:
            return MISSING
        if len(there) > 1:
            return Failure(
                VerificationFailed,
                f"is there {len(there)} times, under several patients or studies. Remove those "
                "that do not belong there, then retry the batch.",
            )
        found = self._digest(there[0], traffic)
        if found != self._expected(item):
            return Failure(
                VerificationFailed,
                "has other content there than was sent. Remove it if it does not belong there, "
                "then retry the batch.",
            )
        return Stored(place=there[0], digest=found)

    def _expected(self, item: Outgoing) -> str:
        return f"sha256:{item.sha256}" if self._proof == "file" else f"md5:{local_md5(item)}"

    def _digest(self, orthanc_id: str, traffic: Traffic) -> str:
        """Return the digest of what Orthanc holds, after it was read there; empty if it is bad."""
        if self._proof == "file":
            return f"sha256:{self._fetch(orthanc_id, traffic)}"
        path = f"/instances/{orthanc_id}/attachments/dicom"
        # Another code than 200: the file on its disk is not the one that it took.
        good = self._client.request("POST", f"{path}/verify-md5", allowed=range(400, 500))
        if good.status != 200:
            return ""
        told = self._client.request("GET", f"{path}/md5", allowed=(404,))
        return f"md5:{told.body.decode('ascii', 'replace').strip()}"

    def _fetch(self, orthanc_id: str, traffic: Traffic) -> str:
        """Return the SHA-256 of the file that Orthanc gives back."""
        digest = hashlib.sha256()
        path = f"/instances/{orthanc_id}/file"
        with self._client.stream("GET", path, traffic=traffic, allowed=(404,)) as response:
            while block := response.read(_BLOCK):
                digest.update(block)
                traffic.tell(len(block))
        return digest.hexdigest()

    def _find(self, uid: str) -> Sequence[str]:
        """Return the Orthanc ids of the instances, or of the studies, with a UID."""
        found = self._client.request("POST", "/tools/lookup", body=(uid.encode(),)).json()
        if not isinstance(found, list):
            raise TargetError(f"{self.location} does not answer as Orthanc does; check its url.")
        return [_text(one, "ID") for one in found]

    def _remove(self, key: str, receipt: Receipt, traffic: Traffic) -> str:
        """Remove one instance and return why it is left, if it is."""
        stored = receipt.stored.get(key, Stored())
        there = [stored.place] if stored.place else self._find(key)
        for orthanc_id in there:
            path = f"/instances/{orthanc_id}"
            known = self._client.request("GET", path, allowed=(404,)).status != 404
            if known and self._fetch(orthanc_id, traffic) != receipt.digests[key]:
                return "has other content there than was sent; it was not touched."
            self._client.request("DELETE", path, allowed=(404,))
            if self._client.request("GET", path, allowed=(404,)).status != 404:
                return "is still there after it was removed."
        return ""


@contextmanager
def _gzipped(item: Outgoing) -> Iterator[FilePart]:
    """Return a file as gzip, on disk, so that its length is known before."""
    with TemporaryDirectory(prefix="sendit-") as folder:
        path = Path(folder, "packed")
        with item.file.open("rb") as plain, igzip.open(path, "wb", compresslevel=1) as packed:
            shutil.copyfileobj(plain, packed, _BLOCK)
        yield FilePart(path, path.stat().st_size)


def _text(told: object, key: str) -> str:
    value = told.get(key) if isinstance(told, dict) else None
    if not isinstance(value, str):
        raise TargetError(f"The answer lacks {key}, which Orthanc gives; check the target's url.")
    return value
