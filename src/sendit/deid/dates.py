"""Shift dates by a whole number of days.

Longitudinal studies keep their intervals: every date of one patient moves by the same
amount.  Only DA and DT values move; a time of day (TM) is left alone, since moving whole
days does not change it.  The amount comes from ``Identities``; nothing is drawn here.

What cannot be understood as a date is not passed on: it becomes empty.  A DT that names only
a year or a month is taken as its first day, so that it too moves by whole days and never
keeps its value.

DICOM: PS3.15 E.3.6 (Retain Longitudinal Temporal Information, Modified Dates), PS3.5 6.2.
"""

import re
from datetime import date, timedelta
from typing import Final

OLD_DATE: Final = re.compile(r"(\d{4})[.\-/](\d{1,2})[.\-/](\d{1,2})$", re.ASCII)
"""As ACR-NEMA wrote it (PS3.5 6.2, note on backward compatibility), or with other marks."""
RANGE: Final = re.compile(r"(\d{8})?\s*-\s*(\d{8})?$", re.ASCII)
DATE_TIME: Final = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})((?:\d{2}){0,3}(?:\.\d{1,6})?)?)?)?([+-]\d{4})?$", re.ASCII
)


def shift_date(value: str, *, days: int) -> str:
    """Move one DA value by ``days`` and return it, again as ``YYYYMMDD``; empty if it is none."""
    text = value.strip(" \0")
    if len(text) == 8 and text.isascii() and text.isdigit():
        return _moved(text[:4], text[4:6], text[6:], days)
    if found := OLD_DATE.match(text):
        return _moved(found[1], found[2], found[3], days)
    if (found := RANGE.match(text)) and (found[1] or found[2]):
        ends = [shift_date(end, days=days) if end else "" for end in (found[1], found[2])]
        return "-".join(ends) if any(ends) else ""
    if len(text) in (4, 6) and text.isascii() and text.isdigit():
        return _moved(text[:4], text[4:] or "01", "01", days)
    if len(text) > 8 and DATE_TIME.match(text):
        return shift_date(text[:8], days=days)
    return ""


def shift_datetime(value: str, *, days: int) -> str:
    """Move one DT value by ``days``; time of day, fraction and zone stay. Empty if it is none."""
    text = value.strip(" \0")
    found = DATE_TIME.match(text)
    if found is None:
        return shift_date(text, days=days)
    year, month, day, time, zone = found.groups()
    moved = _moved(year, month or "01", day or "01", days)
    return f"{moved}{time or ''}{zone or ''}" if moved else ""


def shift_values(value: str, *, days: int, with_time: bool) -> str:
    """Move each value of a multi-valued DA or DT."""
    shift = shift_datetime if with_time else shift_date
    return "\\".join(shift(part, days=days) for part in value.split("\\"))


def _moved(year: str, month: str, day: str, days: int) -> str:
    try:
        moved = date(int(year), int(month), int(day)) + timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    return f"{moved.year:04d}{moved.month:02d}{moved.day:02d}"
