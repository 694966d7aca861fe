"""What may stand in a result in the place of a value.

What the profile changes must be another value, or none that tells anything; what it does not
name must be the same (numbers, codes, geometry) or at least there (text).  All dates move by one
number of days, and each UID becomes one UID, in every result of the batch that may leave.  What
is gone altogether is left to ``release_losses``.

DICOM: PS3.15 E.1.1 (actions), E.3.6 (Retain Longitudinal Temporal Information).
"""

import datetime
import re
import struct
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import TypeAlias

from sendit.deid.release_content import Element, Key, tag_name, vr_of
from sendit.deid.release_sources import CLASS_UIDS
from sendit.deid.release_table import (
    FULL_DATES,
    MODIFIED_DATES,
    RETAIN_UIDS,
    Profile,
    place_of,
)
from sendit.deid.release_text import TEXT_VRS
from sendit.deid.release_vocabulary import DUMMIES
from sendit.deid.release_words import squeeze
from sendit.errors import Rejected
from sendit.terms import Reason

# They would tell the shift, so they go although device identity is kept.
DATES_OF_DEVICES = frozenset(
    (
        *(0x00181200, 0x00181201, 0x00181202, 0x00181203, 0x00181204, 0x00181205, 0x00181206),
        *(0x0014407E, 0x0018700C, 0x0018700E),
    )
)
NUMBER_VRS = frozenset(("AT", "UV", "SV", "DS", "IS", "FD", "FL", "US", "SS", "UL", "SL"))
_WITHOUT_WORDS = NUMBER_VRS | {"TM", "CS", "AS", "OB", "OW", "UN"}
_REMOVED = b"REMOVED"
_LEAST_TELLING = 4
_NUMBERS_OF_ITEMS = frozenset((0x0040A30A, 0x0040A161))
_TEXT_VALUE = 0x0040A160
_NO_DATE = b"19000101"
"""What stands where a date had to go and could not be missing."""
_UIDS_OF_CODES = frozenset((0x0008010C, 0x0008010D, 0x00080117, 0x00080118))
"""A site's own coding schemes and context groups have UIDs that may change."""
_TIME = rb" *(?:\d{2}(?::?\d{2}(?::?\d{2}(?:\.\d{0,6})?)?)?)?[ \0]*"
_NUMBER = rb" *[+-]?\d*\.?\d*(?:[eE][+-]?\d+)?[ \0]*"
_TIMES = re.compile(_TIME + rb"(?:\\" + _TIME + rb")*")
_NUMBERS = re.compile(_NUMBER + rb"(?:\\" + _NUMBER + rb")*")
_DOUBLE = 8
_BLANK = ord(" ")
_AGE_OF_90 = {b"%d" % (90 * one): one for one in (1, 12, 52, 365, 365 * 24, 365 * 24 * 60)}
"""How many years, months, weeks, days, hours or minutes are 90 years; and how many one is."""

Pair: TypeAlias = tuple[Element, Element]
"""What stood at a place, and what does now."""
Pairs: TypeAlias = dict[Pair, int | None]
"""By how many days a date was moved; None: it is none."""


@dataclass(slots=True)
class Movement:
    """What the result of one file shows about dates and UIDs."""

    days: int | None = None
    uids: dict[bytes, bytes] = field(default_factory=dict, repr=False)
    """New UIDs by old ones."""
    olds: dict[bytes, bytes] = field(default_factory=dict, repr=False)
    """Old UIDs by new ones."""
    judged: list[tuple[Pairs, Pair]] = field(default_factory=list, repr=False)
    """Changed UIDs that need not be looked at again once that the result may leave."""

    def add(self, days: int | None, path: str, tag: int) -> None:
        """Refuse when a date moved by another number of days than those before."""
        if self.days is None:
            self.days = days
        elif days is not None and days != self.days:
            raise Rejected(Reason.VALUE_LOST, f"{path}{tag_name(tag)} interval changed")


