"""Compare a result with its original: what had to change did, what may not change did not.

Attribute by attribute, by path: a value that the profile changes must be another one; a value
that the profile does not name must be the same (numbers, codes, geometry, item counts) or at
least there (text); what the IOD requires must not be emptied or lost; all dates moved by one
number of days; each UID of the original became one UID, everywhere.

Values that stand unchanged in slice after slice are judged once: sets of elements are
subtracted from each other, and only what is new is looked at.
"""

import datetime
import re
import struct
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TypeAlias

from sendit.deid.release_content import Creators, Element, Key, Level, creator_tag, tag_name, vr_of
from sendit.deid.release_known import MOST_HELD_BYTES, OVERHEAD
from sendit.deid.release_looked import Looked
from sendit.deid.release_sources import CLASS_UIDS
from sendit.deid.release_table import (
    FULL_DATES,
    MODIFIED_DATES,
    RETAIN_UIDS,
    SAFE_PRIVATE,
    Profile,
    removed_beyond_table,
    required_types,
    safe_private,
)
from sendit.deid.release_text import TEXT_VRS, letters_among
from sendit.deid.release_vocabulary import DUMMIES
from sendit.deid.release_words import squeeze
from sendit.dictionary import ATTRIBUTES
from sendit.errors import Rejected
from sendit.terms import Reason

_OURS = frozenset((0x00080005, 0x00120062, 0x00120063, 0x00120064, 0x00280301, 0x00280303))
_OF_PIXELS = frozenset(
    (
        *(0x00280002, 0x00280004, 0x00280006, 0x00280034, 0x00280106, 0x00280107),
        *(0x00280108, 0x00280109, 0x00282110, 0x00282112, 0x00282114),
    )
)
_FIRST_GROUP = 0x0008
"""What stands before it belongs to messages, file headers and directories, not to an object."""
_SIGNATURES = frozenset((0xFFFAFFFA, 0xFFFCFFFC, 0x4FFE0001))
_DATES_OF_USE = frozenset(
    (0x00080020, 0x00080021, 0x00080022, 0x00080023, 0x0008002A, 0x00181078, 0x00080031)
)
# They would tell the shift, so they go although device identity is kept.
_DATES_OF_DEVICES = frozenset(
    (
        *(0x00181200, 0x00181201, 0x00181202, 0x00181203, 0x00181204, 0x00181205, 0x00181206),
        *(0x0014407E, 0x0018700C, 0x0018700E),
    )
)
_NUMBER_VRS = frozenset(("AT", "UV", "SV", "DS", "IS", "FD", "FL", "US", "SS", "UL", "SL"))
_WITHOUT_WORDS = _NUMBER_VRS | {"TM", "CS", "AS", "OB", "OW", "UN"}
_REMOVED = b"REMOVED"
_LEAST_TELLING = 4
_NUMBERS_OF_ITEMS = frozenset((0x0040A30A, 0x0040A161))
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
_TEXT_VALUE = 0x0040A160


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


@dataclass(slots=True)
class _Judged:
    """Elements at one path that were judged before."""

    may_stay: Looked = field(default_factory=Looked, repr=False)
    may_go: Looked = field(default_factory=Looked, repr=False)
    gone: set[int] = field(default_factory=set)
    """The tags of what went from one file or another."""
    may_become: Pairs = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class _Iod:
    """What objects of one SOP Class must have, and what was judged in them."""

    types: dict[str, str]
    judged: dict[tuple[str, Creators], _Judged] = field(
        default_factory=lambda: defaultdict(_Judged), repr=False
    )
    """By path and private creators."""


