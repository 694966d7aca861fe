"""Time zones in a configuration file."""

from datetime import UTC, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError


def zone_of(name: str) -> tzinfo:
    """Return the zone of a name that was checked; UTC needs no table of the machine's."""
    return UTC if name == "UTC" else ZoneInfo(name)


def _known(name: str) -> str:
    try:
        zone_of(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PydanticCustomError(
            "zone", 'is not a time zone that this machine knows; allowed: such as "Europe/Berlin"'
        ) from None
    return name


Zone = Annotated[str, AfterValidator(_known)]
"""The name of a time zone, ``Europe/Berlin``."""
