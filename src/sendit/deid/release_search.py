"""Look for what an original knows in one value of a result.

Each kind of value is searched in its own way: texts for persons, UIDs and what looks like an
identifier of anybody, codes and numbers for what is known, bytes for text among them.  When a
known word or number counts as a find is said in ``release_matching``.

In numbers and codes nothing can be cleaned without changing what they say, so a find there is
a ``NUMBER_HIT`` for a person to decide.
"""

import re
from collections.abc import Callable, Set
from dataclasses import dataclass

from sendit.deid.release_content import Key, tag_name, vr_of
from sendit.deid.release_known import STANDARD_UIDS, Known
from sendit.deid.release_matching import Matcher
from sendit.deid.release_patterns import (
    announced_day,
    is_very_old,
    likely_pattern,
    pattern_in_code,
    sure_pattern,
)
from sendit.deid.release_sources import (
    CODE_TEXTS,
    MAKERS,
    NO_SHORT,
    OUR_NAMES,
    OUR_WORDS,
    SCHEMES,
    Kind,
)
from sendit.deid.release_text import (
    INTEGER_CODES,
    NUMBER_VRS,
    TEXT_VRS,
    TIME_VRS,
    letters_among,
    readings,
    text_in,
)
from sendit.deid.release_vocabulary import is_body_part
from sendit.deid.release_words import INSIDE_LINK, LINK, MAIL, dates_in, squeeze, words_of
from sendit.dictionary import is_term
from sendit.errors import Unreadable
from sendit.terms import Reason

_UID_IN_TEXT = re.compile(rb"(?<!\d)\d+(?:\.\d+){3,}")
_TIME_SIGNS = re.compile(rb"[\d.:+\- \0\\]*\Z")
_WRITTEN_DATE = re.compile(rb"\d{1,4}[-./]\d{1,2}[-./]\d{2,4}")
_NUMBER_SIGNS = re.compile(rb"[\d.eE+\- \0\\]*\Z")
_LETTERS = re.compile(rb"[A-Za-z][ -~]{5}|(?:[A-Za-z]\0){4}|[ -~]{8}")
"""More letters in a row than binary numbers have by chance."""
_MANY_BYTES = 1 << 16
_MOST_LINES = 1 << 16
_MOST_TEXT = 1 << 20
_MOST_OF = {
    **dict.fromkeys(TEXT_VRS | TIME_VRS | {"CS", "UI", "AS"}, _MOST_TEXT),
    **dict.fromkeys(NUMBER_VRS, 8 * _MOST_TEXT),
}
"""Bytes of one value that are searched, by VR; contours of a structure are long."""
_SHORTEST_UID = 12
_DATE_DIGITS = 8
_BODY_PART, _CODE_MEANING = 0x00180015, 0x00080104


@dataclass(frozen=True, slots=True)
class Hit:
    """A find: by which rule, and whether it stands in a number or a code."""

    rule: str
    in_number: bool = False