class Comparison:
    """Compares the files of one batch, one pair after another."""

    def __init__(
        self,
        profile: Profile,
        *,
        touched: Set[int],
        by_value: Set[int] | None = None,
        pixels_changed: bool,
        any_shift: bool = True,
    ) -> None:
        self._profile = profile
        self._by_value = by_value
        self._touched = touched | _OURS | (_OF_PIXELS if pixels_changed else frozenset())
        self._iods: dict[str, _Iod] = {}
        self._held_bytes = 0
        # What UIDs became in results that may leave, and what they were.
        self._uids: dict[bytes, bytes] = {}
        self._olds: dict[bytes, bytes] = {}
        self._any_shift = any_shift

    def compare(self, original: Level, result: Level, *, sop_class: str) -> Movement:
        """Refuse what changed and may not, and what stayed and may not.

        Raises
        ------
        sendit.errors.Rejected
            With ``IDENTIFIER_LEFT``, ``VALUE_LOST`` or ``IOD_BROKEN``.
        """
        if self._held_bytes > MOST_HELD_BYTES:
            self._iods.clear()
            self._held_bytes = 0
        iod = self._iods.get(sop_class)
        if iod is None:
            iod = self._iods[sop_class] = _Iod(required_types(sop_class))
        movement = Movement()
        self._level(original, result, "", iod, movement)
        return movement

    def keep(self, movement: Movement) -> None:
        """Hold the results to come to what UIDs became in one that may leave."""
        self._uids.update(movement.uids)
        self._olds.update(movement.olds)
        for pairs, pair in movement.judged:
            pairs[pair] = None
            self._held_bytes += _cost(pair)

    def _level(self, original: Level, result: Level, path: str, iod: _Iod, moved: Movement) -> None:
        types, judged = iod.types, iod.judged[path, original.creators_set()]
        # In the order of tags: what is found first must not depend on how a set is laid out.
        for element in sorted(judged.may_stay.new_in(result) & original.elements()):
            self._check_staying(element, path)
            judged.may_stay.add(element)
            self._held_bytes += OVERHEAD + len(element[1])
        by_tag = result.by_tag()
        new = judged.may_go.new_in(original)
        if not judged.gone.isdisjoint(by_tag):
            # What went from one file may stand in another, and be another value there.
            there = judged.gone & by_tag.keys()
            new |= {leaf for leaf in original.leaves if leaf[0] >> 16 in there}
        changed = sorted(new - result.elements())
        if changed:
            if SAFE_PRIVATE in self._profile.options:
                self._check_safe_private(changed, original, by_tag, path)
            for key, value in changed:
                now = by_tag.get(key >> 16)
                if now is None and self._may_go(key, value, path, types):
                    judged.may_go.add((key, value))
                    judged.gone.add(key >> 16)
                    self._held_bytes += OVERHEAD + len(value)
                elif now is None:
                    self._refuse_loss(key, path, types)
                else:
                    pair = (key, value), now
                    if pair in judged.may_become:
                        days = judged.may_become[pair]
                    else:
                        days = self._check_changed(key, value, now, path, types, moved)
                        if vr_of(now[0]) == "UI":
                            moved.judged.append((judged.may_become, pair))
                        else:
                            judged.may_become[pair] = days
                            self._held_bytes += _cost(pair)
                    moved.add(days, path, key >> 16)
        if original.sequences:
            self._sequences(original, result, path, iod, moved)

    def _check_staying(self, element: tuple[Key, bytes], path: str) -> None:
        key, value = element
        tag = key >> 16
        if tag in self._touched or not self._profile.must_change(key) or not _tells(key, value):
            return
        raise Rejected(Reason.IDENTIFIER_LEFT, f"{path}{tag_name(tag)} unchanged")

    def _check_safe_private(
        self,
        changed: Sequence[Element],
        original: Level,
        by_tag: Mapping[int, tuple[Key, bytes]],
        path: str,
    ) -> None:
        """Refuse when a number of a safe private element is lost: diffusion, PET, timing."""
        keys = [one for one in changed if one[0] >> 32 & 1 and vr_of(one[0]) in _NUMBER_VRS]
        creators = original.creators() if keys else {}
        for key, value in keys:
            tag = key >> 16
            row = (tag >> 16, creators.get(creator_tag(tag), ""), tag & 0xFF)
            if row not in safe_private() or tag in self._touched or not value.strip(b" \0"):
                continue
            now = by_tag.get(tag)
            if self._by_value is not None and now != (key, value):
                continue
            if now is not None and _is_cleared(vr_of(key), value, now[1]):
                continue
            if now is None and _is_lettered(vr_of(key), value):
                continue
            if now is None or now[1].strip(b" \0") != value.strip(b" \0"):
                raise Rejected(Reason.VALUE_LOST, f"{path}{tag_name(tag)} private")

    def _may_go(self, key: Key, value: bytes, path: str, types: dict[str, str]) -> bool:
        tag = key >> 16
        if tag >> 16 & 1 or tag & 0xFFFF == 0 or tag in self._touched or tag in _SIGNATURES:
            return True
        if tag >> 24 in (0x50, 0x60) or tag >> 16 < _FIRST_GROUP or tag in removed_beyond_table():
            return True
        kind = types.get(_plain(path, tag), "3")
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
            return tag in _DATES_OF_DEVICES or not value.strip(b" \0")
        return tag not in _DATES_OF_USE or action != "C" or not value.strip(b" \0")

    def _refuse_loss(self, key: Key, path: str, types: dict[str, str]) -> None:
        tag = key >> 16
        broken = types.get(_plain(path, tag), "3")[0] in "12"
        reason = Reason.IOD_BROKEN if broken else Reason.VALUE_LOST
        raise Rejected(reason, f"{path}{tag_name(tag)} missing")

    def _check_changed(
        self,
        key: Key,
        value: bytes,
        now: tuple[Key, bytes],
        path: str,
        types: dict[str, str],
        moved: Movement,
    ) -> int | None:
        """Return by how many days a date was moved; None: it was not, or is none."""
        tag, vr = key >> 16, vr_of(now[0])
        old, new = value.strip(b" \0"), now[1].strip(b" \0")
        if old == new:
            self._check_staying((now[0], value), path)
            return None
        if tag in self._touched or tag & 0xFFFF == 0:
            return None
        if vr in ("DA", "DT") and self._has_to_go(tag) and not _is_no_date(new):
            raise Rejected(Reason.IDENTIFIER_LEFT, f"{path}{tag_name(tag)} moved")
        by_value = self._by_value is not None and tag in self._by_value
        filled = ("1",) if by_value else ("1", "1C")
        if not new and (tag == _TEXT_VALUE or types.get(_plain(path, tag)) in filled):
            raise Rejected(Reason.IOD_BROKEN, f"{path}{tag_name(tag)} emptied")
        if by_value or (tag in _NUMBERS_OF_ITEMS and _is_capped_age(value, now[1])):
            return None
        action = self._profile.action(tag)
        if tag in _UIDS_OF_CODES:
            return None
        if vr == "UI" and tag not in CLASS_UIDS and RETAIN_UIDS not in self._profile.options:
            self._check_uids(old, new, path, tag, moved)
            return None
        if vr in ("DA", "DT") and action in ("C", "") and self._any_shift:
            return self._check_dates(old, new, path, tag)
        cleanable = vr in TEXT_VRS or vr in ("CS", "AS") or "UN" in (vr, vr_of(key))
        if action in ("", "K", "C") and _is_cleared(vr, value, now[1]):
            return None
        if action in ("", "K") and not cleanable:
            raise Rejected(Reason.VALUE_LOST, f"{path}{tag_name(tag)} changed")
        return None

    def _has_to_go(self, tag: int) -> bool:
        """Return whether a date goes and is not moved: it tells who, or by how much others are."""
        if tag in _DATES_OF_DEVICES:
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

    def _sequences(
        self, original: Level, result: Level, path: str, iod: _Iod, moved: Movement
    ) -> None:
        types = iod.types
        by_tag = {key >> 16: items for key, items in result.sequences}
        for key, items in original.sequences:
            tag = key >> 16
            now = by_tag.get(tag)
            action = self._profile.action(tag)
            if now and self._stays_whole(tag, action, path, types):
                raise Rejected(Reason.IDENTIFIER_LEFT, f"{path}{tag_name(tag)} unchanged")
            if now is None or (not now and items):
                self._check_lost_sequence(tag, items, action, path, types)
            elif len(now) != len(items):
                if action in ("", "K", "C") and not tag >> 16 & 1 and tag not in self._touched:
                    raise Rejected(Reason.VALUE_LOST, f"{path}{tag_name(tag)} items")
            else:
                deeper = f"{path}{tag_name(tag)}/"
                for one, other in zip(items, now, strict=True):
                    self._level(one, other, deeper, iod, moved)

    def _stays_whole(self, tag: int, action: str, path: str, types: dict[str, str]) -> bool:
        """Return whether a sequence that has to go is there, though no IOD wants it."""
        wanted = types.get(_plain(path, tag), "3")[0] in "12"
        return action == "X" and not wanted and tag not in self._touched

    def _check_lost_sequence(
        self, tag: int, items: list[Level], action: str, path: str, types: dict[str, str]
    ) -> None:
        if tag >> 16 & 1 or tag in self._touched or tag in _SIGNATURES or not items:
            return
        if tag >> 16 < _FIRST_GROUP:
            return
        if types.get(_plain(path, tag)) in ("1", "1C"):
            raise Rejected(Reason.IOD_BROKEN, f"{path}{tag_name(tag)} missing")
        if action in ("", "K") and tag in ATTRIBUTES:
            raise Rejected(Reason.VALUE_LOST, f"{path}{tag_name(tag)} missing")


