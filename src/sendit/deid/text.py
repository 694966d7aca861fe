"""Clean free text: take out what identifies, leave what describes.

A ``Cleaner`` is compiled once from what is known about a batch and then asked value by value;
it remembers its answers, since the headers of one series are nearly the same.  Known
identifiers are found whatever the case, accents, script, apostrophes, dashes, order and
separators; classes of text that identify anybody (``patterns``, ``dates_in_text``) are found
without being known.

Rules
-----
- An identifier under four characters, or of digits alone under five, counts only as a whole
  word.  A longer number or code counts anywhere.  A longer name counts as a word; inside a
  longer word it counts at the beginning or end, from six letters on anywhere, unless the
  longer word is one of the language (Long in *longitudinal*).
- A single name that is also a clinical word stays where ``vocabulary`` protects it; a full
  name, and a name beside a title or another name, does not.
- What goes leaves a ``*``; a value of which nothing is left becomes empty.

DICOM: PS3.15 E.3.5 (Clean Descriptors).  Which elements are cleaned is decided by the recipe.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sendit.deid.dates_in_text import find_dates
from sendit.deid.encoded import inner_texts
from sendit.deid.finding import Find, Finder
from sendit.deid.folding import REMOVED, squeeze
from sendit.deid.known import Identifier, Kind, Known, is_short
from sendit.deid.months import is_month
from sendit.deid.patterns import (
    find_ages,
    find_patterns,
    find_persons,
    find_told,
    has_inside_address,
)
from sendit.deid.spans import Span, apply, merge
from sendit.deid.vocabulary import Vocabulary, load_vocabulary

RULE = "known-identifier"

_OF_PRODUCTS = frozenset((Kind.DEVICE, Kind.FILE))
_LIKE_VERSIONS = frozenset(("pattern:url", "pattern:number", "pattern:phone", "pattern:digest"))
_VERSION = re.compile(r"\d+(?:\.\d+){0,4}")
_SERIAL = 5
"""From how many digits a name of a device is of one device only."""
_FIELD_STRENGTH = re.compile(r"(?:0?[1357]|15|055)t$")
"""What many stations and many products end in: 3T, 1.5T."""
_LONG_TEXT, _MOST_ANSWERS = 4096, 10_000
_DISTINCTIVE = 7
"""From how many digits a number counts inside a longer one."""
_DOTTED = re.compile(r"(?<!\d)\d+(?:\.\d+){2,}")
_INTEGER = re.compile(r"(?<![\d.])[+-]?(\d+)(?:\.0*)?(?![\d.eE])")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A cleaned text."""

    value: str = field(repr=False)
    rules: tuple[str, ...]
    """The rule of every piece that went or changed; empty when the text is as it was."""
    shorter: str | None = field(default=None, repr=False)
    """If the text has grown, what it is without the dates that have."""

    def within(self, longest: int | None) -> str:
        """Return the text; a date goes that would make a value longer than it may be."""
        if self.shorter is None or not longest:
            return self.value
        fits = all(len(one) <= longest for one in self.value.split("\\"))
        return self.value if fits else self.shorter


