"""What every result must be, whatever its original was: frame, markers, private elements.

The frame is what surrounds the data set: an empty preamble, a File Meta Information with no
more than its own elements and the UIDs of the data set, and nothing behind the last element.
The markers say that and how the instance was de-identified.

DICOM: PS3.10 7.1, PS3.15 E.1.1 and E.2 (codes of CID 7050), PS3.5 7.8 (private elements).
"""

from collections.abc import Set
from typing import TypeAlias

from sendit.deid.release_content import Content, Key, Level, creator_tag, tag_name, vr_of
from sendit.deid.release_table import (
    BASIC_PROFILE,
    CLEAN_GRAPHICS,
    CLEAN_PIXELS,
    CODE_OF_OPTION,
    FULL_DATES,
    MODIFIED_DATES,
    OPTION_OF_CODE,
    SAFE_PRIVATE,
    safe_private,
)
from sendit.errors import Rejected
from sendit.terms import Reason

_META = frozenset((0x00020000, 0x00020001, 0x00020002, 0x00020003, 0x00020010, 0x00020012))
_META_OPTIONAL = frozenset((0x00020013,))
_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018
_REMOVED, _METHOD, _METHOD_CODES = 0x00120062, 0x00120063, 0x00120064
_BURNED_IN, _TEMPORAL = 0x00280301, 0x00280303
_CODE_VALUE = 0x00080100
_ODD_GROUP = 1 << 32
_NO_CREATOR = _ODD_GROUP | 0xFF00 << 16

PrivateElement: TypeAlias = tuple[int, str, int]
"""Group, creator, and last byte of the element."""
PrivateSign: TypeAlias = tuple[tuple[Key, ...], tuple[tuple[Key, bytes], ...]]
"""The keys of the private elements of one level, and its private creators."""


def check_frame(content: Content) -> None:
    """Refuse a file whose surroundings hold anything of their own.

    Raises
    ------
    sendit.errors.Rejected
        With ``IOD_BROKEN`` or ``IDENTIFIER_LEFT``.
    """
    if content.problem or not content.has_prefix or content.mislabelled:
        raise Rejected(Reason.IOD_BROKEN, "not a readable data set")
    if content.preamble.strip(b"\0"):
        raise Rejected(Reason.IDENTIFIER_LEFT, "preamble")
    if content.rest:
        raise Rejected(Reason.IDENTIFIER_LEFT, "bytes behind the data set")
    for key, _ in content.level.leaves[-1:] + content.level.sequences[-1:]:
        if key >> 32 in (0xFFFA, 0xFFFC):
            raise Rejected(Reason.IDENTIFIER_LEFT, tag_name(key >> 16))
    meta = {key >> 16: value.strip(b" \0") for key, value in content.meta}
    for tag in meta.keys() - _META - _META_OPTIONAL:
        raise Rejected(Reason.IDENTIFIER_LEFT, tag_name(tag))
    for meta_tag, tag in ((0x00020002, _SOP_CLASS), (0x00020003, _SOP_INSTANCE)):
        if not meta.get(meta_tag) or meta[meta_tag] != content.level.value(tag):
            raise Rejected(Reason.IOD_BROKEN, tag_name(meta_tag))


def options_of(content: Content) -> frozenset[str]:
    """Return the options that a result says it was made with."""
    return frozenset(OPTION_OF_CODE[code] for code in _codes(content) if code in OPTION_OF_CODE)


def check_markers(content: Content, original: Content | None, options: frozenset[str]) -> None:
    """Refuse a result that does not say what it is.

    Raises
    ------
    sendit.errors.Rejected
        With ``MARKERS_MISSING`` and the tag.
    """
    value = content.level.value
    if value(_REMOVED) != b"YES":
        raise Rejected(Reason.MARKERS_MISSING, tag_name(_REMOVED))
    codes = _codes(content)
    wanted = {BASIC_PROFILE, *(CODE_OF_OPTION[one] for one in options if one in CODE_OF_OPTION)}
    if not value(_METHOD) or not wanted <= codes:
        raise Rejected(Reason.MARKERS_MISSING, tag_name(_METHOD_CODES))
    temporal = b"REMOVED"
    if FULL_DATES in options:
        temporal = b"UNMODIFIED"
    elif MODIFIED_DATES in options:
        temporal = b"MODIFIED"
    if value(_TEMPORAL) != temporal:
        raise Rejected(Reason.MARKERS_MISSING, tag_name(_TEMPORAL))
    said_before = original.level.value(_BURNED_IN) if original is not None else b"NO"
    if value(_BURNED_IN) == b"NO" != said_before.upper() and CLEAN_PIXELS not in options:
        raise Rejected(Reason.MARKERS_MISSING, tag_name(_BURNED_IN))


def private_sign(level: Level) -> PrivateSign | None:
    """Return what a judgement about the private elements of a level rests on; None: nothing."""
    keys = [key for key, _ in level.odd()]
    keys += [key for key, _ in level.sequences if key & _ODD_GROUP]
    if not keys:
        return None
    return tuple(sorted(keys)), tuple(
        leaf for leaf in level.odd() if leaf[0] & _NO_CREATOR == _ODD_GROUP
    )


def check_private(
    level: Level, options: frozenset[str], allowed: Set[PrivateElement], path: str = ""
) -> None:
    """Refuse private elements that nobody vouches for, and overlays, at one level.

    Raises
    ------
    sendit.errors.Rejected
        With ``IDENTIFIER_LEFT`` and the tag.
    """
    sign = private_sign(level)
    if sign is None:
        return
    creators = level.creators()
    for key in sign[0]:
        tag = key >> 16
        if not _vouched_for(tag, creators, options, allowed):
            raise Rejected(Reason.IDENTIFIER_LEFT, f"{path}{tag_name(tag)} {vr_of(key)}")


def _vouched_for(
    tag: int, creators: dict[int, str], options: frozenset[str], allowed: Set[PrivateElement]
) -> bool:
    group, element = tag >> 16, tag & 0xFFFF
    if not group & 1:
        return CLEAN_GRAPHICS in options
    if tag in creators:
        return SAFE_PRIVATE in options or any(one[:2] == (group, creators[tag]) for one in allowed)
    creator = creators.get(creator_tag(tag))
    if creator is None:
        return False
    row = (group, creator, element & 0xFF)
    return row in allowed or (SAFE_PRIVATE in options and row in safe_private())


def _codes(content: Content) -> set[str]:
    return {
        value.decode("latin-1").strip(" \0")
        for key, items in content.level.sequences
        if key >> 16 == _METHOD_CODES
        for item in items
        for leaf, value in item.leaves
        if leaf >> 16 == _CODE_VALUE
    }
