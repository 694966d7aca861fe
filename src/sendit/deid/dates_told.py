"""Find dates that are told in words, or by another calendar; they go and are not moved.

Days as English ordinals (*the tenth of May 2019*), years of an era (令和5年9月10日, 民國108年3月)
and of the Buddhist calendar (6/3/2562).  An era that is one letter (R5.9.10) reads like a
version and counts only for a known date.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from re import Match

from sendit.deid.known import Known
from sendit.deid.spans import Span

RULE = "pattern:date"

_MONTH = (
    "january|february|march|april|may|june|july|august|september|october|november|december"
    "|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec"
)
_UNITS = "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth"
_ORDINAL = (
    rf"(?:(?:twenty|thirty)[- ]?(?:{_UNITS})|{_UNITS}|tenth|eleventh|twelfth|(?:thir|four|fif|six"
    r"|seven|eigh|nine)teenth|twentieth|thirtieth)"
)
_YEAR = r"(?:18|19|20)\d\d"
_IN_WORDS = re.compile(
    rf"(?<![^\W_])(?:(?:the )?{_ORDINAL}(?: day)? of (?:{_MONTH})(?:,? {_YEAR})?"
    rf"|(?:{_MONTH}) (?:(?:the )?{_ORDINAL}|the \d\d?[a-z]{{2}}),? {_YEAR})(?![^\W_])",
    re.IGNORECASE,
)
_BEFORE_ERA = {"R": 2018, "H": 1988, "S": 1925, "T": 1911, "M": 1867}
"""The year before the first of Reiwa, Heisei, Shōwa, Taishō and Meiji."""
_OF_ERA = re.compile(
    r"(?:令和|平成|昭和|大正|明治|民國|民国) ?(?:元|\d{1,3}) ?年 ?\d\d? ?月(?: ?\d\d? ?日?)?"
)
_LETTER_OF_ERA = re.compile(
    r"(?<![^\W_])(?P<era>[RHSTM])(?P<year>\d\d?)(?P<sign>[./-])(?P<month>\d\d?)(?P=sign)"
    r"(?P<day>\d\d?)(?![^\W_]|[.-]\d)"
)
_BUDDHIST = re.compile(r"(?<![\d./-])[0-3]?\d(?P<sign>[/-])[01]?\d(?P=sign)25[4-8]\d(?![\d./-])")


_WITH_SIGNS = re.compile(r"(?<!\d)(\d{1,4})[^\w*]{1,3}(\d{1,2})[^\w*]{1,3}(\d{1,4})(?!\d)")
_BY_DAY = re.compile(r"(?<![\d./-])(\d{4})[-/.]([0-3]\d\d)(?![\d/-]|\.\d)")
_FOUR_DIGITS = 1000


def find_known_days(text: str, *, known: Known, keep: bool) -> Iterator[Span]:
    """Yield known dates in notations that only they tell: 14,03,2019, 2019-073."""
    days = known.birth_dates if keep else known.birth_dates | known.dates
    for match in _WITH_SIGNS.finditer(text) if days else ():
        one, two, three = map(int, match.groups())
        orders = ((one, two, three), (three, two, one), (three, one, two))
        if any(order[0] >= _FOUR_DIGITS and _day(*order) in days for order in orders):
            yield Span(match.start(), match.end(), RULE)
    for match in _BY_DAY.finditer(text) if days else ():
        with suppress(ValueError):
            if date(int(match[1]), 1, 1) + timedelta(days=int(match[2]) - 1) in days:
                yield Span(match.start(), match.end(), RULE)


def find_told_days(text: str, *, known: Known, keep: bool) -> Iterator[Span]:
    """Yield a span for every such date; if dates are kept, only for dates of birth."""
    if not keep:
        for pattern in (_IN_WORDS, _OF_ERA, _BUDDHIST):
            for match in pattern.finditer(text):
                yield Span(match.start(), match.end(), RULE)
    days = known.birth_dates if keep else known.birth_dates | known.dates
    for match in _LETTER_OF_ERA.finditer(text) if days else ():
        if _day_of_era(match) in days:
            yield Span(match.start(), match.end(), RULE)


def _day_of_era(match: Match[str]) -> date | None:
    year = _BEFORE_ERA[match["era"]] + int(match["year"])
    return _day(year, int(match["month"]), int(match["day"]))


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
