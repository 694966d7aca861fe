"""A time of day between two hours, such as ``"20:00-06:00"``: at night, when the line is free.

The hours are those of this machine's clock and time zone.  A window that ends before it
begins goes over midnight.
"""

import re
from datetime import datetime, time, timedelta

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
    local = now.astimezone()
    at = local.time().replace(tzinfo=None)
    inside = begin <= at < end if begin < end else at >= begin or at < end
    if inside:
        return None
    day = local.date() if at < begin else local.date() + timedelta(days=1)
    return datetime.combine(day, begin).astimezone(now.tzinfo)
