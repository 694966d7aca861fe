"""What is sent, whichever sort of package it comes from, and what is known of each file.

Leaves to the plug-ins how a file travels.  DICOM: PS3.10 7.1 (File Meta Information).
"""

import hashlib
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sendit.errors import (
    InstancesMissing,
    NotYetProven,
    TargetConflict,
    TargetError,
    TargetRefused,
    VerificationFailed,
)
from sendit.storage.base import IdentifiedPackage, Package, Progress, Receipt, Removal, Stored
from sendit.storage.together import Traffic, together

_BLOCK = 1 << 20
_META_BYTES = 1 << 16
_GRAVITY = (
    TargetConflict,
    TargetRefused,
    VerificationFailed,
    TargetError,
    InstancesMissing,
    NotYetProven,
)
_LONG_VRS = (b"OB", b"OW", b"UN", b"UT", b"SQ")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One file on its way to a target."""

    key: str
    """What receipts call it: the new SOP Instance UID, or the number of an original."""
    file: Path = field(repr=False)
    sha256: str = field(repr=False)
    """Of the whole file, in hexadecimal."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What a file says of itself before its data set begins."""

    sop_class_uid: str
    sop_instance_uid: str = field(repr=False)
    transfer_syntax_uid: str
    data_start: int
    """Where the data set begins, in bytes from the start of the file."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One instance was not taken, or not proven; the others may go on."""

    kind: type[TargetError]
    reason: str
    """What the target said of it, and the remedy; continues "instance 2.25.… "."""


MISSING = Failure(InstancesMissing, "was taken there, and is not there.")


def outgoing(package: Package) -> Sequence[Outgoing]:
    """Return the files of a de-identified package."""
    return [
        Outgoing(one.sop_instance_uid, package.root / one.file, one.sha256, one.size)
        for one in package.instances
    ]


def outgoing_identified(package: IdentifiedPackage) -> Sequence[Outgoing]:
    """Return the files of a package of originals."""
    return [
        Outgoing(str(one.number), package.root / one.file, one.sha256, one.size)
        for one in package.instances
    ]


def digests_of(items: Sequence[Outgoing]) -> Mapping[str, str]:
    """Return what a receipt keeps: SHA-256 by key."""
    return {item.key: item.sha256 for item in items}


def settle(
    items: Sequence[Outgoing], results: Sequence[Stored | Failure], *, location: str
) -> Mapping[str, Stored]:
    """Return where each instance is, by key.

    Raises
    ------
    sendit.errors.TargetError
        When one failed; the message names the first, ``failures`` them all.
    """
    stored: dict[str, Stored] = {}
    failed: dict[str, Failure] = {}
    for item, result in zip(items, results, strict=True):
        if isinstance(result, Failure):
            failed[item.key] = result
        else:
            stored[item.key] = result
    if failed:
        kind = min((one.kind for one in failed.values()), key=_GRAVITY.index)
        key, first = next((key, one) for key, one in failed.items() if one.kind is kind)
        more = f" So it is with {len(failed) - 1} more." if len(failed) > 1 else ""
        raise kind(
            f"{location}: instance {key} {first.reason}{more}",
            failures={key: one.reason for key, one in failed.items()},
        )
    return stored


def remove_each(
    receipt: Receipt,
    remove: Callable[[str, Traffic], str],
    *,
    at_once: int,
    progress: Progress,
) -> Removal:
    """Remove what a receipt lists, one by one; ``remove`` returns why something is left."""
    keys = sorted(receipt.digests)
    reasons = together(keys, remove, at_once=at_once, progress=progress)
    left = {key: reason for key, reason in zip(keys, reasons, strict=True) if reason}
    return Removal(tuple(key for key in keys if key not in left), left)


def require_all_there(missing: Mapping[str, str], other: Mapping[str, str]) -> None:
    """Return if nothing is missing and nothing has other content; each by key, with its message.

    Raises
    ------
    sendit.errors.InstancesMissing, sendit.errors.VerificationFailed
        When something is.
    """
    failures = {**other, **missing}
    if failures:
        more = f" So with {len(failures) - 1} more." if len(failures) > 1 else ""
        kind = VerificationFailed if other else InstancesMissing
        raise kind(next(iter(failures.values())) + more, failures=failures)


def require_same_package(items: Sequence[Outgoing], receipt: Receipt) -> None:
    """Return if the receipt is of these very files.

    Raises
    ------
    sendit.errors.VerificationFailed
        When it is not.
    """
    if receipt.n_instances != len(items) or dict(receipt.digests) != digests_of(items):
        raise VerificationFailed(
            "The receipt is not of this package: its instances or their content differ. "
            "Retry the batch to send it again."
        )


def read_meta(item: Outgoing) -> FileMeta:
    """Read the File Meta Information of a file.

    Raises
    ------
    sendit.errors.TargetError
        When it has none, or lacks what sending needs.
    """
    with item.file.open("rb") as stream:
        head = stream.read(_META_BYTES)
    values, end = _meta_elements(head)
    sop_class, sop_instance, transfer_syntax = (
        values.get(element, b"").decode("ascii", "replace").strip("\0 ") for element in (2, 3, 16)
    )
    if not (sop_class and sop_instance and transfer_syntax):
        raise TargetError(
            f"Instance {item.key} cannot be sent: its file does not begin with DICOM file meta "
            "information that names SOP Class, SOP Instance and transfer syntax."
        )
    return FileMeta(sop_class, sop_instance, transfer_syntax, end)


def own_head(item: Outgoing) -> bytes:
    """Return preamble and File Meta Information of a file.

    A data set that came back, behind this head, has the SHA-256 of the file if it is the same.
    """
    with item.file.open("rb") as stream:
        return stream.read(read_meta(item).data_start)


def local_md5(item: Outgoing) -> str:
    """Return the MD5 of a file, in hexadecimal, after making sure that it is what was packed.

    Raises
    ------
    sendit.errors.VerificationFailed
        When the file here is not what the package says it is.
    """
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with item.file.open("rb", buffering=0) as stream:
        while block := stream.read(_BLOCK):
            sha256.update(block)
            md5.update(block)
    if sha256.hexdigest() != item.sha256:
        raise changed_here(item)
    return md5.hexdigest()


def require_unchanged(item: Outgoing) -> None:
    """Return if the file is what was packed.

    Raises
    ------
    sendit.errors.VerificationFailed
        When it is not.
    """
    with item.file.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != item.sha256:
            raise changed_here(item)


def changed_here(item: Outgoing) -> VerificationFailed:
    """Return the error about a file that is not what was packed."""
    return VerificationFailed(
        f"The file of instance {item.key} has changed here since it was made; nothing can be "
        "proven by it. Check the disk, then process the batch again.",
        failures={item.key: "has changed here since it was made"},
    )


def data_start(head: bytes) -> int:
    """Return where the data set begins in the first bytes of a file; 0 if that is not DICOM."""
    return _meta_elements(head)[1]


def _meta_elements(head: bytes) -> tuple[Mapping[int, bytes], int]:
    """Return the elements of group 2, by element number, and where they end."""
    values: dict[int, bytes] = {}
    pos = 132
    if head[128:132] != b"DICM":
        return values, 0
    while head[pos : pos + 2] == b"\x02\x00" and pos + 12 <= len(head):
        element, vr = struct.unpack_from("<H2s", head, pos + 2)
        if vr in _LONG_VRS:
            length, start = struct.unpack_from("<I", head, pos + 8)[0], pos + 12
        else:
            length, start = struct.unpack_from("<H", head, pos + 6)[0], pos + 8
        values[element] = head[start : start + length]
        pos = start + length
    return values, pos
