"""Look for what an original knows in one value of a result.

Words are compared in folded form: a known word counts where it stands as a word or as
neighbouring words, a long one also among other letters, a number of five digits or more also
across the signs that group digits.  A name that is also a word of the field (Head, Long, May)
counts beside another part of the name, after a title, and as a whole person name; elsewhere
it is taken for the word.  Short numbers of the patient count as a word of a text only.

In numbers and codes nothing can be cleaned without changing what they say, so a find there is
a ``NUMBER_HIT`` for a person to decide.
"""

import re
from collections.abc import Callable, Set
from dataclasses import dataclass

from sendit.deid.release_content import Key, tag_name, vr_of
from sendit.deid.release_encoded import unescaped, unpacked
from sendit.deid.release_known import STANDARD_UIDS, Known
from sendit.deid.release_patterns import is_very_old, likely_pattern, pattern_in_code, sure_pattern
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
    numbers_in,
    readings,
    text_in,
)
from sendit.deid.release_vocabulary import (
    is_body_part,
    is_clinical,
    is_clinical_term,
    is_common,
    is_made_of_field_words,
    is_only_unit,
    protects,
    stands_as_eponym,
)
from sendit.deid.release_words import (
    INSIDE_LINK,
    LINK,
    MAIL,
    MISTER,
    TITLES,
    dates_in,
    digit_runs,
    fold,
    initials_in,
    is_row_of_letters,
    lone_words,
    parts_of,
    spelt_in,
    squeeze,
    windows,
    without_worded_dates,
    words_of,
)
from sendit.dictionary import is_term
from sendit.errors import Unreadable
from sendit.terms import Reason

_UID_IN_TEXT = re.compile(rb"(?<!\d)\d+(?:\.\d+){3,}")
_TIME_SIGNS = re.compile(rb"[\d.:+\- \0\\]*\Z")
_WRITTEN_DATE = re.compile(rb"\d{1,4}[-./]\d{1,2}[-./]\d{2,4}")
_NUMBER_SIGNS = re.compile(rb"[\d.eE+\- \0\\]*\Z")
_LETTERS = re.compile(rb"[A-Za-z][ -~]{5}|(?:[A-Za-z]\0){4}|[ -~]{8}")
"""More letters in a row than binary numbers have by chance."""
_MANY_NUMBERS, _MANY_BYTES = 4096, 1 << 16
_MOST_LINES = 1 << 16
_MOST_TEXT = 1 << 20
_MOST_OF = {
    **dict.fromkeys(TEXT_VRS | TIME_VRS | {"CS", "UI", "AS"}, _MOST_TEXT),
    **dict.fromkeys(NUMBER_VRS, 8 * _MOST_TEXT),
}
"""Bytes of one value that are searched, by VR; contours of a structure are long."""
_SHORTEST_UID = 12
_FIELD_STRENGTH = re.compile(r"(?:0?[1357]|15|055)t$")
_LEAST_LETTERS = 4
_DATE_DIGITS = 8
_BODY_PART, _CODE_MEANING = 0x00180015, 0x00080104


@dataclass(frozen=True, slots=True)
class Hit:
    """A find: by which rule, and whether it stands in a number or a code."""

    rule: str
    in_number: bool = False