class Changes:
    """Judges what stayed and what became another value, under one profile.

    Parameters
    ----------
    touched
        Attributes that may stay or change whatever they are.
    by_value
        Those of which a site may take away single values; None: of none.
    """

    def __init__(self, profile: Profile, *, touched: Set[int], by_value: Set[int] | None) -> None:
        self._profile = profile
        self._touched = touched
        self._by_value = by_value
        # What UIDs became in results that may leave, and what they were.
        self._uids: dict[bytes, bytes] = {}
        self._olds: dict[bytes, bytes] = {}

    def check_staying(self, element: Element, path: str) -> None:
        """Refuse when a value stayed that the profile changes, and that tells something."""
        key, value = element
        tag = key >> 16
        if tag in self._touched or not self._profile.must_change(key) or not _tells(key, value):
            return
        raise Rejected(Reason.IDENTIFIER_LEFT, f"{path}{tag_name(tag)} unchanged")

    def check(self, pair: Pair, path: str, types: Mapping[str, str], moved: Movement) -> int | None:
        """Return by how many days a date was moved; None: it was not, or is none.

        ``types`` are those of the IOD; what became of UIDs is added to ``moved``.
        """
        (key, value), now = pair
        tag, vr = key >> 16, vr_of(now[0])
        old, new = value.strip(b" \0"), now[1].strip(b" \0")
        if old == new:
            self.check_staying((now[0], value), path)
            return None
        if tag in self._touched or tag & 0xFFFF == 0:
            return None
        if vr in ("DA", "DT") and self._has_to_go(tag) and not _is_no_date(new):
            raise Rejected(Reason.IDENTIFIER_LEFT, f"{path}{tag_name(tag)} moved")
        by_value = self._by_value is not None and tag in self._by_value
        filled = ("1",) if by_value else ("1", "1C")
        if not new and (tag == _TEXT_VALUE or types.get(place_of(path, tag)) in filled):
            raise Rejected(Reason.IOD_BROKEN, f"{path}{tag_name(tag)} emptied")
        if by_value or (tag in _NUMBERS_OF_ITEMS and _is_capped_age(value, now[1])):
            return None
        action = self._profile.action(tag)
        if tag in _UIDS_OF_CODES:
            return None
        if vr == "UI" and tag not in CLASS_UIDS and RETAIN_UIDS not in self._profile.options:
            self._check_uids(old, new, path, tag, moved)
            return None
        if vr in ("DA", "DT") and action in ("C", ""):
            return self._check_dates(old, new, path, tag)
        cleanable = vr in TEXT_VRS or vr in ("CS", "AS") or "UN" in (vr, vr_of(key))
        if action in ("", "K", "C") and is_cleared(vr, value, now[1]):
            return None
        if action in ("", "K") and not cleanable:
            raise Rejected(Reason.VALUE_LOST, f"{path}{tag_name(tag)} changed")
        return None

    def keep(self, moved: Movement) -> None:
        """Hold the results to come to what UIDs became in one that may leave."""
        self._uids.update(moved.uids)
        self._olds.update(moved.olds)

    def _has_to_go(self, tag: int) -> bool:
        """Return whether a date goes and is not moved: it tells who, or by how much others are."""
        if tag in DATES_OF_DEVICES:
            return FULL_DATES not in self._profile.options
        return self._profile.action(tag) not in ("", "K", "C")

    def _check_uids(self, old: bytes, new: bytes, path: str, tag: int, moved: Movement) -> None:
        before, after = old.split(b"\\"), new.split(b"\\")
        if len(before) != len(after):
            return
        for one, other in zip(before, after, strict=True):
            one, other = one.strip(b" \0"), other.strip(b" \0")
            if not one or not other or one == other:
                continue
            if self._uids.get(one, moved.uids.setdefault(one, other)) != other:
                raise Rejected(Reason.VALUE_LOST, f"{path}{tag_name(tag)} reference broken")
            if self._olds.get(other, moved.olds.setdefault(other, one)) != one:
                raise Rejected(Reason.VALUE_LOST, f"{path}{tag_name(tag)} reference shared")

    def _check_dates(self, old: bytes, new: bytes, path: str, tag: int) -> int | None:
        moved = Movement()
        if MODIFIED_DATES not in self._profile.options:
            return None
        for one, other in zip(old.split(b"\\"), new.split(b"\\"), strict=False):
            before, after = _date(one), _date(other)
            if before is None or after is None or other.startswith(_NO_DATE):
                continue
            days = (after - before).days
            if days == 0:
                raise Rejected(Reason.IDENTIFIER_LEFT, f"{path}{tag_name(tag)} unchanged")
            moved.add(days, path, tag)
        return moved.days


def is_cleared(vr: str, old: bytes, new: bytes) -> bool:
    """Return whether a time or number that was none is gone, or letters in bytes are blanks."""
    if vr in ("TM", "DS", "IS"):
        shape = _TIMES if vr == "TM" else _NUMBERS
        return shape.fullmatch(old) is None and not new.strip(b" \0").strip(b"0")
    return (
        vr in ("OB", "OW")
        and len(old) == len(new)
        and all(b in (a, _BLANK) for a, b in zip(old, new, strict=True))
    )


def _tells(key: Key, value: bytes) -> bool:
    """Return whether a value says something about somebody, and is no dummy."""
    plain = value.strip(b" \0")
    vr = vr_of(key)
    if vr == "UI":
        return (
            key >> 16 not in CLASS_UIDS and not plain.startswith(b"1.2.840.10008.") and bool(plain)
        )
    if vr in ("DA", "DT"):
        return _date(plain) is not None and not _is_no_date(plain)
    if vr in _WITHOUT_WORDS:
        return bool(plain.strip(b"0.:+- \\YMWD")) and plain != _REMOVED
    word = squeeze(plain.decode("latin-1"))
    return len(word) >= _LEAST_TELLING and word not in DUMMIES and not word.isdigit()


def _is_no_date(value: bytes) -> bool:
    """Return whether a date says nothing: empty, or what stands where one had to go."""
    return all(not one.strip(b" \0") or one.startswith(_NO_DATE) for one in value.split(b"\\"))


def _date(value: bytes) -> datetime.date | None:
    text = value.strip(b" \0")[:8]
    if len(text) < 8 or not text.isdigit():
        return None
    try:
        return datetime.date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None


def _is_capped_age(old: bytes, new: bytes) -> bool:
    """Return whether a number of a report may be an age over 89 that was made 90."""
    if len(new) == len(old) == _DOUBLE:
        old, new = (b"%g" % struct.unpack("<d", one)[0] for one in (old, new))
    a_year = _AGE_OF_90.get(new.strip(b" "))
    if a_year is None or not old.strip(b" ").replace(b".", b"", 1).isdigit():
        return False
    return 89 < float(old) / a_year < 130
