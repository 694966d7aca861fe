"""Say whether somebody who is known stands in a text, a code, a line or a number.

Words are compared in folded form: a known word counts where it stands as a word or as
neighbouring words, a long one also among other letters, a number of five digits or more also
across the signs that group digits.  A name that is also a word of the field (Head, Long, May)
counts beside another part of the name, after a title, and as a whole person name; elsewhere
it is taken for the word.  Short numbers of the patient count as a word of a text only.

Which values are searched, and for what else, is left to ``release_search``.
"""

import re

from sendit.deid.release_encoded import unescaped, unpacked
from sendit.deid.release_known import Known
from sendit.deid.release_sources import MAKERS, NO_SHORT, Kind
from sendit.deid.release_text import numbers_in, text_in
from sendit.deid.release_vocabulary import (
    is_clinical,
    is_clinical_term,
    is_common,
    is_made_of_field_words,
    is_only_unit,
    protects,
    stands_as_eponym,
)
from sendit.deid.release_words import (
    MISTER,
    TITLES,
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

_WITH_APOSTROPHE = re.compile(r"(?<![^\W_])[^\W\d_]+['’][^\W\d_]+(?![^\W_])")
_LEAST_LETTERS = 4
_FIELD_STRENGTH = re.compile(r"(?:0?[1357]|15|055)t$")
_MANY_NUMBERS = 4096
_LEAST_VALUE = 10_000
"""A number of fewer digits is many things."""
_LONGEST_NUMBER = 18
_NAMED_AFTER = Kind.CONTACT | Kind.FOLDER


class Matcher:
    """Looks for the words and numbers of one :class:`Known`, but for the kinds that may stand."""

    def __init__(self, known: Known, *, allowed: Kind) -> None:
        self._allowed = ~allowed
        self._words = self._counting(known.words)
        self._long = tuple(self._counting(known.long))
        self._numbers = self._counting(known.numbers)
        # A number that was filled up with zeros (0000512) is any 512 among binary ones.
        self._values = {
            int(number)
            for number in self._numbers
            if len(number) <= _LONGEST_NUMBER and int(number) >= _LEAST_VALUE
        }
        self._short = known.short
        self._raw = tuple(known.raw)
        self._middle = [w for w in self._words if len(w) in (5, 6) and w.isalpha()]

    def in_text(self, text: str, tag: int, vr: str) -> bool:
        """Return whether somebody stands in a text of an attribute."""
        words = words_of(without_worded_dates(text))
        if tag in MAKERS and not self._names_in(words) and not self._station_in(words, text):
            return False
        parts = parts_of(without_worded_dates(text))
        for run in (words, parts) if parts != words else (words,):
            found = self._words.keys() & windows(run)
            if run is parts:
                found = {word for word in found if len(word) >= _LEAST_LETTERS}
            if any(self._counts(word, run, text, vr) for word in found):
                return True
        if self.runs_together(words, text):
            return True
        for word in words:
            if len(word) > 5 and not is_common(word) and self._glued(word, words, text):
                return True
        return not self._words.keys().isdisjoint(spelt_in(text)) or self.has_number(text)

    def has_short(self, text: str, tag: int) -> bool:
        """Return whether a short number of the patient is a word of a text."""
        return bool(self._short) and tag not in NO_SHORT and bool(self._short & lone_words(text))

    def in_code(self, code: str) -> bool:
        """Return whether somebody is a word or a number of a code."""
        alone = words_of(code)
        words = windows(alone)
        found = filter(self._counts_in_code, self._words.keys() & words)
        if any(self._counts(word, alone, code, "") for word in found):
            return True
        return not self._numbers.keys().isdisjoint(words)

    def in_line(self, line: str, *, least: int = _LEAST_LETTERS) -> bool:
        """Return whether somebody distinctive stands in a line of which nobody knows the kind."""
        found = self._words.keys() & windows(words_of(line))
        if any(len(word) >= least and not is_clinical(word) for word in found):
            return True
        squeezed = fold(line).replace(" ", "")
        return any(name in squeezed for name in self._long) or self.has_number(line)

    def in_other_form(self, text: str) -> bool:
        """Return whether somebody stands there as entities, as digits of bytes or the like."""
        if any(self.in_line(line) for form in unescaped(text) for line in form.splitlines()):
            return True
        lines = {line for value in unpacked(text) for line in text_in(value).split("\n") if line}
        # Numbers unpack to accented letters of all sorts.
        if any(self.in_line(line, least=_LEAST_LETTERS if line.isascii() else 6) for line in lines):
            return True
        return bool(self._raw) and any(map(self.has_raw, unpacked(text)))

    def has_raw(self, value: bytes) -> bool:
        """Return whether the bytes of a name that is not ASCII stand in a value."""
        return any(name in value for name in self._raw)

    def in_bulk(self, value: bytes) -> bool:
        """Search a large value, a table or a curve, for what is long enough not to be chance."""
        wanted = [word.encode() for word in (*self._words, *self._long, *self._numbers)]
        wanted = [word for word in wanted if len(word) > _LEAST_LETTERS]
        for plain in (value, *unpacked(text_in(value))):
            lower = plain.lower()
            narrow = lower.replace(b"\0", b"")
            if any(word in lower or word in narrow for word in wanted):
                return True
        return False

    def in_binary_numbers(self, vr: str, value: bytes) -> bool:
        """Return whether one of a few binary numbers is a known one."""
        if not self._values or len(value) > _MANY_NUMBERS:
            return False
        # A float compares equal to the whole number that it holds, NaN to nothing.
        return not self._values.isdisjoint(numbers_in(vr, value))

    def is_number(self, digits: str) -> bool:
        """Return whether digits are a known number."""
        return digits in self._numbers or digits.lstrip("0") in self._numbers

    def has_number(self, text: str) -> bool:
        """Return whether a known number stands in a text, also across the signs that group it."""
        return bool(self._numbers) and not self._numbers.keys().isdisjoint(digit_runs(text))

    def runs_together(self, words: list[str], text: str) -> bool:
        """Return whether somebody distinctive stands there, among other letters or not."""
        squeezed = "".join(words)
        return any(
            name in squeezed and not stands_as_eponym(name, words, text) for name in self._long
        )

    def _counting(self, words: dict[str, Kind]) -> dict[str, Kind]:
        """Return what may not stand; a folder named after a kept station tells nothing more."""
        kept = {word for word, kind in words.items() if kind & ~self._allowed}
        kept |= {word.strip("0123456789") for word in kept}
        return {
            word: kind
            for word, kind in words.items()
            if kind & self._allowed & ~(_NAMED_AFTER if word in kept else 0)
        }

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
        if any(squeeze(match[0]) == word for match in _WITH_APOSTROPHE.finditer(text)):
            return True  # D'Sa is no DSA
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

    def _counts_in_code(self, word: str) -> bool:
        """Return whether a word in a code is more than a term, or a folder named after one."""
        long_enough = len(word) >= _LEAST_LETTERS
        return long_enough and self._words[word] != Kind.FOLDER and not is_clinical_term(word)
