"""Compare an instance that came back with the file that was sent, when the bytes differ.

A receiver may keep a data set in other bytes and still have the same content: it may write
lengths of sequences and groups anew, strip padding, or call compressed pixels OB instead of
OW.  Everything else must be equal: the same attributes, and the same bytes of each value, the
pixels among them.  An instance in another transfer syntax is another one to us.

DICOM: PS3.5 7.1 (elements), 7.5 (sequences), 6.2 (padding), A.4 (compressed pixels).
"""

import io
import struct
import zlib
from typing import IO, BinaryIO, Final, cast

from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import dcmread, read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from sendit.storage.outgoing import Outgoing, read_meta, require_unchanged

IN_MEMORY: Final = 1 << 22
"""Bytes of an instance that comes back which are held in memory; more lie in a file."""
_MOST = 1 << 29
"""Bytes of an instance whose content is compared; it is held twice."""
_TRAILING_PADDING = BaseTag(0xFFFCFFFC)
_BYTES_OF_PIXELS = frozenset(("OB", "OW"))
_PADDED = frozenset(
    "AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split()  # noqa: SIM905 - a line, not 17
)
UNREADABLE: Final = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OSError,
    EOFError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    zlib.error,
    InvalidDicomError,
)
"""What pydicom raises when bytes that came from elsewhere are no DICOM."""


def same_file(item: Outgoing, theirs: IO[bytes]) -> bool:
    """Say whether a file that came back has the content of ours."""
    theirs.seek(0)
    try:
        other = dcmread(cast("BinaryIO", theirs))
    except UNREADABLE:
        return False
    syntax = other.file_meta.get("TransferSyntaxUID", "")
    return syntax == read_meta(item).transfer_syntax_uid and _same_as(item, other)


def same_data_set(item: Outgoing, theirs: IO[bytes]) -> bool:
    """Say whether a data set that came back, in our transfer syntax, has the content of ours."""
    syntax = UID(read_meta(item).transfer_syntax_uid)
    theirs.seek(0)
    try:
        source: IO[bytes] = theirs
        if syntax == DeflatedExplicitVRLittleEndian:
            source = io.BytesIO(zlib.decompress(theirs.read(_MOST), -zlib.MAX_WBITS))
        private = syntax.is_private
        other = read_dataset(
            cast("BinaryIO", source),
            is_implicit_VR=False if private else syntax.is_implicit_VR,
            is_little_endian=True if private else syntax.is_little_endian,
        )
    except UNREADABLE:
        return False
    return _same_as(item, other)


def _same_as(item: Outgoing, other: Dataset) -> bool:
    if item.size > _MOST:
        return False
    require_unchanged(item)
    try:
        return _same(dcmread(item.file), other)
    except UNREADABLE:
        return False


def _same(ours: Dataset, theirs: Dataset) -> bool:
    tags = _tags(ours)
    return tags == _tags(theirs) and all(_same_element(ours, theirs, tag) for tag in tags)


def _tags(ds: Dataset) -> list[BaseTag]:
    return [tag for tag in sorted(ds.keys()) if tag.element and tag != _TRAILING_PADDING]


def _same_element(ours: Dataset, theirs: Dataset, tag: BaseTag) -> bool:
    # Bytes first: asking for the element would decode its value.
    mine, other = ours.get_item(tag), theirs.get_item(tag)
    if mine.VR == other.VR and isinstance(mine.value, bytes) and mine.value == other.value:
        return True
    raw = (mine.value, other.value)
    vr, other_vr = ours[tag].VR, theirs[tag].VR
    if vr != other_vr and not {vr, other_vr} <= _BYTES_OF_PIXELS:
        return False
    if vr == "SQ":
        items, others = ours[tag].value, theirs[tag].value
        return len(items) == len(others) and all(map(_same, items, others))
    if all(isinstance(value, bytes | None) for value in raw):
        one, two = (value or b"" for value in raw)
        return one.rstrip(b"\0 ") == two.rstrip(b"\0 ") if vr in _PADDED else one == two
    return bool(ours[tag].value == theirs[tag].value)
