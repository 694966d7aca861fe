"""Errors and alerts for a person to read: what was said of many files is said once.

Takes entries as ``status.describe`` gives them, which keeps one for each file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any  # an entry is a JSON object

SHOWN = 5
"""Places that are named; ``status --json`` has them all."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message, and how many files it is about."""

    time: str
    """When it was said first, ISO 8601 in UTC to the second."""
    stage: str
    code: str
    message: str
    resolved: str
    """How it was settled; empty while it is open."""
    count: int
    places: str = field(repr=False)
    """The first of the images and files, as text; may identify."""

    @property
    def times(self) -> str:
        """How often it was said, or nothing if once."""
        return f"({self.count} times)" if self.count > 1 else ""


def said_once(entries: Sequence[Mapping[str, Any]]) -> list[Said]:
    """Return what the entries say, alike ones together, in the order of the first of each."""
    alike: dict[tuple[str, str, str, str], list[Mapping[str, Any]]] = {}
    for entry in entries:
        key = (entry["stage"], entry["code"], entry["message"], entry["resolved"] or "")
        alike.setdefault(key, []).append(entry)
    return [
        Said(_second(same[0]["time"]), *key, len(same), _places(same))
        for key, same in alike.items()
    ]


def _places(entries: Sequence[Mapping[str, Any]]) -> str:
    places = list(dict.fromkeys(place for entry in entries if (place := _place(entry))))
    more = f", and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
    return ", ".join(places[:SHOWN]) + more


def _place(entry: Mapping[str, Any]) -> str:
    """Return what an entry is about: a target, or an image, and its file while it is known."""
    target = f"target {entry['target']}" if entry["target"] else ""
    number = f"image {entry['number']}" if entry["image"] else ""
    return " ".join(filter(None, (target, number, entry["file"])))


def _second(moment: str) -> str:
    return f"{moment.removesuffix('Z').partition('.')[0]}Z"
