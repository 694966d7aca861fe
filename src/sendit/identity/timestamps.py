"""The timestamps of the protocol: sent with ``Z``, answered with an offset, read in any form.

What is written before the zone is the wall clock of the hospital, whatever the zone says:
a service moves the day and leaves the clock alone.
"""

import re
from datetime import date, datetime, timedelta, tzinfo

_FORM = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,6})?(Z|[+-]\d\d:?\d\d)", re.ASCII)
_WALL = "%Y-%m-%dT%H:%M:%S"


def midnight(dicom_date: str) -> str:
    """Return a DICOM date (VR DA, ``YYYYMMDD``) as the protocol sends it, or nothing.

    A value that is no date has no timestamp.
    """
    try:
        day = datetime.strptime(dicom_date.strip(), "%Y%m%d")  # noqa: DTZ007  a wall clock
    except ValueError:
        return ""
    return f"{day:%Y-%m-%d}T00:00:00Z"


def wall_clock(timestamp: str) -> datetime:
    """Return the wall clock that a timestamp tells, without a zone.

    Raises
    ------
    ValueError
        When it is none: ``YYYY-MM-DDTHH:MM:SS``, milliseconds or not, ``Z`` or an offset.
    """
    match = _FORM.fullmatch(timestamp)
    if match is None:
        raise ValueError("not a timestamp")
    return datetime.strptime(match[1], _WALL)  # noqa: DTZ007  what the clock on the wall said


def day_of(timestamp: str, *, zone: tzinfo | None) -> date:
    """Return the day of a timestamp: as it is written, or as it is in a zone.

    Raises
    ------
    ValueError
        As ``wall_clock``.
    """
    written = wall_clock(timestamp)
    if zone is None:
        return written.date()
    offset = timestamp[19:].lstrip(".0123456789").replace("Z", "+0000")
    moment = datetime.strptime(f"{written.isoformat()}{offset}", f"{_WALL}%z")
    return moment.astimezone(zone).date()


def moved(timestamp: str, *, days: int, zone: tzinfo) -> str:
    """Return a timestamp moved by whole days: the clock stays, the zone is the service's.

    Raises
    ------
    ValueError
        When it is none, or leaves the calendar.
    """
    try:
        then = wall_clock(timestamp) + timedelta(days=days)
    except OverflowError:
        raise ValueError("leaves the calendar") from None
    offset = then.replace(tzinfo=zone).utcoffset() or timedelta(0)
    sign = "-" if offset < timedelta(0) else "+"
    hours, minutes = divmod(int(abs(offset).total_seconds()) // 60, 60)
    return f"{then.isoformat()}{sign}{hours:02}{minutes:02}"
