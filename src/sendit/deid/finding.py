"""Find known identifiers in a folded text.

The text is one run of letters and digits with its breaks (see ``folding``); an identifier is
found where its letters stand, if the breaks around it allow what the rules of ``text`` say.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from sendit.deid.folding import (
    GAP,
    INSIDE,
    SEAM,
    WALL,
    Folded,
    collapse,
    collapse_letters,
    fold,
    is_ideographic,
    squeeze,
)
from sendit.deid.known import Identifier, Kind, is_short
from sendit.deid.vocabulary import Vocabulary

_KEY = 2
"""How many letters tell which identifiers may begin here."""
_AT_AN_EDGE = 4
"""From how many letters a name counts at the beginning or end of a longer word…"""
_ANYWHERE = 6
"""… and in the middle of it."""
_TELLING_DIGITS = 5
_FILLED = 5
"""So many digits has a short number at least that was filled up with zeros."""
_SPELT = 4
"""From how many letters a name counts that has a blank behind each."""
_RUN_TOGETHER = 8
"""From how many letters a full name counts without any edge."""
_BEFORE_NAMES = (
    "dr prof mrs miss herr frau mme mlle by patient name tech technologist operator dra sra dott"
    " fru frk fröken mevr mevrouw dhr pani"
)
_TITLES = frozenset(map(squeeze, _BEFORE_NAMES.split()))
_MISTER = re.compile(
    r"(?<![^\W_])(?:M[rs]|(?i:sig\.ra)"
    r"|(?i:m[rs]|sig|sra?|(?<!\A\d )(?<![^\w]\d )(?<!\d\d )[hf]r)\.) ?\Z"
)
"""Written like this it is somebody: an MR of the foot is no Mr. Foot, nor is one of 5 Fr."""
_POINT = re.compile(r"[;:,!?()\[\]]|\. ")
_DECIMAL_SIGN = re.compile(r"\d[.,]")
_PERSONAL = frozenset((Kind.PERSON, Kind.INITIALS))
_INITIALS = re.compile(r"[^\W\d_](?:\. ?[^\W\d_])+")
_WITH_APOSTROPHE = re.compile(r"[^\W\d_]+['’][^\W\d_]+")
_BEHIND_NUMBER = re.compile(r"\d[ -]?\Z")
_UNIT = re.compile(r"(?<![^\W_])(?:[cm]m|s|min|ml|k?g)-\Z")


@dataclass(frozen=True, slots=True)
class Find:
    """Where an identifier stands in the original text."""

    start: int
    end: int
    identifier: Identifier = field(repr=False)


def _has_long_number(letters: str) -> bool:
    """Return whether an id has so many digits that nothing else reads like it."""
    return sum(map(str.isdigit, letters)) >= _TELLING_DIGITS


class _Index:
    """Identifiers by their letters; how many there are does not count in a search."""

    def __init__(self, pairs: Iterable[tuple[str, Identifier]]) -> None:
        by_letters: dict[str, list[Identifier]] = defaultdict(list)
        sizes: dict[str, set[int]] = defaultdict(set)
        for letters, one in pairs:
            by_letters[letters].append(one)
            sizes[letters[:_KEY]].add(len(letters))
        self._by_letters = dict(by_letters)
        self._sizes = {key: sorted(found, reverse=True) for key, found in sizes.items()}

    def candidates(self, letters: str) -> Iterator[tuple[int, int, Identifier]]:
        """Yield where letters stand that an identifier has, the longest first."""
        for start in range(len(letters)):
            for width in range(_KEY, 0, -1):
                for size in self._sizes.get(letters[start : start + width], ()):
                    part = letters[start : start + size]
                    if len(part) == size:
                        for one in self._by_letters.get(part, ()):
                            yield start, start + size, one


class Finder:
    """Finds any of a set of identifiers; compiled once for all texts."""

    def __init__(self, identifiers: Iterable[Identifier], vocabulary: Vocabulary) -> None:
        every = sorted(identifiers)
        self._vocabulary = vocabulary
        self._index = _Index((one.letters, one) for one in every)
        self._collapsed = _Index(
            (collapsed, one)
            for one in every
            if one.letters.isalpha() and len(collapsed := collapse_letters(one.letters)) > 3
        )
        self._persons = frozenset(one.letters for one in every if one.kind is Kind.PERSON)

    def find(self, text: str) -> Iterator[Find]:
        """Yield every find, also overlapping ones."""
        folded = fold(text)
        for form, index in ((folded, self._index), (collapse(folded), self._collapsed)):
            reading = _Reading(form, text, self._vocabulary, self._persons)
            for start, end, one in index.candidates(form.letters):
                first = reading.without_zeros(start, one)
                if reading.accepts(first, end, one):
                    yield Find(form.at[first], form.at[end - 1] + 1, one)


class _Reading:
    """One folded text and its words, to judge a candidate by what stands around it."""

    def __init__(
        self, folded: Folded, text: str, vocabulary: Vocabulary, persons: frozenset[str]
    ) -> None:
        self._folded = folded
        self._text = text
        self._vocabulary = vocabulary
        self._persons = persons
        self._words: list[tuple[int, int]] | None = None

    def without_zeros(self, start: int, one: Identifier) -> int:
        """Return where a short number begins that was filled up with zeros: 00512."""
        if not (one.letters.isdigit() and is_short(one.letters)):
            return start
        breaks, letters = self._folded.breaks, self._folded.letters
        first = start
        while first and breaks[first] == INSIDE and letters[first - 1] == "0":
            first -= 1
        # Series and images are counted 001, 002.
        return first if start - first + len(one.letters) >= _FILLED else start

    def accepts(self, start: int, end: int, one: Identifier) -> bool:
        """Return whether the identifier counts here."""
        breaks = self._folded.breaks
        left, right = breaks[start], breaks[end]
        inner = max(breaks[start + 1 : end], default=INSIDE)
        if inner == WALL:
            return False
        letters = one.letters
        if is_ideographic(letters[0]):
            return len(letters) > 1 or (left >= GAP and right >= GAP)
        edges = min(left, right)
        if is_short(letters):
            return self._accepts_short(start, end, one, edges=edges, inner=inner)
        if not letters.isalpha():
            running = one.kind is Kind.FILE and letters.isdigit()
            if running and (edges == INSIDE or self._is_in_measure(start, end)):
                # IM000301 is the 301st file, and no part of a serial number or of 0.000301.
                return False
            return inner < GAP or edges >= SEAM or _has_long_number(letters)
        if one.whole:
            if inner == INSIDE and edges >= SEAM and self._is_protected(start, end):
                return False  # The dose is no Mr. Do, S.E.
            if edges >= SEAM:
                return not (self._ends_in_a_term(end) or self._begins_in_a_unit(start))
            return inner == INSIDE and len(letters) >= _RUN_TOGETHER
        if inner >= SEAM:
            return edges >= SEAM and (
                inner < GAP
                or self._has_apostrophe(start, end)
                or not self._is_plain_words(start, end)
            )
        if edges >= SEAM:
            return not self._is_protected(start, end)
        enough = _AT_AN_EDGE if max(left, right) >= SEAM else _ANYWHERE
        return len(letters) >= enough and not self._is_in_longer_word(start, end)

    def _ends_in_a_term(self, end: int) -> bool:
        """Return whether the initial behind a name is the T of T1, not Tom's."""
        breaks, letters = self._folded.breaks, self._folded.letters
        return (
            breaks[end] == SEAM
            and breaks[end - 1] >= GAP
            and letters[end - 1].isalpha()
            and letters[end].isdigit()
        )

    def _begins_in_a_unit(self, start: int) -> bool:
        """Return whether the initial before a name is the s of 70s, not Sue's."""
        breaks, letters = self._folded.breaks, self._folded.letters
        return (
            breaks[start] == SEAM
            and breaks[start + 1] >= GAP
            and letters[start].isalpha()
            and letters[start - 1].isdigit()
        )

    def _accepts_short(
        self, start: int, end: int, one: Identifier, *, edges: int, inner: int
    ) -> bool:
        if edges < GAP:
            return False
        if inner >= GAP and not one.whole:
            if one.kind is Kind.PERSON and self._has_apostrophe(start, end):
                return True
            is_somebody = one.kind in _PERSONAL and not self._vocabulary.is_common(one.letters)
            return is_somebody and self._are_initials(start, end, one.kind)
        if one.kind is Kind.INITIALS:
            return False
        if one.letters.isdigit():
            return not self._is_in_measure(start, end)
        if self._is_unit(start, one.letters):
            return False
        # Ma, Y. is not "may represent", but "MA Y" and "MaY" are nobody else.
        return (one.whole and inner >= SEAM) or not self._is_protected(start, end)

    def _is_unit(self, start: int, letters: str) -> bool:
        """Return whether the letters are the mm of 5 mm."""
        before = self._text[: self._folded.at[start]][-2:]
        return letters in self._vocabulary.units and _BEHIND_NUMBER.search(before) is not None

    def _are_initials(self, start: int, end: int, kind: Kind) -> bool:
        """Return whether each letter has a point behind it: W.S., not the L/R of a knee."""
        at = self._folded.at
        text = self._text[at[start] : at[end - 1] + 1]
        return _INITIALS.fullmatch(text) is not None and (kind is Kind.PERSON or text.isupper())

    def _is_in_measure(self, start: int, end: int) -> bool:
        """Return whether the digits are of a number like 1.5 or 0,8, or of a unit like cm-1."""
        first, last = self._folded.at[start], self._folded.at[end - 1]
        if _DECIMAL_SIGN.search(self._text[first:last]) or _UNIT.search(self._text[:first][-5:]):
            return True
        before, after = self._text[max(0, first - 2) : first], self._text[last + 1 : last + 3]
        return (before[1:] in (".", ",") and before[0].isdigit()) or (
            after[:1] in (".", ",") and after[1:].isdigit()
        )

    def _has_apostrophe(self, start: int, end: int) -> bool:
        """Return whether the letters are one word with an apostrophe inside: N'Da, O'Hara."""
        at = self._folded.at
        return _WITH_APOSTROPHE.fullmatch(self._text, at[start], at[end - 1] + 1) is not None

    def _is_plain_words(self, start: int, end: int) -> bool:
        """Return whether what only together makes a name is made of common words."""
        breaks, letters = self._folded.breaks, self._folded.letters
        cuts = [start, *(i for i in range(start + 1, end) if breaks[i] >= SEAM), end]
        parts = [letters[a:b] for a, b in pairwise(cuts)]
        if len(parts) == end - start >= _SPELT:
            return False  # S m i t h
        return all(len(part) == 1 or self._vocabulary.is_common(part) for part in parts)

    def _is_protected(self, start: int, end: int) -> bool:
        """Return whether the name is a clinical word in this place."""
        spans = self._word_spans()
        place = next((i for i, (a, b) in enumerate(spans) if a <= start and end <= b), None)
        if place is None:
            return False
        words, place = self._words_around(spans, place)
        if words[place].strip("0123456789") != self._folded.letters[start:end]:
            return False
        if self._stands_by_name(words, place) or self._is_possessive(end, words[place]):
            return False
        at = self._folded.at
        if _MISTER.search(self._text[: at[start]][-8:]):
            return False
        if (
            words[place] in self._vocabulary.function
            and self._text[at[start] : at[end - 1]].islower()
        ):
            return True
        if _POINT.search(self._text[: at[start]][-2:]):
            words, place = words[place:], 0  # "spinal canal; Müller" is no canal of Müller's
        return self._vocabulary.protects(words, place)

    def _words_around(self, spans: list[tuple[int, int]], place: int) -> tuple[list[str], int]:
        """Return the words between the two walls around a word, and its place among them."""
        breaks, letters = self._folded.breaks, self._folded.letters
        first = place
        while first and breaks[spans[first][0]] < WALL:
            first -= 1
        last = place
        while breaks[spans[last][1]] < WALL:
            last += 1
        return [letters[a:b] for a, b in spans[first : last + 1]], place - first

    def _is_possessive(self, end: int, word: str) -> bool:
        """Return whether something is said to be the person's; a disease keeps its Graves'."""
        after = self._folded.at[end - 1] + 1
        is_genitive = self._text[after : after + 2].casefold() in ("'s", "’s")
        return is_genitive and word not in self._vocabulary.eponyms

    def _stands_by_name(self, words: list[str], place: int) -> bool:
        before = words[place - 1] if place else ""
        after = words[place + 1] if place + 1 < len(words) else ""
        if before in _TITLES:
            return True
        return any(
            word in self._persons and not self._vocabulary.is_common(word)
            for word in (before, after)
        )

    def _is_in_longer_word(self, start: int, end: int) -> bool:
        breaks, letters = self._folded.breaks, self._folded.letters
        while breaks[start] < SEAM:
            start -= 1
        while breaks[end] < SEAM:
            end += 1
        word = letters[start:end]
        if word in self._persons:
            return True  # judged by itself: Barr, as M?ller is one of Müller, is a part of Barré
        return self._vocabulary.is_common(word) or self._vocabulary.is_common(word.rstrip("s"))

    def _word_spans(self) -> list[tuple[int, int]]:
        """Return where words begin and end; letters and digits together are one word."""
        if self._words is None:
            breaks, letters = self._folded.breaks, self._folded.letters
            cuts = [
                i
                for i, kind in enumerate(breaks)
                if kind >= GAP
                or (kind == SEAM and letters[i - 1].isalpha() and letters[i].isalpha())
            ]
            self._words = list(pairwise(cuts))
        return self._words
