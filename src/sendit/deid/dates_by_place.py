"""Tell a day from a version: both are three numbers with points between them (24.3.21).

A word or a time beside it tells a day (*vom 4.3.21*, *4.3.21 um 8 Uhr*).  Where the first number
is no month, more words do (*CT 24.3.21*), and so does the beginning of a line or a bracket.  Six
digits behind a word that announces a day are one (*DOB 191127*), and so are a day and a month
behind a German one (*vom 27.11.*).  What a day becomes is left to ``dates_in_text``.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from re import Match

_BEFORE_A_DAY = re.compile(
    r"(?<![^\W_])(?:vom|am|seit|zum|bis|geb|geboren|voraufnahme|prior|previous|since|dated|born|le"
    r"|du|dal|el|desde|d\.d|dd|date|datum|fecha|dob|d\.o\.b|birth(?:date|day)?|geburtsdatum)"
    r"\.?:? ?\Z",
    re.IGNORECASE,
)
_BEFORE_A_LATE_DAY = re.compile(
    r"(?:(?:\A|[\n(\[\\]) ?|(?<![^\W_])(?:ct|mrt?|mri|pet|rö|rx|sono|vgl|voruntersuchung|vu|op|z\.n"
    r"|exam|study|scan|kontrolle|control|verlauf|compared? (?:to|with)|comparison|seen|stable)"
    r"\.?:? )\Z",
    re.IGNORECASE,
)
_BEHIND_A_DAY = re.compile(
    r"(?:,| um| at)? (?:[01]?\d|2[0-3])(?::[0-5]\d(?!\d)| ?(?:Uhr|h)(?![^\W_]))"
)
_BEHIND_A_MEASURE = re.compile(r" ?(?:[cm]?m|ms|[x×*])(?![^\W_])|[-–][A-Za-z]")
_SIX_DIGITS = re.compile(
    r"(?<![^\W_])(?:vom|seit|prior|previous|since|dated?|datum|fecha|dob|d\.o\.b|born"
    r"|birth(?:date|day)?|geb|geboren|geburtsdatum)\.?(?:[:=] ?| )"
    r"(?P<day>(?P<a>\d\d)(?P<b>\d\d)(?P<c>\d\d))(?![^\W_]|[.,]\d)",
    re.IGNORECASE,
)
_DAY_AND_MONTH = re.compile(
    r"(?<![^\W_])(?:vom|am|seit|zum|voraufnahme|vu|dob|geb|geboren|born)\.?:? "
    r"(?P<day>(?:0?[1-9]|[12]\d|3[01])\.(?:0?[1-9]|1[0-2])\.)(?![^\W_]| ?['’]?\d)",
    re.IGNORECASE,
)
_MONTHS_OF_A_YEAR = 12
_CUE = 24
"""Signs before a number in which the word is looked for that tells what it is."""


def is_day_by_place(match: Match[str], text: str) -> bool:
    """Return whether three numbers with points are a day."""
    before = text[max(0, match.start() - _CUE) : match.start()]
    if match["s"] != "." or int(match["b"]) > _MONTHS_OF_A_YEAR:
        return False
    if _BEFORE_A_DAY.search(before) or _BEHIND_A_DAY.match(text, match.end()):
        return True
    return (
        int(match["a"]) > _MONTHS_OF_A_YEAR
        and _BEFORE_A_LATE_DAY.search(before) is not None
        and _BEHIND_A_MEASURE.match(text, match.end()) is None
    )


def find_days_by_place(text: str) -> Iterator[tuple[int, int]]:
    """Yield where a day stands without a sign or a year, behind a word that announces it."""
    for match in _SIX_DIGITS.finditer(text):
        if _is_day_of_six(*map(int, match.group("a", "b", "c"))):
            yield match.span("day")
    for match in _DAY_AND_MONTH.finditer(text):
        yield match.span("day")


def _is_day_of_six(one: int, two: int, three: int) -> bool:
    """Return whether three numbers of two digits are a day, in one of the usual orders."""
    for year, month, day in ((one, two, three), (three, two, one), (three, one, two)):
        with suppress(ValueError):
            date(2000 + year, month, day)
            return True
    return False
