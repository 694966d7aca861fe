"""The frame around a data set: preamble, File Meta Information, transfer syntax.

Reading is tolerant where the intent is clear (no preamble, no File Meta Information, a group
length that lies) and says what it repaired.  Writing knows nothing of what was read: the
preamble and the meta group are always our own.

DICOM: PS3.10 7.1 (File Meta Information), PS3.5 A (transfer syntaxes).
"""

import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sendit import __version__
from sendit.deid.files import MemorySource, Source
from sendit.deid.syntax import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    LONG_VRS,
    SHORT_VRS,
    Syntax,
)
from sendit.dictionary import ATTRIBUTES, UIDS
from sendit.errors import Excluded, Unreadable
from sendit.terms import Reason

IMPLICIT: Final = "1.2.840.10008.1.2"
EXPLICIT: Final = "1.2.840.10008.1.2.1"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
GE_PRIVATE: Final = "1.2.840.113619.5.2"
"""Implicit little endian with pixels in big endian, by old GE systems."""
DIRECTORY: Final = "1.2.840.10008.1.3.10"

LAST_FIRST_GROUP: Final = 0x0010
"""A data set without anything of the SOP, the Study and the patient is none."""

# Ours for ever: 2.25 and a random UUID, drawn once for this project.
IMPLEMENTATION_CLASS_UID: Final = "2.25.191734382098245071233620841277361208113"
IMPLEMENTATION_VERSION: Final = f"SENDIT_{__version__}"[:16]

MAX_INFLATED: Final = 1 << 28
"""Bytes of a deflated data set; it is held in memory, by the engine and by the release check."""
MAX_INFLATE_RATIO: Final = 1100
"""zlib cannot do better than 1032 to 1; what claims more is a trap."""

