"""Any DICOMweb server: STOW-RS, proven by QIDO-RS and by fetching instances with WADO-RS.

Several instances go in one request, their bytes from the files; the answer is read instance
by instance.  What the server has of a Study before is asked for first: an instance that is
there with the same content is not sent again, one with other content is a conflict, whether
the server would keep the old one, replace it or answer 409.

What counts as proof is ``proof``.  ``retrieve``: each instance is fetched back, and its data
set is the same, value by value; how lengths and padding are written, preamble and File Meta
Information are the server's.
``metadata``: for servers that transcode or coerce, where the former can never hold: every
attribute but bulk data is as it was sent, save those in ``may_change``; pixels are not
compared, so other content under a UID that was used is never sent to such a server.

DICOM: PS3.18 10.4 (Retrieve), 10.5 (Store), 10.6 (Search).
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import ClassVar, Literal

from pydantic import BaseModel

from sendit.errors import (
    TargetConflict,
    TargetError,
    TargetFull,
    TargetRefused,
    VerificationFailed,
)
from sendit.storage.base import (
    Package,
    PackagedInstance,
    Progress,
    Receipt,
    Removal,
    Stored,
    no_progress,
)
from sendit.storage.dicomweb_answers import (
    Fetched,
    StoreAnswer,
    failure_text,
    read_instance,
    read_instance_uids,
    read_store_answer,
)
from sendit.storage.dicomweb_metadata import MayChange, differences
from sendit.storage.http_body import Body, FilePart
from sendit.storage.http_client import HttpClient
from sendit.storage.http_options import HttpOptions
from sendit.storage.outgoing import (
    MISSING,
    Failure,
    Outgoing,
    digests_of,
    outgoing,
    own_head,
    remove_each,
    require_same_package,
    settle,
)
from sendit.storage.same_content import same_file
from sendit.storage.together import Traffic, together

_PER_REQUEST = 20
_BYTES_PER_REQUEST = 256_000_000
_PAGE = 1000
_NOT_ALLOWED = (400, 401, 403, 405, 501)
"""Answers of servers that do not let us remove."""
_JSON = {"Accept": "application/dicom+json"}
_WHOLE = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}


class DicomWebOptions(HttpOptions, frozen=True):
    """Options of ``kind = "dicomweb"``."""

    proof: Literal["retrieve", "metadata"] = "retrieve"
    """`retrieve`: each instance is fetched back; `metadata`: its attributes are, for servers
    that transcode or coerce."""
    may_change: MayChange = ()
    """With `metadata`: keywords of attributes that the server may change."""


class DicomWeb:
    """Sends by STOW-RS and verifies by QIDO-RS and WADO-RS."""

    options_model: ClassVar[type[BaseModel]] = DicomWebOptions

    def __init__(self, options: DicomWebOptions) -> None:
        self._client = HttpClient(options)
        self._at_once = options.connections
        self._may_change = options.may_change
        self.proves_content = options.proof == "retrieve"

    @property
    def location(self) -> str:
        """Its address."""
        return self._client.url

    def send(self, package: Package, /, *, progress: Progress = no_progress) -> Receipt:
        """Store every instance that is not there yet."""
        items = outgoing(package)
        places = _places(package)
        with self._client.connected():
            there = self._there(package)
            chunks = list(_chunks(items, there))
            results = together(
                chunks,
                lambda chunk, traffic: self._store(chunk, places, there, traffic),
                at_once=self._at_once,
                progress=progress,
                weight=len,
            )
        by_key = {key: one for chunk in results for key, one in chunk.items()}
        stored = settle(items, [by_key[item.key] for item in items], location=self.location)
        return Receipt(self.location, len(items), digests_of(items), stored=stored)

    def verify(
        self, package: Package, receipt: Receipt, /, *, progress: Progress = no_progress
    ) -> None:
        """Fetch every instance back, or its metadata, and compare with ours."""
        items = outgoing(package)
        require_same_package(items, receipt)
        places = _places(package)
        with self._client.connected():
            there = self._there(package)
            results = together(
                items,
                lambda item, traffic: self._prove(item, places[item.key], there, traffic),
                at_once=self._at_once,
                progress=progress,
            )
        settle(items, results, location=self.location)

    def remove(self, receipt: Receipt, /, *, progress: Progress = no_progress) -> Removal:
        """Remove the instances of a receipt, where the server lets us, and ask for them again."""
        with self._client.connected():
            return remove_each(
                receipt,
                lambda key, traffic: self._remove(key, receipt, traffic),
                at_once=self._at_once,
                progress=progress,
            )

    def probe(self) -> None:
        """Ask for a Study that does not exist; to store a trial might be for ever."""
        with self._client.connected():
            self._search(f"2.25.{uuid.uuid4().int}")

    def _there(self, package: Package) -> frozenset[str]:
        """Return the UIDs of all instances that the server has of the package's Studies."""
        studies = dict.fromkeys(study.study_instance_uid for study in package.studies)
        return frozenset(uid for study in studies for uid in self._search(study))

    def _search(self, study_instance_uid: str) -> set[str]:
        """Return the UIDs of the instances of a Study; servers may answer in parts."""
        found: set[str] = set()
        while True:
            path = f"/studies/{study_instance_uid}/instances?limit={_PAGE}&offset={len(found)}"
            answer = self._client.request("GET", path, headers=_JSON, allowed=(404,))
            try:
                page = [] if answer.status == 404 else read_instance_uids(answer)
            except ValueError:
                raise TargetError(
                    f"{self.location} does not answer QIDO-RS in DICOM JSON; check the target's "
                    "url: it ends where /studies begins."
                ) from None
            if found.issuperset(page):
                return found
            found.update(page)

    def _store(
        self,
        chunk: Sequence[Outgoing],
        places: Mapping[str, str],
        there: frozenset[str],
        traffic: Traffic,
    ) -> Mapping[str, Stored | Failure]:
        """Store some instances by one request; compare what is there instead of storing it."""
        results: dict[str, Stored | Failure] = {
            item.key: self._compare(item, places[item.key], traffic)
            for item in chunk
            if item.key in there
        }
        new = [item for item in chunk if item.key not in there]
        if not new:
            return results
        told = self._post(new, traffic)
        for item in new:
            if item.key in told.warnings:
                warning = told.warnings[item.key]
                results[item.key] = Stored(place=places[item.key], warning=warning)
            else:
                results[item.key] = self._refused(item, places[item.key], told, traffic)
        return results

    def _post(self, items: Sequence[Outgoing], traffic: Traffic) -> StoreAnswer:
        boundary = uuid.uuid4().hex
        answer = self._client.request(
            "POST",
            "/studies",
            body=_multipart(items, boundary),
            headers={
                "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
                **_JSON,
            },
            traffic=traffic,
            # Some say so when one of many failed; the body tells which.
            allowed=(400, 409),
        )
        try:
            return read_store_answer(answer)
        except ValueError:
            kind = TargetError if answer.status < 400 else TargetRefused
            raise kind(
                f"{self.location} answered {answer.status} to STOW-RS, without DICOM JSON that "
                "says what became of each instance. Look into its log, then retry the batch."
            ) from None

    def _refused(
        self, item: Outgoing, place: str, told: StoreAnswer, traffic: Traffic
    ) -> Stored | Failure:
        """Say what a refusal means; the instance may have come in by another way meanwhile."""
        reason = told.failures.get(item.key, 0)
        if 0xA700 <= reason <= 0xA7FF:
            raise TargetFull(
                f"{self.location} did not take instance {item.key}: {failure_text(reason)}. "
                "Make room there."
            )
        if self._is_there(place, traffic):
            return self._compare(item, place, traffic)
        return Failure(
            TargetRefused,
            f"was not taken: {failure_text(reason)}. Change what it refuses there, then retry "
            "the batch.",
        )

    def _compare(self, item: Outgoing, place: str, traffic: Traffic) -> Stored | Failure:
        """Say whether what the server has under an instance's UID is this very instance."""
        if self._difference(item, place, traffic):
            return Failure(
                TargetConflict,
                "is there already with other content, which was left alone. Remove it there if it "
                "does not belong there, then retry the batch.",
            )
        return Stored(place=place)

    def _prove(
        self, item: Outgoing, place: str, there: frozenset[str], traffic: Traffic
    ) -> Stored | Failure:
        if item.key not in there:
            return MISSING
        if difference := self._difference(item, place, traffic):
            return Failure(
                VerificationFailed,
                f"{difference}. Remove it there if it does not belong there, then retry the batch.",
            )
        return Stored(place=place)

    def _difference(self, item: Outgoing, place: str, traffic: Traffic) -> str:
        """Return what is other at the server than here, in words; empty if nothing is."""
        if not self.proves_content:
            answer = self._client.request(
                "GET", f"{place}/metadata", headers=_JSON, traffic=traffic
            )
            names = differences(item.file, answer.body, may_change=self._may_change)
            return f"has other values there than were sent: {', '.join(names)}" if names else ""
        fetched = self._fetch(place, traffic, own_head(item))
        if fetched is None:
            return "is listed there, but cannot be fetched"
        with fetched.content:
            same = fetched.own_sha256 == item.sha256 or same_file(item, fetched.content)
        return "" if same else "has other content there than was sent"

    def _is_there(self, place: str, traffic: Traffic) -> bool:
        fetched = self._fetch(place, traffic)
        if fetched is not None:
            fetched.content.close()
        return fetched is not None

    def _fetch(self, place: str, traffic: Traffic, head: bytes = b"") -> Fetched | None:
        with self._client.stream(
            "GET", place, headers=_WHOLE, traffic=traffic, allowed=(404, 410)
        ) as response:
            if response.status in (404, 410):
                return None
            return read_instance(response, traffic, url=self.location, own_head=head)

    def _remove(self, key: str, receipt: Receipt, traffic: Traffic) -> str:
        """Remove one instance and return why it is left, if it is."""
        place = receipt.stored[key].place if key in receipt.stored else ""
        if not place:
            return "is not in the receipt with its place."
        fetched = self._fetch(place, traffic)
        if fetched is None:
            return ""
        fetched.content.close()
        if fetched.sha256 != receipt.digests[key]:
            return "has other content there than was sent; it was not touched."
        answer = self._client.request("DELETE", place, allowed=(*_NOT_ALLOWED, 404))
        if answer.status in _NOT_ALLOWED:
            return f"the server does not let us remove it ({answer.status}); remove it there."
        return "is still there after it was removed." if self._is_there(place, traffic) else ""