_NAMED_AFTER = Kind.CONTACT | Kind.FOLDER


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
        self._allowed = ~allowed
        self._words = self._counting(known.words)
        self._long = tuple(self._counting(known.long))
        self._numbers = self._counting(known.numbers)
        self._values = {int(number) for number in self._numbers if len(number) < 19}
        self._short = known.short
        self._raw = tuple(known.raw)
        self._uids = set[bytes]() if keeps_uids else known.uids
        self._kept_uids = kept_uids
        self._dates = set[str]() if keeps_dates else known.dates
        self.asked = False
        """Whether a UID or a date was looked for in the last value; each original knows more."""
        self._clean_lines: set[str] = set()
        self._middle = [w for w in self._words if len(w) in (5, 6) and w.isalpha()]

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
            return self._in_binary_numbers(vr, value)
        if vr in ("OB", "OW") and (MAIL.search(text := text_in(value)) or LINK.search(text)):
            return Hit("pattern:mail")
        return self._in_bytes(value) or self._date_in(value[:_MANY_BYTES])

    def find_in_bytes(self, value: bytes) -> Hit | None:
        """Search bytes that are no element: a preamble, what follows the data set."""
        return self._in_bytes(value)

    def find_in_picture(self, value: bytes) -> Hit | None:
        """Search bytes of a compressed picture, in which a few letters stand by chance."""
        if any(name in value for name in self._raw):
            return Hit("known-identifier")
        return self._in_bytes(letters_among(value))

    def _counting(self, words: dict[str, Kind]) -> dict[str, Kind]:
        """Return what may not stand; a folder named after a kept station tells nothing more."""
        kept = {word for word, kind in words.items() if kind & ~self._allowed}
        kept |= {word.strip("0123456789") for word in kept}
        return {
            word: kind
            for word, kind in words.items()
            if kind & self._allowed & ~(_NAMED_AFTER if word in kept else 0)
        }

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
        if self._raw and any(name in value for name in self._raw):
            return Hit("known-identifier")
        for text in readings(value, charset):
            hit = (
                self._uid_in(text)
                or self._words_in(text, tag, vr)
                or self._pattern_in(text, tag, vr)
            )
            if hit is not None:
                return hit
            if self._short and tag not in NO_SHORT and self._short & lone_words(text):
                return Hit("known-identifier")
            if self._in_other_form(text):
                return Hit("known-identifier encoded")
        return None

    def _in_other_form(self, text: str) -> bool:
        """Return whether somebody stands there as entities, as digits of bytes or the like."""
        if any(self._tells(line) for form in unescaped(text) for line in form.splitlines()):
            return True
        lines = {line for value in unpacked(text) for line in text_in(value).split("\n") if line}
        # Numbers unpack to accented letters of all sorts.
        if any(self._tells(line, least=_LEAST_LETTERS if line.isascii() else 6) for line in lines):
            return True
        return bool(self._raw) and any(
            name in value for value in unpacked(text) for name in self._raw
        )

    def _pattern_in(self, text: str, tag: int, vr: str) -> Hit | None:
        """Return the rule by which a text looks like an identifier whatever it says."""
        if tag in MAKERS and (MAIL.search(text) or INSIDE_LINK.search(text)):
            return Hit("pattern:mail" if MAIL.search(text) else "pattern:url")
        if tag in NO_SHORT:
            return None
        rule = sure_pattern(text)
        if rule is None and vr != "PN" and tag not in OUR_NAMES and not self._vouched(tag):
            rule = likely_pattern(text)
        return None if rule is None else Hit(rule)

    def _uid_in(self, text: str) -> Hit | None:
        for found in _UID_IN_TEXT.findall(text.encode("ascii", "replace")):
            while len(found) >= _SHORTEST_UID:
                if self._knows_uid(found):
                    return Hit("known-uid")
                found = found.rpartition(b".")[0]
        return None

    def _words_in(self, text: str, tag: int, vr: str) -> Hit | None:
        words = words_of(without_worded_dates(text))
        if tag in MAKERS and not self._names_in(words) and not self._station_in(words, text):
            return None
        parts = parts_of(without_worded_dates(text))
        for run in (words, parts) if parts != words else (words,):
            found = self._words.keys() & windows(run)
            if run is parts:
                found = {word for word in found if len(word) >= _LEAST_LETTERS}
            if any(self._counts(word, run, text, vr) for word in found):
                return Hit("known-identifier")
        if self._runs_together(words, text):
            return Hit("known-identifier")
        for word in words:
            if len(word) > 5 and not is_common(word) and self._glued(word, words, text):
                return Hit("known-identifier")
        if not self._words.keys().isdisjoint(spelt_in(text)) or self._has_number(text):
            return Hit("known-identifier")
        return None

    def _names_in(self, words: list[str]) -> bool:
        """Return whether a person or a number is meant; stations are named after models."""
        found = self._words.keys() & windows(words)
        return any(self._words[word] & (Kind.NAME | Kind.ID) for word in found)

    def _station_in(self, words: list[str], text: str) -> bool:
        """Return whether a station that no product is called like is one word of several."""
        wholes = {squeeze(part) for part in text.split("\\")}
        for word in words:
            bare = _FIELD_STRENGTH.sub("", word)
            mixed = len(word) >= _LEAST_LETTERS and not bare.isalpha() and not bare.isdigit()
            if mixed and word not in wholes and self._words.get(word, Kind(0)) & Kind.DEVICE:
                return True
        return False

    def _counts(self, word: str, words: list[str], text: str, vr: str) -> bool:
        """Return whether a known word is a find here, or only the word of the field."""
        if vr == "PN":
            return True
        if word not in words:
            if len(word) < _LEAST_LETTERS and is_row_of_letters(word, words):
                return word in initials_in(text) and not is_common(word)
            return not is_made_of_field_words(word, words)
        if is_only_unit(word, text):
            return False
        if any(squeeze(match[1]) == word for match in MISTER.finditer(text)):
            return True
        return any(
            other == word
            and (self._beside_a_name(words, index) or not protects(words, index, text))
            for index, other in enumerate(words)
        )

    def _beside_a_name(self, words: list[str], index: int) -> bool:
        before = words[index - 1] if index else ""
        after = words[index + 1] if index + 1 < len(words) else ""
        if before in TITLES:
            return True
        return any(
            neighbour in self._words
            and self._words[neighbour] & Kind.NAME
            and not is_common(neighbour)
            for neighbour in (before, after)
        )

    def _runs_together(self, words: list[str], text: str) -> bool:
        """Return whether somebody distinctive stands there, among other letters or not."""
        squeezed = "".join(words)
        return any(
            name in squeezed and not stands_as_eponym(name, words, text) for name in self._long
        )

    def _glued(self, word: str, words: list[str], text: str) -> bool:
        """Return whether a name of five or six letters stands in a word with little else.

        A word that is the name alone may be one of the field, which is told elsewhere.
        """
        for name in self._middle:
            if name in word and name != word and not stands_as_eponym(name, words, text):
                rest = word.replace(name, "", 1)
                if len(rest) <= 2 or rest.isdigit() or rest in self._words:
                    return True
        return False

    def _in_code(self, value: bytes, charset: bytes, *, in_value: bool = True) -> Hit | None:
        for text in readings(value, charset):
            for part in text.split("\\"):
                alone = words_of(part)
                words = windows(alone)
                found = filter(self._counts_in_code, self._words.keys() & words)
                if any(self._counts(word, alone, part, "") for word in found):
                    return Hit("known-identifier", in_number=True)
                if not self._numbers.keys().isdisjoint(words):
                    return Hit("known-identifier", in_number=True)
                if in_value and self._knows_date(dates_in(part)):
                    return Hit("known-date", in_number=True)
                if self._runs_together(alone, part):
                    return Hit("known-identifier", in_number=True)
            if self._in_other_form(text):
                return Hit("known-identifier encoded", in_number=True)
        return None

    def _counts_in_code(self, word: str) -> bool:
        """Return whether a word in a code is more than a term, or a folder named after one."""
        long_enough = len(word) >= _LEAST_LETTERS
        return long_enough and self._words[word] != Kind.FOLDER and not is_clinical_term(word)

    def _in_decimal(self, value: bytes) -> Hit | None:
        for part in value.decode("latin-1").split("\\"):
            whole = part.strip(" \0+-").partition(".")[0]
            if len(whole) == _DATE_DIGITS and self._knows_date({whole}):
                return Hit("known-date", in_number=True)
            if whole in self._numbers or whole.lstrip("0") in self._numbers:
                return Hit("known-identifier", in_number=True)
        return None

    def _in_binary_numbers(self, vr: str, value: bytes) -> Hit | None:
        if not self._values or len(value) > _MANY_NUMBERS:
            return None
        # A float compares equal to the whole number that it holds, NaN to nothing.
        is_there = not self._values.isdisjoint(numbers_in(vr, value))
        return Hit("known-identifier", in_number=True) if is_there else None

    def _in_bulk(self, value: bytes) -> Hit | None:
        """Search a large value, a table or a curve, for what is long enough not to be chance."""
        wanted = [word.encode() for word in (*self._words, *self._long, *self._numbers)]
        wanted = [word for word in wanted if len(word) > _LEAST_LETTERS]
        for plain in (value, *unpacked(text_in(value))):
            lower = plain.lower()
            narrow = lower.replace(b"\0", b"")
            if any(word in lower or word in narrow for word in wanted):
                return Hit("known-identifier")
        return None

    def _in_bytes(self, value: bytes) -> Hit | None:
        if self._raw and any(name in value for name in self._raw):
            return Hit("known-identifier")
        if len(value) > _MANY_BYTES:
            return self._in_bulk(value)
        text = text_in(value)
        if not text.strip():
            return None
        if (hit := self._uid_in(text)) is not None:
            return hit
        lines = set(text.split("\n")) - self._clean_lines
        if any(map(self._tells, lines)) or any(map(self._in_other_form, lines)):
            return Hit("known-identifier")
        if len(self._clean_lines) > _MOST_LINES:
            self._clean_lines.clear()
        self._clean_lines |= lines
        return None

    def _tells(self, line: str, least: int = _LEAST_LETTERS) -> bool:
        """Return whether somebody distinctive stands in a line of which nobody knows the kind."""
        found = self._words.keys() & windows(words_of(line))
        if any(len(word) >= least and not is_clinical(word) for word in found):
            return True
        squeezed = fold(line).replace(" ", "")
        return any(word in squeezed for word in self._long) or self._has_number(line)

    def _has_number(self, text: str) -> bool:
        return bool(self._numbers) and not self._numbers.keys().isdisjoint(digit_runs(text))