def _cost(pair: Pair) -> int:
    """Return how many bytes it takes to remember what one value became."""
    return OVERHEAD + sum(len(value) for _, value in pair)


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


def _is_cleared(vr: str, old: bytes, new: bytes) -> bool:
    """Return whether a time or number that was none is gone, or letters in bytes are blanks."""
    if vr in ("TM", "DS", "IS"):
        shape = _TIMES if vr == "TM" else _NUMBERS
        return shape.fullmatch(old) is None and not new.strip(b" \0").strip(b"0")
    return (
        vr in ("OB", "OW")
        and len(old) == len(new)
        and all(b in (a, _BLANK) for a, b in zip(old, new, strict=True))
    )


def _is_lettered(vr: str, value: bytes) -> bool:
    """Return whether a binary number is a text, or has one in it."""
    if vr in ("DS", "IS") or len(value) < _LEAST_TELLING:
        return False
    if letters_among(value):
        return True
    try:
        return value.rstrip(b" \0").decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False


def _is_no_date(value: bytes) -> bool:
    """Return whether a date says nothing: empty, or what stands where one had to go."""
    return all(not one.strip(b" \0") or one.startswith(_NO_DATE) for one in value.split(b"\\"))


def _plain(path: str, tag: int) -> str:
    """Return a path as the table of types writes it."""
    return path.translate(_BARE) + f"{tag:08X}"


_BARE = str.maketrans("", "", "(),")


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
