"""Sizes, durations and counts as a person reads them."""

from datetime import UTC, datetime, timedelta

_SIZES = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def size_text(size: int) -> str:
    """Return bytes in the largest fitting decimal unit: ``47.3 MB``."""
    for unit, factor in _SIZES:
        if size >= factor:
            return (
                f"{size / factor:.3g} {unit}" if size < 999 * factor else f"{size // factor} {unit}"
            )
    return f"{size} B"


def duration_text(duration: timedelta | None) -> str:
    """Return a duration in at most two units: ``0.42 s``, ``3 min 12 s``, ``2 days 4 h``."""
    if duration is None:
        return "–"
    seconds = duration.total_seconds()
    if seconds < 10:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    for name, factor, lower, lower_factor in (
        ("days", 86400, "h", 3600),
        ("h", 3600, "min", 60),
        ("min", 60, "s", 1),
    ):
        if whole >= factor:
            count, rest = divmod(whole, factor)
            word = "day" if name == "days" and count == 1 else name
            lesser = rest // lower_factor
            return f"{count} {word} {lesser} {lower}" if lesser else f"{count} {word}"
    return f"{whole} s"


def moment_text(moment: datetime | None) -> str:
    """Return a moment in UTC to the second: ``2026-05-04 10:15:00``."""
    return "–" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def count_text(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 file``, ``3 files``, ``2 batches``."""
    return f"{number} {one if number == 1 else many or one + 's'}"
