"""A time of day between two hours, such as ``"20:00-06:00"``: at night, when the line is free.

The hours are those of this machine's clock and time zone (``TZ``).  A window that ends before
it begins goes over midnight.
"""

import re
from datetime import UTC, date, datetime, time, timedelta

_WINDOW = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")


def parse_window(text: str) -> tuple[time, time] | None:
    """Return when a window begins and ends; None for an empty text: always.

    Raises
    ------
    ValueError
        When the text is no window, or one of no length.
    """
    if not text:
        return None
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise ValueError("not of the form HH:MM-HH:MM")
    first, second, third, fourth = map(int, found.groups())
    begin, end = time(first, second), time(third, fourth)
    if begin == end:
        raise ValueError("begins when it ends")
    return begin, end


def opens_at(text: str, *, now: datetime) -> datetime | None:
    """Return when a window opens next; None when it is open now.

    Parameters
    ----------
    text
        The window, as in the project's file.
    now
        In any time zone; the window counts in that of this machine.
    """
    window = parse_window(text)
    if window is None:
        return None
    begin, end = window
    today = now.astimezone().date()
    days = (today + timedelta(days=number) for number in range(-1, 3))
    # As moments: an hour of the clock on the wall comes twice, or never, once a year.
    opens = next(
        _moment(day, begin)
        for day in days
        if now < _moment(day if begin < end else day + timedelta(days=1), end)
    )
    return None if opens <= now else opens.astimezone(now.tzinfo)


def _moment(day: date, hour: time) -> datetime:
    """Return when the clock of this machine first shows an hour of a day."""
    return datetime.fromtimestamp(datetime.combine(day, hour).timestamp(), UTC)
