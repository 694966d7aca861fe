"""Find dates that are told in words, or by another calendar; they go and are not moved.

Days as English ordinals (*the tenth of May 2019*), years of an era (令和5年9月10日, 民國108年3月)
and of the Buddhist calendar (6/3/2562).  An era that is one letter (R5.9.10) reads like a
version and counts only for a known date.
"""

import re
from collections.abc import Iterator
from datetime import date
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
    try:
        year = _BEFORE_ERA[match["era"]] + int(match["year"])
        return date(year, int(match["month"]), int(match["day"]))
    except ValueError:
        return None