SUPPORTED: Final = frozenset(
    uid for uid, entry in UIDS.items() if entry[1] == "Transfer Syntax" and "JPIP" not in entry[0]
) | {GE_PRIVATE}
"""Of the standard's, all but JPIP: there the pixels are elsewhere, at an address."""
JPIP_DEFLATED: Final = frozenset(("1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"))


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the data set begins and how it is encoded."""

    source: Source
    """Of the data set; another one than the file when that was deflated."""
    start: int
    syntax: Syntax
    transfer_syntax_uid: str
    """Of the file that was read."""
    output_transfer_syntax_uid: str
    media_sop_class_uid: str
    repairs: tuple[str, ...]


def read_frame(source: Source) -> Frame:
    """Find the data set of a file.

    Raises
    ------
    sendit.errors.Unreadable
        ``EMPTY_FILE``, ``NOT_DICOM``, ``TRUNCATED`` or ``MALFORMED``.
    sendit.errors.Excluded
        ``DICOMDIR``.
    """
    if not source.size:
        raise Unreadable(Reason.EMPTY_FILE, "has no bytes")
    head = source.read(0, 4096)
    if head[128:132] == b"DICM":
        return _with_meta(source, head, 132, ())
    if head[:4] == b"DICM":
        return _with_meta(source, head, 4, ("no-preamble",))
    if head[:2] == b"\x02\x00" and head[4:6] in (b"UL", b"OB", b"UI"):
        return _with_meta(source, head, 0, ("no-preamble",))
    return _without_meta(source, head)


def _with_meta(source: Source, head: bytes, pos: int, repairs: tuple[str, ...]) -> Frame:
    values: dict[int, bytes] = {}
    first, announced = pos, -1
    while head[pos : pos + 2] == b"\x02\x00":
        if pos + 12 > len(head):
            head = _more(source, head, pos + 12)
            if pos + 12 > len(head):
                raise Unreadable(Reason.TRUNCATED, "the file ends inside the file meta group")
        element, vr = struct.unpack_from("<H2s", head, pos + 2)
        if vr in SHORT_VRS:
            length, start = struct.unpack_from("<H", head, pos + 6)[0], pos + 8
        elif vr in LONG_VRS:
            length, start = struct.unpack_from("<I", head, pos + 8)[0], pos + 12
        else:
            # Some writers encode the meta group, too, in implicit VR.
            length, start = struct.unpack_from("<I", head, pos + 4)[0], pos + 8
        if start + length > source.size:
            raise Unreadable(Reason.TRUNCATED, f"(0002,{element:04X}) is longer than the file")
        if length > 1 << 20:
            raise Unreadable(Reason.MALFORMED, f"(0002,{element:04X}) is too long")
        head = _more(source, head, start + length + 12)
        values[element] = head[start : start + length]
        pos = start + length
        if element == 0 and length == 4:
            announced = pos + struct.unpack_from("<I", values[0])[0]
    if pos == first and not values:
        repairs += ("no-file-meta",)
    if announced >= 0 and announced != pos:
        repairs += ("group-length",)
    media_class = _uid(values.get(2, b""))
    if media_class == DIRECTORY:
        raise Excluded(Reason.DICOMDIR)
    if pos >= source.size:
        raise Unreadable(Reason.TRUNCATED, "there is no data set behind the file meta group")
    transfer_syntax = _uid(values.get(0x10, b""))
    if not transfer_syntax:
        syntax, transfer_syntax = _guess(source.read(pos, 16))
        return Frame(
            source, pos, syntax, transfer_syntax, transfer_syntax, media_class,
            (*repairs, "no-transfer-syntax"),
        )  # fmt: skip
    return _frame(source, pos, transfer_syntax, media_class, repairs)


def _frame(
    source: Source, pos: int, transfer_syntax: str, media_class: str, repairs: tuple[str, ...]
) -> Frame:
    output = transfer_syntax
    if transfer_syntax == DEFLATED:
        source, pos, output = MemorySource(inflate(source, pos)), 0, EXPLICIT
    elif transfer_syntax in JPIP_DEFLATED:
        source, pos = MemorySource(inflate(source, pos)), 0
    elif source.read(pos, 2) == b"\0\0":
        pos, repairs = _behind_command(source, pos), (*repairs, "command-group")
    syntax = {IMPLICIT: IMPLICIT_LITTLE, GE_PRIVATE: IMPLICIT_LITTLE, BIG_ENDIAN: EXPLICIT_BIG}.get(
        transfer_syntax, EXPLICIT_LITTLE
    )
    # Some writers declare one encoding and use another; the first element tells.
    looks = source.read(pos, 8)
    if len(looks) == 8 and output in (IMPLICIT, EXPLICIT, BIG_ENDIAN):
        seen, seen_as = _guess(looks)
        if seen is not syntax:
            syntax, output, repairs = seen, seen_as, (*repairs, "transfer-syntax")
    if len(looks) == 8 and not _fits(looks, syntax, source.size - pos):
        raise Unreadable(Reason.MALFORMED, "the data set is not encoded as (0002,0010) says")
    return Frame(source, pos, syntax, transfer_syntax, output, media_class, repairs)


def _fits(head: bytes, syntax: Syntax, size: int) -> bool:
    """Return whether a first element can be one, rather than compressed or swapped bytes."""
    tag = syntax.tag_at(head, 0)
    if tag in ATTRIBUTES or tag >> 16 <= LAST_FIRST_GROUP:
        return True
    if not tag >> 16 & 1:
        return False
    has_vr = head[4:6] in SHORT_VRS or head[4:6] in LONG_VRS
    return has_vr if syntax.explicit else syntax.u32(head, 4)[0] < size


def _behind_command(source: Source, pos: int) -> int:
    """Return where the data set begins behind the group of a message that was left in a file."""
    while (head := source.read(pos, 12))[:2] == b"\0\0" and len(head) > 7:
        if head[4:6] in SHORT_VRS:
            pos += 8 + int.from_bytes(head[6:8], "little")
        else:
            pos += 8 + int.from_bytes(head[4:8], "little")
    if pos >= source.size:
        raise Unreadable(Reason.TRUNCATED, "there is no data set behind group 0000")
    return pos


def _without_meta(source: Source, head: bytes) -> Frame:
    """Accept a data set that begins at byte 0, if it plainly is one."""
    group = head[:2]
    if len(head) < 8 or group not in (b"\x08\x00", b"\x00\x08"):
        raise Unreadable(Reason.NOT_DICOM, "is no DICOM file")
    syntax, transfer_syntax = _guess(head)
    element = struct.unpack_from(syntax.order + "H", head, 2)[0]
    length = struct.unpack_from(
        syntax.order + ("H" if syntax.explicit else "I"), head, 6 if syntax.explicit else 4
    )[0]
    if element > 0x0060 or length > 4096:
        raise Unreadable(Reason.NOT_DICOM, "is no DICOM file")
    return Frame(source, 0, syntax, transfer_syntax, transfer_syntax, "", ("no-preamble",))


def _guess(head: bytes) -> tuple[Syntax, str]:
    explicit = head[4:6] in SHORT_VRS or head[4:6] in LONG_VRS
    # Groups of real attributes are below 0100, but for pixels; so one byte of two is zero.
    if explicit and head[:1] == b"\0" and head[1:2] != b"\0":
        return EXPLICIT_BIG, BIG_ENDIAN
    return (EXPLICIT_LITTLE, EXPLICIT) if explicit else (IMPLICIT_LITTLE, IMPLICIT)


def _more(source: Source, head: bytes, wanted: int) -> bytes:
    if wanted <= len(head):
        return head
    return head + source.read(len(head), wanted + 4096 - len(head))


def _uid(value: bytes) -> str:
    return value.decode("ascii", "replace").strip("\0 ")


def inflate(source: Source, start: int) -> bytearray:
    """Inflate a deflated data set, within bounds of size and ratio."""
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    bound = min(MAX_INFLATED, (source.size - start) * MAX_INFLATE_RATIO + 1024)
    data, offset = bytearray(), start
    try:
        while not engine.eof and (block := source.read(offset, 1 << 20)):
            offset += len(block)
            while block and not engine.eof:
                data += engine.decompress(block, 1 << 24)
                if len(data) > bound:
                    raise Unreadable(Reason.TOO_LARGE, "inflates beyond what may be held")
                block = engine.unconsumed_tail
        data += engine.flush()
    except zlib.error:
        raise Unreadable(Reason.MALFORMED, "cannot be inflated") from None
    if not engine.eof:
        raise Unreadable(Reason.TRUNCATED, "the deflated data set has no end")
    return data


@lru_cache(maxsize=256)
def _meta_tail(transfer_syntax_uid: str) -> bytes:
    element = EXPLICIT_LITTLE.element
    return (
        element(0x00020010, b"UI", _even(transfer_syntax_uid, b"\0"))
        + element(0x00020012, b"UI", _even(IMPLEMENTATION_CLASS_UID, b"\0"))
        + element(0x00020013, b"SH", _even(IMPLEMENTATION_VERSION, b" "))
    )


def build_meta(*, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> bytes:
    """Return a preamble of zeros and the File Meta Information of one result."""
    element = EXPLICIT_LITTLE.element
    body = (
        element(0x00020001, b"OB", b"\0\1")
        + element(0x00020002, b"UI", _even(sop_class_uid, b"\0"))
        + element(0x00020003, b"UI", _even(sop_instance_uid, b"\0"))
        + _meta_tail(transfer_syntax_uid)
    )
    return bytes(128) + b"DICM" + element(0x00020000, b"UL", struct.pack("<I", len(body))) + body


def _even(value: str, pad: bytes) -> bytes:
    data = value.encode("ascii")
    return data + pad if len(data) & 1 else data
