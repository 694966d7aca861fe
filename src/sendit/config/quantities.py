"""Read and write sizes and durations as a person does: ``"5 GB"``, ``"10 s"``.

Decimal units are powers of ten (``5 GB`` is 5 × 10⁹ bytes), binary ones powers of two
(``5 GiB``).  A bare number has no unit and is refused.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, PlainValidator
from pydantic_core import PydanticCustomError

_BYTES: Mapping[str, int] = {
    "B": 1,
    **{f"{letter}B": 1000**power for power, letter in enumerate("kMGTP", start=1)},
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGTP", start=1)},
}
_SECONDS: Mapping[str, int] = {
    "s": 1,
    "min": 60,
    "h": 3600,
    "day": 86400,
    "days": 86400,
    "week": 604800,
    "weeks": 604800,
}
_QUANTITY = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,9})?)\s*([A-Za-z]+)")


def parse_size(text: str) -> int:
    """Return the bytes that ``"5 GB"`` or ``"512 MiB"`` stands for.

    Raises
    ------
    ValueError
        When it is not a number with a unit, or not a whole number of bytes.
    """
    units = {unit.casefold(): factor for unit, factor in _BYTES.items()}
    number, unit = _split(text)
    if unit.casefold() not in units:
        raise ValueError("unknown unit")
    size = number * units[unit.casefold()]
    if size != int(size):
        raise ValueError("not a whole number of bytes")
    return int(size)


def format_size(size: int) -> str:
    """Return bytes in the largest unit that holds them as a whole number."""
    unit = max(
        (unit for unit, factor in _BYTES.items() if size % factor == 0),
        key=_BYTES.__getitem__,
    )
    return f"{size // _BYTES[unit]} {unit}" if size else "0 B"


def parse_duration(text: str) -> timedelta:
    """Return the time that ``"10 s"``, ``"5 min"``, ``"2 h"``, ``"7 days"`` stands for.

    Raises
    ------
    ValueError
        When it is not a number with a unit, or too long.
    """
    number, unit = _split(text)
    if unit not in _SECONDS:
        raise ValueError("unknown unit")
    microseconds = number * _SECONDS[unit] * 1_000_000
    try:
        return timedelta(microseconds=int(microseconds))
    except OverflowError:
        raise ValueError("too long") from None


def format_duration(duration: timedelta) -> str:
    """Return a time in the largest unit that holds it as a whole number."""
    for unit, plural in (("day", "days"), ("h", "h"), ("min", "min"), ("s", "s")):
        count, rest = divmod(duration, timedelta(seconds=_SECONDS[unit]))
        if count and not rest:
            return f"{count} {unit if count == 1 else plural}"
    seconds = Decimal(duration // timedelta(microseconds=1)).scaleb(-6)
    return f"{seconds:f}".rstrip("0").rstrip(".") + " s"


def _split(text: str) -> tuple[Decimal, str]:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise ValueError("not a number and a unit")
    return Decimal(match[1]), match[2]


def _size(value: object) -> int:
    try:
        return parse_size(str(value))
    except ValueError as error:
        raise PydanticCustomError(
            "size",
            'is not a size ({why}); allowed: a number and a unit such as "2 GB" or "512 MiB"',
            {"why": str(error)},
        ) from None


def _duration(value: object) -> timedelta:
    try:
        return parse_duration(str(value))
    except ValueError as error:
        raise PydanticCustomError(
            "duration",
            'is not a duration ({why}); allowed: a number and a unit such as "10 s", "5 min", '
            '"2 h", "7 days"',
            {"why": str(error)},
        ) from None


def _longer_than_nothing(duration: timedelta) -> timedelta:
    if not duration:
        raise PydanticCustomError("no_time", "must be longer than nothing")
    return duration


def _keep_or_duration(value: object) -> timedelta | Literal["keep"]:
    return "keep" if value == "keep" else _retention(value, words='"keep"')


def _remove_keep_or_duration(value: object) -> timedelta | Literal["remove", "keep"]:
    if value == "remove":
        return "remove"
    return "keep" if value == "keep" else _retention(value, words='"remove", "keep"')


def _retention(value: object, *, words: str) -> timedelta:
    try:
        return parse_duration(str(value))
    except ValueError:
        raise PydanticCustomError(
            "retention",
            'is no time with a unit; allowed: {words}, or a time such as "7 days"',
            {"words": words},
        ) from None


def _as_text(value: timedelta | str) -> str:
    return format_duration(value) if isinstance(value, timedelta) else value


Size = Annotated[int, BeforeValidator(_size), PlainSerializer(format_size, when_used="json")]
Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    AfterValidator(_longer_than_nothing),
    PlainSerializer(format_duration, when_used="json"),
]
Retention = Annotated[
    timedelta | Literal["remove", "keep"],
    PlainValidator(_remove_keep_or_duration),
    PlainSerializer(_as_text, when_used="json"),
]
KeepOrDuration = Annotated[
    timedelta | Literal["keep"],
    PlainValidator(_keep_or_duration),
    PlainSerializer(_as_text, when_used="json"),
]
