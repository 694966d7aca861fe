"""What a result may lack of its original.

Attributes and sequences that the profile takes away may be gone, and those that nobody has to
know.  What the IOD requires, what the profile keeps, and the numbers of safe private elements
may not.  What stands in the place of a value is left to ``release_changes``.

DICOM: PS3.3 (Types of attributes), PS3.15 E.3.10 (Retain Safe Private).
"""

from collections.abc import Mapping, Sequence, Set
from typing import NoReturn

from sendit.deid.release_changes import DATES_OF_DEVICES, NUMBER_VRS, is_cleared
from sendit.deid.release_content import Element, Key, Level, creator_tag, tag_name, vr_of
from sendit.deid.release_table import (
    SAFE_PRIVATE,
    Profile,
    place_of,
    removed_beyond_table,
    safe_private,
)
from sendit.deid.release_text import letters_among
from sendit.dictionary import ATTRIBUTES
from sendit.errors import Rejected
from sendit.terms import Reason

_FIRST_GROUP = 0x0008
"""What stands before it belongs to messages, file headers and directories, not to an object."""
_SIGNATURES = frozenset((0xFFFAFFFA, 0xFFFCFFFC, 0x4FFE0001))
_DATES_OF_USE = frozenset(
    (0x00080020, 0x00080021, 0x00080022, 0x00080023, 0x0008002A, 0x00181078, 0x00080031)
)
_LEAST_LETTERED = 4


class Losses:
    """Judges what is gone, under one profile.

    Parameters
    ----------
    touched
        Attributes that may be gone whatever they are.
    by_value
        Those of which a site may take away single values; None: of none.
    """

    def __init__(self, profile: Profile, *, touched: Set[int], by_value: Set[int] | None) -> None:
        self._profile = profile
        self._touched = touched
        self._by_value = by_value

    def may_go(self, key: Key, value: bytes, path: str, types: Mapping[str, str]) -> bool:
        """Return whether an attribute may be gone; ``types`` are those of the IOD."""
        tag = key >> 16
        if tag >> 16 & 1 or tag & 0xFFFF == 0 or tag in self._touched or tag in _SIGNATURES:
            return True
        if tag >> 24 in (0x50, 0x60) or tag >> 16 < _FIRST_GROUP or tag in removed_beyond_table():
            return True
        kind = types.get(place_of(path, tag), "3")
        if kind in ("1", "2"):
            return False
        if self._by_value is not None and tag in self._by_value:
            return True
        if kind in ("1C", "2C") and value.strip(b" \0"):
            return False
        action = self._profile.action(tag)
        if action == "":
            return not value.strip(b" \0") or tag not in ATTRIBUTES or vr_of(key) == "UN"
        if action == "K":
            return tag in DATES_OF_DEVICES or not value.strip(b" \0")
        return tag not in _DATES_OF_USE or action != "C" or not value.strip(b" \0")

    def refuse(self, key: Key, path: str, types: Mapping[str, str]) -> NoReturn:
        """Refuse the result, since an attribute is gone that may not be."""
        tag = key >> 16
        broken = types.get(place_of(path, tag), "3")[0] in "12"
        reason = Reason.IOD_BROKEN if broken else Reason.VALUE_LOST
        raise Rejected(reason, f"{path}{tag_name(tag)} missing")

    def check_private(
        self,
        changed: Sequence[Element],
        original: Level,
        by_tag: Mapping[int, Element],
        path: str,
    ) -> None:
        """Refuse when a number of a safe private element is lost: diffusion, PET, timing."""
        if SAFE_PRIVATE not in self._profile.options:
            return
        keys = [one for one in changed if one[0] >> 32 & 1 and vr_of(one[0]) in NUMBER_VRS]
        creators = original.creators() if keys else {}
        for key, value in keys:
            tag = key >> 16
            row = (tag >> 16, creators.get(creator_tag(tag), ""), tag & 0xFF)
            if row not in safe_private() or tag in self._touched or not value.strip(b" \0"):
                continue
            now = by_tag.get(tag)
            if self._by_value is not None and now != (key, value):
                continue
            if now is not None and is_cleared(vr_of(key), value, now[1]):
                continue
            if now is None and _is_lettered(vr_of(key), value):
                continue
            if now is None or now[1].strip(b" \0") != value.strip(b" \0"):
                raise Rejected(Reason.VALUE_LOST, f"{path}{tag_name(tag)} private")

    def check_sequence(
        self, tag: int, items: Sequence[Level], path: str, types: Mapping[str, str]
    ) -> None:
        """Refuse when the items of a sequence are gone that may not be."""
        if tag >> 16 & 1 or tag in self._touched or tag in _SIGNATURES or not items:
            return
        if tag >> 16 < _FIRST_GROUP:
            return
        if types.get(place_of(path, tag)) in ("1", "1C"):
            raise Rejected(Reason.IOD_BROKEN, f"{path}{tag_name(tag)} missing")
        if self._profile.action(tag) in ("", "K") and tag in ATTRIBUTES:
            raise Rejected(Reason.VALUE_LOST, f"{path}{tag_name(tag)} missing")


def _is_lettered(vr: str, value: bytes) -> bool:
    """Return whether a binary number is a text, or has one in it."""
    if vr in ("DS", "IS") or len(value) < _LEAST_LETTERED:
        return False
    if letters_among(value):
        return True
    try:
        return value.rstrip(b" \0").decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False
