"""What an S3 store answers: XML, checksums in headers, and errors with a code.

Only codes of errors are shown, never what else the store says: it may repeat a request.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from sendit.errors import (
    TargetConflict,
    TargetError,
    TargetFull,
    TargetQuotaUsed,
    TargetRefused,
    TargetUnavailable,
)
from sendit.storage.cloud_http import BUSY, Told
from sendit.storage.objects import Held

_QUOTAS = ("QuotaExceeded", "XMinioAdminBucketQuotaExceeded")
_ELSEWHERE = (
    "PermanentRedirect",
    "TemporaryRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
)
_STALE = ("ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidAccessKeyId")
_REMEDIES: Mapping[str, tuple[type[TargetError], str]] = {
    "AccessDenied": (
        TargetRefused,
        "the keys lack a right; grant s3:PutObject, s3:GetObject, s3:ListBucket and "
        "s3:AbortMultipartUpload (and s3:DeleteObject, s3:ListBucketVersions to take back)",
    ),
    "AllAccessDisabled": (TargetRefused, "the bucket is closed; see its owner"),
    "InvalidAccessKeyId": (TargetRefused, "it does not know the access key; renew the keys"),
    "SignatureDoesNotMatch": (TargetRefused, "the secret key is wrong; renew the keys"),
    "ExpiredToken": (TargetRefused, "the keys have expired; renew them"),
    "InvalidToken": (TargetRefused, "the session token is wrong; renew the keys"),
    "RequestTimeTooSkewed": (TargetRefused, "the clocks differ; set the clock of this machine"),
    "NoSuchBucket": (TargetRefused, "there is no such bucket; make it, or set bucket anew"),
    "InvalidBucketName": (TargetRefused, "that is no name of a bucket; set bucket anew"),
    "NotImplemented": (
        TargetRefused,
        "it does not know what was asked for (a conditional write, an encryption?); see the guide",
    ),
    "KMS.NotFoundException": (TargetRefused, "there is no such key; set kms_key anew"),
    "KMS.DisabledException": (TargetRefused, "the key is disabled; enable it or set kms_key anew"),
    "InvalidStorageClass": (TargetRefused, "it has no such storage_class; set it anew"),
    "EntityTooLarge": (TargetRefused, "it takes no object of this size"),
    "BadDigest": (TargetUnavailable, "bytes changed on their way, or in the working folder"),
    "XAmzContentSHA256Mismatch": (
        TargetUnavailable,
        "bytes changed on their way, or in the working folder",
    ),
    "XAmzContentChecksumMismatch": (
        TargetUnavailable,
        "bytes changed on their way, or in the working folder",
    ),
    "RequestTimeout": (TargetUnavailable, "it waited too long for us"),
    "SlowDown": (TargetUnavailable, "it is asked too much"),
    "OperationAborted": (TargetUnavailable, "somebody else is writing there"),
    "ConditionalRequestConflict": (TargetUnavailable, "somebody else is writing there"),
    "InvalidPart": (TargetUnavailable, "somebody else is writing there"),
    "InvalidObjectState": (TargetConflict, "the object lies in an archive; restore it first"),
}


def explain(told: Told, *, location: str) -> TargetError:
    """Return the error that an answer stands for, with its remedy."""
    code = error_code(told.body)
    shown = f"{told.status} {code}".strip()
    if code in _QUOTAS:
        return TargetQuotaUsed(
            f"{location} answers {shown}: a quota is used up. It is tried again for two days, each "
            "hour at last; raise it, or make room there."
        )
    if told.status == 507 or code == "XMinioStorageFull":
        return TargetFull(f"{location} has no room left ({shown}). Make room there.")
    if code in _REMEDIES:
        kind, remedy = _REMEDIES[code]
        later = "; it is tried again" if kind.retryable else ""
        return kind(f"{location} answers {shown}: {remedy}{later}.")
    region = told.headers.get("x-amz-bucket-region", "")
    # What answers HEAD has no code; Amazon names the region then, with 301 or 400.
    if told.status in (301, 307, 308) or code in _ELSEWHERE or (told.status == 400 and region):
        known = f' to "{region}"' if region.replace("-", "").isalnum() else ""
        return TargetRefused(f"{location} is in another region ({shown}); set region{known}.")
    if told.status in (401, 403):
        return TargetRefused(
            f"{location} refuses our keys ({shown}): they are wrong, have expired or allow too "
            "little. Renew them, then retry the batch."
        )
    if told.status in BUSY or told.status in (408, 409):
        return TargetUnavailable(f"{location} answers {shown}; it is tried again.")
    if told.status == 404:
        return TargetRefused(f"{location} is not there ({shown}); set bucket or endpoint anew.")
    return TargetError(f"{location} answers {shown}; see its log, then retry the batch.")


def has_expired(told: Told) -> bool:
    """Say whether keys were refused that may have been replaced meanwhile."""
    return told.status in (400, 401, 403) and error_code(told.body) in _STALE


def held_of(key: str, told: Told) -> Held:
    """Return what an answer to GET, HEAD or PUT says of an object."""
    headers = told.headers
    etag = headers.get("etag", "").strip('"')
    sha256 = _from_base64(headers.get("x-amz-checksum-sha256", ""))
    return Held(
        key,
        int(headers.get("content-length", "0") or 0),
        headers.get("x-amz-version-id", ""),
        {"sha256": sha256} if sha256 else {},
        etag,
    )


def error_code(body: bytes) -> str:
    """Return the code of an error, or nothing where the answer is none."""
    try:
        root = read_xml(body)
    except ValueError:
        return ""
    code = root.text("Code") if root.name == "Error" else ""
    return code if code.replace(".", "").isalnum() else ""


@dataclass(slots=True)
class Element:
    """An element of XML; names without their namespace."""

    name: str
    children: list["Element"] = field(default_factory=list)
    content: str = ""

    def all(self, name: str) -> Iterator["Element"]:
        """Return the children of a name."""
        return (child for child in self.children if child.name == name)

    def text(self, name: str) -> str:
        """Return the text of the first child of a name."""
        return next((child.content.strip() for child in self.all(name)), "")


def read_xml(body: bytes) -> Element:
    """Read a small document.

    Raises
    ------
    ValueError
        When it is none, or defines entities.
    """
    top = Element("")
    stack = [top]

    def start(name: str, _attributes: object) -> None:
        element = Element(name.rsplit(":", 1)[-1])
        stack[-1].children.append(element)
        stack.append(element)

    def end(_name: str) -> None:
        stack.pop()

    def text(data: str) -> None:
        stack[-1].content += data

    def refuse(*_: object) -> None:
        raise ValueError("the document defines a type")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = text, refuse
    try:
        parser.Parse(body, True)  # noqa: FBT003 - the parser's own signature
    except expat.ExpatError as error:
        raise ValueError("this is not XML") from error
    return top.children[0]


def to_base64(digest: str) -> str:
    """Return a hexadecimal digest as S3 writes it."""
    return base64.b64encode(bytes.fromhex(digest)).decode()


def _from_base64(value: str) -> str:
    """Return a digest in hexadecimal; nothing for one that is of many parts."""
    try:
        return base64.b64decode(value, validate=True).hex()
    except binascii.Error:
        return ""