def _places(package: Package) -> Mapping[str, str]:
    """Return the path of each instance at a DICOMweb server, by SOP Instance UID."""
    return {
        one.sop_instance_uid: _place(study.study_instance_uid, one)
        for study in package.studies
        for one in study.instances
    }


def _place(study_instance_uid: str, instance: PackagedInstance) -> str:
    series_instance_uid = PurePosixPath(instance.file).parent.name
    return (
        f"/studies/{study_instance_uid}/series/{series_instance_uid}"
        f"/instances/{instance.sop_instance_uid}"
    )


def _chunks(items: Sequence[Outgoing], there: frozenset[str]) -> Iterator[Sequence[Outgoing]]:
    """Return what goes in one request: not many, and not many bytes."""
    chunk: list[Outgoing] = []
    size = 0
    for item in sorted(items, key=lambda item: item.key in there):
        if chunk and (len(chunk) == _PER_REQUEST or size + item.size > _BYTES_PER_REQUEST):
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += item.size
    if chunk:
        yield chunk


def _multipart(items: Sequence[Outgoing], boundary: str) -> Body:
    body: list[bytes | FilePart] = []
    for item in items:
        body.append(f"\r\n--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode())
        body.append(FilePart(item.file, item.size))
    body.append(f"\r\n--{boundary}--\r\n".encode())
    return body