class Searcher:
    """Searches values for what one :class:`Known` holds, but for the kinds that may stand."""

    def __init__(
        self,
        known: Known,
        *,
        allowed: Kind,
        keeps_uids: bool = False,
        kept_uids: Set[int] = frozenset(),
        keeps_dates: bool = False,
        vouched: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self._vouched = vouched
        self._matcher = Matcher(known, allowed=allowed)
        self._uids = set[bytes]() if keeps_uids else known.uids
        self._kept_uids = kept_uids
        self._dates = set[str]() if keeps_dates else known.dates
        self._keeps_dates = keeps_dates
        self.asked = False
        """Whether a UID or a date was looked for in the last value; each original knows more."""
        self._clean_lines: set[str] = set()

    def find(self, key: Key, value: bytes, charset: bytes) -> Hit | None:
        """Return what of the original still stands in one value, or None.

        Raises
        ------
        sendit.errors.Unreadable
            With ``TOO_LARGE``: to search such a text would take minutes.
        """
        self.asked = False
        if not value:
            return None
        tag, vr = key >> 16, vr_of(key)
        if tag in OUR_WORDS and OUR_WORDS[tag].fullmatch(value):
            return None
        if len(value) > _MOST_TEXT and len(value) > _MOST_OF.get(vr, len(value)):
            raise Unreadable(Reason.TOO_LARGE, f"{tag_name(tag)} has more text than is searched")
        if vr == "UI":
            return None if tag in self._kept_uids else self._in_uid(value)
        if vr == "AS":
            return Hit("age") if is_very_old(value) else None
        if tag in CODE_TEXTS or tag in SCHEMES or vr == "CS":
            if tag == _BODY_PART and is_body_part(squeeze(value.decode("latin-1"))):
                return None
            if vr == "CS" and (rule := pattern_in_code(value.decode("latin-1"))):
                return Hit(rule, in_number=True)
            hit = self._in_code(value, charset, in_value=tag not in SCHEMES)
            is_known_term = hit and tag == _CODE_MEANING and is_term(value.decode("latin-1"))
            return None if is_known_term else hit
        if vr in TEXT_VRS:
            return self._in_text(tag, vr, value, charset)
        if vr in NUMBER_VRS:
            if _NUMBER_SIGNS.match(value):
                return self._in_decimal(value) or self._date_in(value)
            return self._in_text(tag, vr, value, charset)
        if vr in TIME_VRS:
            if not _TIME_SIGNS.match(value):
                return self._in_text(tag, vr, value, charset)
            return self._date_in(value) if vr == "TM" else None
        if vr in INTEGER_CODES:
            if _LETTERS.search(value) and (hit := self._in_bytes(value)) is not None:
                return hit
            is_there = self._matcher.in_binary_numbers(vr, value)
            return Hit("known-identifier", in_number=True) if is_there else None
        if vr in ("OB", "OW") and (MAIL.search(text := text_in(value)) or LINK.search(text)):
            return Hit("pattern:mail")
        return self._in_bytes(value) or self._date_in(value[:_MANY_BYTES])

    def find_in_bytes(self, value: bytes) -> Hit | None:
        """Search bytes that are no element: a preamble, what follows the data set."""
        return self._in_bytes(value)

    def find_in_picture(self, value: bytes) -> Hit | None:
        """Search bytes of a compressed picture, in which a few letters stand by chance."""
        if self._matcher.has_raw(value):
            return Hit("known-identifier")
        return self._in_bytes(letters_among(value))

    def _date_in(self, value: bytes) -> Hit | None:
        """Search what is no text for a known date as people write it: with points or dashes."""
        if not _WRITTEN_DATE.search(value):
            return None
        return Hit("known-date") if self._knows_date(dates_in(text_in(value))) else None

    def _knows_date(self, dates: Set[str]) -> bool:
        self.asked |= bool(dates)
        return not self._dates.isdisjoint(dates)

    def _knows_uid(self, uid: bytes) -> bool:
        self.asked |= not uid.startswith(STANDARD_UIDS)
        return uid in self._uids

    def _in_uid(self, value: bytes) -> Hit | None:
        uids = (uid.strip(b" \0") for uid in value.split(b"\\"))
        return Hit("known-uid") if any(map(self._knows_uid, uids)) else None

    def _in_text(self, tag: int, vr: str, value: bytes, charset: bytes) -> Hit | None:
        if self._matcher.has_raw(value):
            return Hit("known-identifier")
        for text in readings(value, charset):
            if (hit := self._uid_in(text)) is not None:
                return hit
            if self._matcher.in_text(text, tag, vr):
                return Hit("known-identifier")
            if (hit := self._pattern_in(text, tag, vr)) is not None:
                return hit
            if self._matcher.has_short(text, tag):
                return Hit("known-identifier")
            if self._matcher.in_other_form(text):
                return Hit("known-identifier encoded")
        return None

    def _pattern_in(self, text: str, tag: int, vr: str) -> Hit | None:
        """Return the rule by which a text looks like an identifier whatever it says."""
        if tag in MAKERS and (MAIL.search(text) or INSIDE_LINK.search(text)):
            return Hit("pattern:mail" if MAIL.search(text) else "pattern:url")
        if tag in NO_SHORT:
            return None
        rule = sure_pattern(text)
        if rule is None and vr != "PN" and tag not in OUR_NAMES and not self._vouched(tag):
            rule = likely_pattern(text) or (None if self._keeps_dates else announced_day(text))
        return None if rule is None else Hit(rule)

    def _uid_in(self, text: str) -> Hit | None:
        for found in _UID_IN_TEXT.findall(text.encode("ascii", "replace")):
            while len(found) >= _SHORTEST_UID:
                if self._knows_uid(found):
                    return Hit("known-uid")
                found = found.rpartition(b".")[0]
        return None

    def _in_code(self, value: bytes, charset: bytes, *, in_value: bool = True) -> Hit | None:
        for text in readings(value, charset):
            for part in text.split("\\"):
                if self._matcher.in_code(part):
                    return Hit("known-identifier", in_number=True)
                if in_value and self._knows_date(dates_in(part)):
                    return Hit("known-date", in_number=True)
                if self._matcher.runs_together(words_of(part), part):
                    return Hit("known-identifier", in_number=True)
            if self._matcher.in_other_form(text):
                return Hit("known-identifier encoded", in_number=True)
        return None

    def _in_decimal(self, value: bytes) -> Hit | None:
        for part in value.decode("latin-1").split("\\"):
            whole = part.strip(" \0+-").partition(".")[0]
            if len(whole) == _DATE_DIGITS and self._knows_date({whole}):
                return Hit("known-date", in_number=True)
            if self._matcher.is_number(whole):
                return Hit("known-identifier", in_number=True)
        return None

    def _in_bytes(self, value: bytes) -> Hit | None:
        if self._matcher.has_raw(value):
            return Hit("known-identifier")
        if len(value) > _MANY_BYTES:
            return Hit("known-identifier") if self._matcher.in_bulk(value) else None
        text = text_in(value)
        if not text.strip():
            return None
        if (hit := self._uid_in(text)) is not None:
            return hit
        lines = set(text.split("\n")) - self._clean_lines
        if any(map(self._matcher.in_line, lines)) or any(map(self._matcher.in_other_form, lines)):
            return Hit("known-identifier")
        if len(self._clean_lines) > _MOST_LINES:
            self._clean_lines.clear()
        self._clean_lines |= lines
        return None