class Cleaner:
    """Cleans text of everything in one ``Known``; keep one per batch and patient.

    Parameters
    ----------
    known
        What the originals of the batch give away.
    shift_days
        Whole days that dates in the text move by; None removes them, 0 leaves them.
    """

    def __init__(
        self, known: Known, *, shift_days: int | None, vocabulary: Vocabulary | None = None
    ) -> None:
        self._known = known
        self._shift_days = shift_days
        self._vocabulary = vocabulary or load_vocabulary()
        self._finder = Finder(known.identifiers, self._vocabulary)
        self._numbers = frozenset(
            one.letters
            for one in known.identifiers
            if one.letters.isdigit() and not is_short(one.letters)
        )
        self._answers: dict[str, Cleaned] = {}

    def clean(self, value: str) -> Cleaned:
        """Return the text without identifiers; values are separated by a backslash."""
        answer = self._answers.get(value)
        if answer is None:
            answer = self._clean(value)
            _remember(self._answers, value, answer)
        return answer

    def clean_place(self, value: str) -> Cleaned:
        """Return the text without known identifiers and persons, dates moved; numbers stay.

        A place may be called after somebody: Dr. Hausdorf's practice.
        """
        return self._clean_of(value, find_persons(value, self._vocabulary))

    def clean_device(self, value: str) -> Cleaned:
        """Return the text as ``clean_place`` does, and without anybody who has a title."""
        told = find_told(value, self._vocabulary)
        return self._clean_of(value, (*find_persons(value, self._vocabulary), *told))

    def clean_maker(self, value: str) -> Cleaned:
        """Return the name of a product without patients, staff, their numbers and dates.

        A station or a folder may be called like the product, versions have numbers, and a date
        of software that moved would tell by how many days.
        """
        finds = (
            Span(find.start, find.end, RULE)
            for find in self._finds(value)
            if not _may_name_a_product(find.identifier)
            or _names_a_station(value, find.start, find.end, find.identifier)
        )
        patterns = (
            span
            for span in find_patterns(value, self._vocabulary)
            if span.rule not in _LIKE_VERSIONS or not _is_version(value, span)
        )
        days = self._known.birth_dates | self._known.dates
        dates = find_dates(value, known=Known(birth_dates=days), shift_days=0)
        spans = merge((*finds, *patterns, *self._uids(value), *dates))
        return _applied(value, spans)

    def places(self, text: str) -> list[tuple[int, int]]:
        """Return where known identifiers that are distinctive stand."""
        finds = self._finds(text)
        return [(find.start, find.end) for find in finds if not is_short(find.identifier.letters)]

    def tells(self, text: str) -> list[tuple[int, int]]:
        """Return where something identifies in a text that stands among bytes."""
        spans = [*self._dates(text), *find_patterns(text, self._vocabulary), *self._uids(text)]
        return [*self.places(text), *((span.start, span.end) for span in spans)]

    def holds(self, code: str) -> bool:
        """Return whether a distinctive known identifier stands in a code or coded term.

        Codes are searched but not rewritten; short identifiers do not count in them, nor do
        words of a folder: a plan lies in a folder "Plan 1", and is summed up as PLAN.
        """
        return any(
            not is_short(find.identifier.letters)
            and not (find.identifier.kind is Kind.FILE and find.identifier.letters.isalpha())
            and not self._vocabulary.is_clinical_term(squeeze(code[find.start : find.end]))
            for find in self._finder.find(code)
        )

    def tells_age(self, code: str) -> bool:
        """Return whether a code string says that somebody is over 89."""
        return any(find_ages(code))

    def is_body_part(self, code: str) -> bool:
        """Return whether a code string is a defined term of Body Part Examined."""
        return squeeze(code) in self._vocabulary.body_parts

    def holds_number(self, number: str) -> bool:
        """Return whether a decimal or integer string is a distinctive known number."""
        for match in _INTEGER.finditer(number):
            digits = match.group(1)
            if digits in self._numbers or digits.lstrip("0") in self._numbers:
                return True
            if any(len(one) >= _DISTINCTIVE and one in digits for one in self._numbers):
                return True
        return False

    def _clean_of(self, value: str, persons: Iterable[Span]) -> Cleaned:
        finds = (Span(find.start, find.end, RULE) for find in self._finds(value))
        spans = merge((*finds, *persons, *map(self._checked, self._dates(value))))
        return _applied(value, spans)

    def _clean(self, value: str) -> Cleaned:
        dates = [self._checked(span) for span in self._dates(value)]
        spans = [*dates, *find_patterns(value, self._vocabulary), *self._uids(value)]
        for find in self._finds(value):
            if not _is_month_of(find.start, find.end, value, dates):
                spans.append(Span(find.start, find.end, RULE))
        return _applied(value, merge(spans))

    def _finds(self, value: str) -> Iterator[Find]:
        """Yield every known identifier, in plain letters or in another form."""
        yield from self._finder.find(value)
        for inner, places in inner_texts(value):
            for find in self._finder.find(inner):
                if not is_short(find.identifier.letters):
                    yield Find(places[find.start], places[find.end], find.identifier)

    def _dates(self, value: str) -> Iterator[Span]:
        if any(char.isdigit() for char in value):
            yield from find_dates(value, known=self._known, shift_days=self._shift_days)

    def _checked(self, span: Span) -> Span:
        """Remove a date that reads like an identifier once it has moved."""
        moved = span.replacement
        finds = self._finder.find(moved) if moved != REMOVED else ()
        if any(not is_month(moved[find.start : find.end]) for find in finds):
            return span._replace(replacement=REMOVED)
        return span

    def _uids(self, value: str) -> Iterator[Span]:
        for match in _DOTTED.finditer(value):
            if match.group() in self._known.uids:
                yield Span(match.start(), match.end(), RULE)


def _applied(value: str, spans: list[Span]) -> Cleaned:
    if not spans:
        return Cleaned(value, ())
    rules = tuple(span.rule for span in spans)
    result = apply(value, spans)
    if len(result) <= len(value):
        return Cleaned(result, rules)
    stayed = [
        span._replace(replacement=REMOVED)
        if len(span.replacement) > span.end - span.start
        else span
        for span in spans
    ]
    return Cleaned(result, rules, apply(value, stayed))


def _remember(answers: dict[str, Cleaned], value: str, answer: Cleaned) -> None:
    """Keep an answer; long texts do not come again, and of others there is an end."""
    if len(value) > _LONG_TEXT:
        return
    if len(answers) >= _MOST_ANSWERS:
        answers.clear()
    answers[value] = answer


def _is_version(value: str, span: Span) -> bool:
    """Return whether a host, a number or a telephone is one of a product (syngo.net, 2.10.4)."""
    if has_inside_address(value[span.start : span.end]):
        return False
    if span.rule == "pattern:digest":
        return True  # of the source
    if span.rule == "pattern:url":
        return "?" not in value[span.start : span.end]  # a product's page asks nothing
    return _VERSION.fullmatch(value, span.start, span.end) is not None


def _may_name_a_product(one: Identifier) -> bool:
    if one.kind in _OF_PRODUCTS:
        return sum(letter.isdigit() for letter in one.letters) < _SERIAL
    return one.kind is not Kind.PERSON and is_short(one.letters)


def _names_a_station(value: str, start: int, end: int, one: Identifier) -> bool:
    """Return whether a device is meant in the name of a product, one word of several: CT12."""
    if one.kind is not Kind.DEVICE or is_short(one.letters):
        return False
    bare = _FIELD_STRENGTH.sub("", one.letters)
    mixed = not bare.isalpha() and not bare.isdigit()
    return mixed and value[start:end].isalnum() and value[start:end] not in value.split("\\")


def clean_text(
    value: str, *, known: Known, shift_days: int | None, vocabulary: Vocabulary | None = None
) -> Cleaned:
    """Clean one value; for many values of one ``Known``, keep a ``Cleaner``."""
    return Cleaner(known, shift_days=shift_days, vocabulary=vocabulary).clean(value)


def _is_month_of(start: int, end: int, value: str, dates: list[Span]) -> bool:
    """Return whether a name is the month of a date that was found around it."""
    return is_month(value[start:end]) and any(
        span.start <= start and end <= span.end for span in dates
    )
