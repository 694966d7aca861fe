"""Read what a DICOMweb server answers: STOW-RS by instance, QIDO-RS, and single instances.

DICOM: PS3.18 10.5.3 (Store Instances Response), 8.6.1 (multipart), PS3.3 C.12.1.3.2.4
(Failure Reason), PS3.18 F (DICOM JSON).
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPResponse
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from sendit.errors import TargetError, TargetUnavailable
from sendit.storage.http_client import Answer
from sendit.storage.outgoing import data_start
from sendit.storage.same_content import IN_MEMORY
from sendit.storage.together import Traffic

_BLOCK = 1 << 20
_HEAD = 1 << 16
_REFERENCED, _FAILED = "00081199", "00081198"
_SOP_INSTANCE, _FAILURE_REASON, _WARNING_REASON = "00081155", "00081197", "00081196"


@dataclass(frozen=True, slots=True)
class StoreAnswer:
    """What a server said of the instances of one request, by SOP Instance UID."""

    warnings: Mapping[str, str]
    """Of those that it took: what it said besides, empty for most."""
    failures: Mapping[str, int]
    """Why it did not take the others (Failure Reason)."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An instance that came back."""

    sha256: str
    """Of the file, in hexadecimal."""
    data_sha256: str
    """Of the data set alone, without preamble and File Meta Information."""
    content: IO[bytes] = field(repr=False)
    """The file; gone when it is closed."""


def read_store_answer(answer: Answer) -> StoreAnswer:
    """Read the answer to STOW-RS.

    Raises
    ------
    ValueError
        When it is not one in DICOM JSON.
    """
    document = answer.json()
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if not isinstance(document, dict):
        raise ValueError("no object")
    warnings = {
        uid: _reason("warning", _number(item, _WARNING_REASON))
        for uid, item in _items(document, _REFERENCED)
    }
    failures = {
        uid: _number(item, _FAILURE_REASON) or 0x0110 for uid, item in _items(document, _FAILED)
    }
    return StoreAnswer(warnings, failures)


def read_instance_uids(answer: Answer) -> list[str]:
    """Read the SOP Instance UIDs that QIDO-RS found.

    Raises
    ------
    ValueError
        When the answer is not DICOM JSON.
    """
    if answer.status == 204 or not answer.body:
        return []
    document = answer.json()
    if not isinstance(document, list):
        raise ValueError("no list")
    return [uid for item in document if (uid := _value(item, "00080018"))]


def read_instance(response: HTTPResponse, traffic: Traffic, *, url: str) -> Fetched:
    """Read one instance of an answer to WADO-RS, of any size, and return it.

    Raises
    ------
    sendit.errors.TargetUnavailable
        When it breaks off.
    sendit.errors.TargetError
        When the answer is none.
    """
    whole, data = hashlib.sha256(), hashlib.sha256()
    head: bytes | None = b""
    content = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the caller closes it
    for block in _part(response, url):
        traffic.tell(len(block))
        whole.update(block)
        content.write(block)
        if head is None:
            data.update(block)
            continue
        head += block
        if len(head) >= _HEAD:
            data.update(head[data_start(head) :])
            head = None
    if head is not None:
        data.update(head[data_start(head) :])
    return Fetched(whole.hexdigest(), data.hexdigest(), content)


def _part(response: HTTPResponse, url: str) -> Iterator[bytes]:
    """Return the content of the first part of an answer, or all of one that has no parts."""
    kind = Message()
    kind["Content-Type"] = response.headers.get("Content-Type", "")
    if kind.get_content_type() == "application/dicom":
        while block := response.read(_BLOCK):
            yield block
        return
    boundary = kind.get_boundary()
    if kind.get_content_maintype() != "multipart" or not boundary:
        raise TargetError(
            f"{url} answers WADO-RS with {kind.get_content_type()} instead of DICOM; it cannot "
            "prove what it holds this way."
        )
    yield from _until(response, boundary.encode("ascii", "replace"), url)


def _until(response: HTTPResponse, boundary: bytes, url: str) -> Iterator[bytes]:
    """Return what stands between the head of the first part and the next boundary."""
    held = b""
    while (end := held.find(b"\r\n\r\n")) < 0:
        block = response.read(_BLOCK)
        if not block or len(held) > _HEAD + _BLOCK:
            raise TargetUnavailable(f"{url} broke off while an instance was fetched.")
        held += block
    held = held[end + 4 :]
    # A part that is empty ends where it begins; the line end before the boundary is its own.
    mark = b"\r\n--" + boundary
    while (end := held.find(mark)) < 0:
        keep = max(len(held) - len(mark) + 1, 0)
        yield held[:keep]
        block = response.read(_BLOCK)
        if not block:
            raise TargetUnavailable(f"{url} broke off while an instance was fetched.")
        held = held[keep:] + block
    yield held[:end]


def failure_text(reason: int) -> str:
    """Return a Failure Reason in words."""
    if 0xA700 <= reason <= 0xA7FF:
        word = "it is out of resources"
    elif 0xA900 <= reason <= 0xA9FF:
        word = "it says that the data set does not fit its SOP Class"
    elif 0xC000 <= reason <= 0xCFFF:
        word = "it cannot understand the data set"
    else:
        word = _FAILURES.get(reason, "it does not say why")
    return f"{word} ({reason:04X}h)" if reason else word


_FAILURES: Mapping[int, str] = {
    0x0110: "it failed to process it",
    0x0111: "it has that UID already",
    0x0122: "it does not support its SOP Class",
    0x0124: "it does not authorize it",
}


def _items(document: Mapping[str, Any], tag: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for item in (document.get(tag) or {}).get("Value") or ():
        if uid := _value(item, _SOP_INSTANCE):
            yield uid, item


def _value(item: Mapping[str, Any], tag: str) -> str:
    values = (item.get(tag) or {}).get("Value") or ("",)
    return str(values[0])


def _number(item: Mapping[str, Any], tag: str) -> int:
    value = _value(item, tag)
    return int(value) if value.isdecimal() else 0


def _reason(word: str, number: int) -> str:
    return f"{word} {number:04X}h" if number else ""
