"""Find dates in running text and move them, in the notation they were written in.

Read are compact dates (20240305, with or without a time behind), numeric ones with one kind
of separator, ones with a month's name in twenty languages, and the Chinese, Japanese and Korean
notations, in the digits of any script.  A date moves when day, month and year are beyond doubt;
where only a known date tells (03/04/2024), the known date decides; else it is removed.  So is
every date of birth, a month with a year or a day alone, and day and month of a known date.  A
year alone stays, unless somebody over 89 was born in it.

Elements of VR DA and DT are left to ``dates``; this module sees text only.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from re import Match

from sendit.deid.dates_by_place import find_days_by_place, is_day_by_place
from sendit.deid.dates_told import find_known_days, find_told_days
from sendit.deid.folding import REMOVED, plain_digits
from sendit.deid.known import Known
from sendit.deid.months import (
    LONG_NAME,
    NAME,
    SURE_NAME,
    WORDS,
    month_name,
    number_of,
    plain,
)
from sendit.deid.spans import Span

RULE = "pattern:date"

_CENTURY_TURN = 50
"""Two-digit years below it belong to this century, the others to the last."""

_OLDEST_AGE = 89
_NO_YEAR = 2100
_FEW_DIGITS = 2
_GERMAN_MR = "MRT"
"""In small letters it is March in Dutch."""

_YEAR4 = r"(?:18|19|20)\d\d"
_BEFORE = r"(?<![^\W_])(?<!\d[.,/:-])"
_AFTER = r"(?!\d)(?![.,/:-]\d)(?![^\W\dT_])"

_COMPACT = re.compile(
    rf"(?<!\d)(?<!\d\.)(?P<y>{_YEAR4})(?P<m>\d\d)(?P<d>\d\d)(?P<t>\d{{6}}|\d{{4}})?(?!\d)"
)
_YMD = re.compile(
    rf"{_BEFORE}(?P<y>{_YEAR4})(?P<s>[-/._ ]|\. | [-/.] )(?P<m>\d\d?)(?P=s)(?P<d>\d\d?)"
    r"(?!\d)(?![.,/-]\d)"
)
_DMY = re.compile(
    rf"{_BEFORE}(?P<a>\d\d?)(?P<s>[-/._ ]|\. | [-/.] )(?P<b>\d\d?)(?P=s) ?(?P<y>{_YEAR4}){_AFTER}"
)
_NORDIC = re.compile(rf"{_BEFORE}(?P<a>\d\d?)(?P<s>/)(?P<b>\d\d?)-(?P<y>{_YEAR4}){_AFTER}")
_SHORT = re.compile(
    rf"{_BEFORE}(?:(?P<a>\d\d)(?P<s>[-/.])(?P<b>\d\d)(?P=s)(?P<y>\d\d)"
    rf"|(?P<a1>\d\d?)/(?P<b1>\d\d?)/(?P<y1>\d\d)){_AFTER}"
)
_LOOSE = re.compile(rf"{_BEFORE}(?P<a>\d\d?)(?P<s>[-/.])(?P<b>\d\d?)(?P=s)(?P<y>\d\d){_AFTER}")
"""Written like a version number: a date if it is a known one, or if its place tells."""
_D_NAME_Y = re.compile(
    rf"{_BEFORE}(?P<d>\d\d?)(?:(?P<o>st|nd|rd|th)|er|\.|º)?[ _.,/-]*(?:of |de )?(?P<n>{NAME})"
    rf"[ _.,/-]*(?:de |del )?(?P<y>{_YEAR4}|'?\d\d)(?!\d)(?![.,:]\d)",
    re.IGNORECASE,
)
_NAME_D_Y = re.compile(
    rf"(?<![^\W\d_])(?P<n>{NAME})[ _.,/-]*(?P<d>\d\d?)(?P<o>st|nd|rd|th)?[ _.,/-]+"
    rf"(?P<y>{_YEAR4}|'\d\d)(?!\d)",
    re.IGNORECASE,
)
_Y_NAME_D = re.compile(
    rf"{_BEFORE}(?P<y>{_YEAR4})[ _./-]*(?P<n>{NAME})[ _./-]*(?P<d>\d\d?)(?!\d)(?![.,]\d)",
    re.IGNORECASE,
)
# 斥, 岿 and 老 are the Korean signs where they are read as Chinese ones.
_ROMAN = re.compile(
    rf"{_BEFORE}(?P<d>\d\d?)(?:[/-]|\. ?| (?=[IVX]{{2}}))(?P<n>I{{1,3}}|I[VX]|VI{{0,3}}|XI{{0,2}})"
    rf"(?:[/ -]|\. ?)(?P<y>{_YEAR4})(?!\d)(?![.,:]\d)"
)
_TIME_BEFORE_YEAR = re.compile(
    r"(?<![^\W_])(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) {1,2}\d\d?"
    rf" [0-2]\d:[0-5]\d(?::[0-5]\d)?(?: [A-Z]{{2,5}})? {_YEAR4}(?!\d)"
)
"""Mar 14 10:22:31 CET 2024"""
_CJK_MONTH = re.compile(rf"{_YEAR4} ?[年년斥] ?\d\d? ?[月월岿]")
_CJK = re.compile(rf"(?P<y>{_YEAR4}) ?[年년斥] ?(?P<m>\d\d?) ?[月월岿] ?(?P<d>\d\d?) ?[日일号老]?")
_PARTIAL = re.compile(
    rf"(?<![^\W_])(?:(?:{SURE_NAME})[ _.,/'-]*(?:of |de )?{_YEAR4}(?!\d)"
    rf"|{_YEAR4}[ _./-]+(?:{SURE_NAME})(?![^\W_])"
    r"|(?<!\d[.,/-])(?:0?[1-9]|1[0-2])[/.](?:19|20)\d\d(?![\d/-])(?!\.\d)"
    r"|(?<!\d[.,/-])(?:0[1-9]|1[0-2])-(?:19|20)\d\d(?![\w/.-])"
    r"|(?<!\d[.,/-])(?:19|20)\d\d[/-](?:0[1-9]|1[0-2])(?![\d/.-])(?![^\W_])"
    # a week of a year: 2021-W16-6, KW 16/2021
    r"|(?:19|20)\d\d-?W[0-5]\d(?:-?[1-7])?(?![^\W_])"
    r"|(?:KW|CW|week|wk|woche|semaine|semana|settimana)[ .]{0,2}[0-5]?\d(?:[/,. -]{1,2}| of )"
    r"(?:19|20)\d\d(?!\d|[.,]\d))",
    re.IGNORECASE,
)
_DAY_AND_MONTH = re.compile(
    rf"(?<![^\W_])(?:[0-3]?\d(?:st|nd|rd|th|\.)?[ _-]+(?:of |de )?(?:{LONG_NAME})(?![^\W_])"
    rf"|(?:{LONG_NAME})[ _-]+[0-3]?\d(?:st|nd|rd|th)?(?![^\W_])(?![.,]\d))",
    re.IGNORECASE,
)
_KNOWN_DAY = re.compile(
    rf"(?<![^\W_])(?<!\d[./-])(?:(?P<d>[0-3]?\d)(?:st|nd|rd|th|\.)?[ _-]*(?:of |de )?(?P<n>{NAME})"
    rf"|(?P<n2>{NAME})[ _.-]*(?P<d2>[0-3]?\d)(?:st|nd|rd|th)?"
    r"|(?:(?<=on )|(?<=from ))(?P<a3>\d\d?)/(?P<b3>\d\d?)"
    r"|(?P<a>\d\d)/(?P<b>\d\d)|(?P<a2>\d\d?)\.(?P<b2>\d\d?)\.)(?![^\W_])(?![./-]?\d)",
    re.IGNORECASE,
)
"""A day and a month that count only if a known date has them."""
_RUN = re.compile(r"(?<!\d)(?<!\d\.)(?:\d{6}|\d{8})(?!\d)")


def find_dates(text: str, *, known: Known, shift_days: int | None) -> Iterator[Span]:
    """Yield a span for every date in the text.

    Parameters
    ----------
    known
        Its dates tell day from month; its dates of birth are always removed.
    shift_days
        Whole days to move by; None removes every date, 0 leaves all but dates of birth.
    """
    text = plain_digits(text)
    taken = bytearray(len(text))
    for pattern in (
        _COMPACT,
        _YMD,
        _DMY,
        _D_NAME_Y,
        _NAME_D_Y,
        _Y_NAME_D,
        _ROMAN,
        _CJK,
        _NORDIC,
        _SHORT,
    ):
        for match in pattern.finditer(text):
            readings = _readings(match, known)
            if readings and not any(taken[match.start() : match.end()]):
                taken[match.start() : match.end()] = b"\1" * len(match.group())
                yield from _answer(match, readings, known=known, shift_days=shift_days)
    for match in _LOOSE.finditer(text):
        readings = _loose_readings(match, known)
        told = [day for day in readings if _is_known(day, known)]
        readings = told or (readings[:1] if is_day_by_place(match, text) else [])
        if readings and not any(taken[match.start() : match.end()]):
            taken[match.start() : match.end()] = b"\1" * len(match.group())
            yield from _answer(match, readings, known=known, shift_days=shift_days)
    for pattern in (_TIME_BEFORE_YEAR, _PARTIAL, _DAY_AND_MONTH, _CJK_MONTH):
        for match in pattern.finditer(text):
            if shift_days != 0 and not any(taken[match.start() : match.end()]):
                yield Span(match.start(), match.end(), RULE)
    for span in find_known_days(text, known=known, keep=shift_days == 0):
        if not any(taken[span.start : span.end]):
            yield span
    for match in _KNOWN_DAY.finditer(text):
        if not any(taken[match.start() : match.end()]) and _tells_known_day(
            match, known=known, keep=shift_days == 0
        ):
            yield Span(match.start(), match.end(), RULE)
    yield from find_told_days(text, known=known, keep=shift_days == 0)
    if shift_days != 0:
        yield from (Span(start, end, RULE) for start, end in find_days_by_place(text))
    yield from _known_compact(text, known=known, keep=shift_days == 0)
    for year in _telling_years(known):
        for match in re.finditer(rf"(?<![\d.,]){year}(?!\d|[.,]\d)", text):
            yield Span(match.start(), match.end(), RULE)


def _telling_years(known: Known) -> set[int]:
    """Return the years of birth that say that somebody was over 89."""
    # A date that says "never", 99991231, is no day of the patient's.
    last = max((day for day in known.dates if day.year < _NO_YEAR), default=None)
    if last is None:
        return set()
    return {day.year for day in known.birth_dates if last.year - day.year > _OLDEST_AGE}


def _tells_known_day(match: Match[str], *, known: Known, keep: bool) -> bool:
    """Return whether a day and a month are those of a known date."""
    days = known.birth_dates if keep else known.birth_dates | known.dates
    if name := match["n"] or match["n2"]:
        told = {(number_of(name), int(match["d"] or match["d2"]))}
    else:
        first, second = (
            int(match[name] or match[f"{name}2"] or match[f"{name}3"]) for name in "ab"
        )
        told = {(first, second), (second, first)}
    return any((day.month, day.day) in told for day in days)


def _answer(
    match: Match[str], readings: list[date], *, known: Known, shift_days: int | None
) -> Iterator[Span]:
    day = _choose(readings, known)
    birth = any(reading in known.birth_dates for reading in readings)
    if shift_days == 0 and not birth:
        return
    if day is None or birth or shift_days is None:
        yield Span(match.start(), match.end(), RULE)
        return
    try:
        moved = day + timedelta(days=shift_days)
    except OverflowError:
        yield Span(match.start(), match.end(), RULE)
        return
    misleads = _reads_as_known(match, day, moved, known)
    written = REMOVED if misleads else _rewrite(match, day, moved)
    yield Span(match.start(), match.end(), RULE, written)


def _reads_as_known(match: Match[str], day: date, moved: date, known: Known) -> bool:
    """Return whether a moved date could be taken for a known one: 10/12 for the 12th of October."""
    readings = [] if _is_known(day, known) else [moved]
    if "a" in match.groupdict() and moved.day != moved.month:
        readings += _valid(moved.year, moved.day, moved.month)
    return any(_is_known(reading, known) for reading in readings)


def _choose(readings: list[date], known: Known) -> date | None:
    if len(readings) == 1:
        return readings[0]
    told = [day for day in readings if day in known.dates]
    return told[0] if len(told) == 1 else None


def _readings(match: Match[str], known: Known) -> list[date]:
    groups = match.groupdict()
    if "a" in groups:
        return _in_known_centuries(_numeric_readings(groups), groups, known)
    month = number_of(groups["n"] or "") if "n" in groups else int(groups["m"] or "")
    found = _in_known_centuries(_valid(_year(groups["y"]), month, int(groups["d"])), groups, known)
    if groups.get("n") == _GERMAN_MR:
        return []
    if plain(groups.get("n") or "") in WORDS and len(groups["y"]) == _FEW_DIGITS:
        return [day for day in found if _is_known(day, known)]
    return found


def _numeric_readings(groups: dict[str, str | None]) -> list[date]:
    first, second, year = (groups[name] or groups.get(f"{name}1") or "" for name in "aby")
    found = _valid(_year(year), int(second), int(first))
    if "." in (groups["s"] or "") and found:
        return found
    found += _valid(_year(year), int(first), int(second))
    if len(year) == 2:
        found += _valid(_year(first), int(second), int(year))
    return list(dict.fromkeys(found))


def _loose_readings(match: Match[str], known: Known) -> list[date]:
    first, second, year = int(match["a"]), int(match["b"]), _year(match["y"])
    found = [*_valid(year, second, first), *_valid(year, first, second)]
    return _in_known_centuries(list(dict.fromkeys(found)), match.groupdict(), known)


def _in_known_centuries(
    readings: list[date], groups: dict[str, str | None], known: Known
) -> list[date]:
    """Read a year of two digits as the century before, too, if that day is known."""
    year = groups["y"] or groups.get("y1") or ""
    if len(year.lstrip("'")) > 2:
        return readings
    before = [old for day in readings for old in _valid(day.year - 100, day.month, day.day)]
    told = [day for day in before if _is_known(day, known)]
    return told or readings


def _is_known(day: date, known: Known) -> bool:
    return day in known.dates or day in known.birth_dates


def _valid(year: int, month: int, day: int) -> list[date]:
    try:
        return [date(year, month, day)]
    except ValueError:
        return []


def _year(written: str) -> int:
    digits = written.lstrip("'")
    if len(digits) > 2:
        return int(digits)
    return int(digits) + (2000 if int(digits) < _CENTURY_TURN else 1900)


def _rewrite(match: Match[str], day: date, moved: date) -> str:
    """Put the moved date in the place of the old one, part by part."""
    groups = match.groupdict()
    if "a" in groups:
        pairs = _numeric_parts(match, day, moved)
    else:
        pairs = [("y", moved.year), ("d", moved.day)]
        pairs += [("m", moved.month)] if "m" in groups else []
    text, base = match.group(), match.start()
    edits = [(match.span(name), _as_written(match.group(name), number)) for name, number in pairs]
    if "n" in groups:
        edits.append((match.span("n"), month_name(match.group("n"), moved.month)))
    if groups.get("o"):
        edits.append((match.span("o"), _ordinal(moved.day)))
    for (start, end), written in sorted(edits, reverse=True):
        text = text[: start - base] + written + text[end - base :]
    return text


def _numeric_parts(match: Match[str], day: date, moved: date) -> list[tuple[str, int]]:
    tail = "" if match["a"] else "1"  # the second half of _SHORT
    first, second, year = (match[f"{name}{tail}"] for name in "aby")
    same_year = int(year) == (day.year if len(year) > 2 else day.year % 100)
    if same_year and (int(second), int(first)) == (day.month, day.day):
        order = (moved.day, moved.month, moved.year)
    elif same_year and (int(first), int(second)) == (day.month, day.day):
        order = (moved.month, moved.day, moved.year)
    else:
        order = (moved.year % 100, moved.month, moved.day)
    return [(f"{name}{tail}", number) for name, number in zip("aby", order, strict=True)]


def _as_written(old: str, number: int) -> str:
    """Write a number with the width of the old one; a year of two digits keeps two."""
    mark = "'" if old.startswith("'") else ""
    digits = old.lstrip("'")
    if number > 99 and len(digits) <= 2:
        number %= 100
        return f"{mark}{number:02d}"
    return f"{mark}{number:0{len(digits)}d}"


def _ordinal(day: int) -> str:
    if day // 10 == 1:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def _known_compact(text: str, *, known: Known, keep: bool) -> Iterator[Span]:
    """Yield six or eight digits that are a known date, in an order that only it tells."""
    days = known.birth_dates if keep else known.birth_dates | known.dates
    written = {form for day in days for form in _compact_forms(day)} if days else frozenset()
    for match in _RUN.finditer(text):
        if match.group() in written:
            yield Span(match.start(), match.end(), RULE)


@lru_cache(maxsize=1024)
def _compact_forms(day: date) -> tuple[str, ...]:
    month_day, day_month = f"{day.month:02d}{day.day:02d}", f"{day.day:02d}{day.month:02d}"
    short = f"{day.year % 100:02d}"
    return (
        *(short + month_day, month_day + short, day_month + short),
        *(f"{month_day}{day.year:04d}", f"{day_month}{day.year:04d}"),
    )
