"""The standard's tables as the gate reads them: what may stay, and what an object must have.

The gate resolves PS3.15 Table E.1-1 and the attribute types of PS3.3 with its own few lines,
not with the engine's profile.  It asks less than the engine does: not which action was right,
only what no action may leave and what no object may lack.
"""

import json
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from sendit.deid.release_content import Key, vr_of
from sendit.dictionary import ATTRIBUTES

RETAIN_UIDS = "retain-uids"
FULL_DATES = "retain-longitudinal-full-dates"
MODIFIED_DATES = "retain-longitudinal-modified-dates"
SAFE_PRIVATE = "retain-safe-private"
CLEAN_GRAPHICS = "clean-graphics"
CLEAN_PIXELS = "clean-pixel-data"

_OF_THINGS = ("retain-device-identity", "retain-institution-identity")
_DATES = (FULL_DATES, MODIFIED_DATES)
_GRAPHIC_TEXT = 0x00700006
"""Cleaned with the sequence around it, of which alone Table E.1-1 speaks."""
CODE_OF_OPTION = {
    CLEAN_PIXELS: "113101",
    "clean-recognizable-visual-features": "113102",
    CLEAN_GRAPHICS: "113103",
    "clean-structured-content": "113104",
    "clean-descriptors": "113105",
    FULL_DATES: "113106",
    MODIFIED_DATES: "113107",
    "retain-patient-characteristics": "113108",
    "retain-device-identity": "113109",
    RETAIN_UIDS: "113110",
    SAFE_PRIVATE: "113111",
    "retain-institution-identity": "113112",
}
BASIC_PROFILE = "113100"
_BARE = str.maketrans("", "", "(),")
OPTION_OF_CODE = {code: option for option, code in CODE_OF_OPTION.items()}


class Profile:
    """Table E.1-1 under one set of options."""

    def __init__(self, options: frozenset[str]) -> None:
        self.options = options
        self._actions: dict[int, str] = {}

    def action(self, tag: int) -> str:
        """Return ``K``, ``C``, the basic profile's code, or nothing when the tag is not listed."""
        try:
            return self._actions[tag]
        except KeyError:
            return self._actions.setdefault(tag, self._resolve(tag))

    def _resolve(self, tag: int) -> str:
        entry = _attributes().get(f"{tag:08X}") or _repeating(tag)
        if entry is None:
            return ""
        options = entry["options"]
        if MODIFIED_DATES in options:
            options = {name: options[name] for name in options if name in _DATES}
        chosen = {code for option, code in options.items() if option in self.options}
        if "K" in chosen:
            return "K"
        return "C" if chosen else str(entry["basic"])

    def names_things(self, tag: int) -> bool:
        """Return whether an option keeps the attribute since it tells a device or a place."""
        entry = _attributes().get(f"{tag:08X}")
        options = {} if entry is None else entry["options"]
        return any(options.get(one) == "K" for one in _OF_THINGS if one in self.options)

    def must_change(self, key: Key) -> bool:
        """Return whether the original value of this attribute may not stand in a result."""
        action = self.action(key >> 16)
        if key >> 16 == _GRAPHIC_TEXT and CLEAN_GRAPHICS in self.options:
            return False
        if action == "C":
            # Cleaned dates are other dates; cleaned text may be what it was.
            return vr_of(key) in ("DA", "DT") and MODIFIED_DATES in self.options
        return action not in ("", "K")


@lru_cache(maxsize=64)
def kept_uids(options: frozenset[str]) -> frozenset[int]:
    """Return the attributes whose UID an option keeps, such as the class of a device."""
    profile = Profile(options)
    tags = (int(name, 16) for name in _attributes() if "X" not in name)
    return frozenset(
        tag for tag in tags if profile.action(tag) == "K" and dictionary_is(tag, vr="UI")
    )


def dictionary_is(tag: int, *, vr: str) -> bool:
    """Return whether an attribute has one VR in the dictionary."""
    return tag in ATTRIBUTES and ATTRIBUTES[tag][0] == vr


@lru_cache(maxsize=256)
def required_types(sop_class_uid: str) -> dict[str, str]:
    """Return the Type of each attribute of an IOD by path, from its mandatory modules."""
    tables = _tables("iod_types.json")
    iod = tables["sop_classes"].get(sop_class_uid)
    types: dict[str, str] = {}
    for module, usage in tables["iods"].get(iod, ()):
        if usage != "M":
            continue
        for path, kind in tables["modules"].get(module, {}).items():
            if kind < types.get(path, "9"):
                types[path] = kind
    return types


def place_of(path: str, tag: int) -> str:
    """Return the path of an attribute as the table of types writes it."""
    return path.translate(_BARE) + f"{tag:08X}"


@cache
def safe_private() -> frozenset[tuple[int, str, int]]:
    """Return the safe private elements: group, creator, last byte of the element."""
    rows = [
        (row["group"], row["creator"], row["element"])
        for row in _tables("safe_private.json")["elements"]
    ]
    rows += [
        (block["group"], block["creator"], element)
        for block in _tables("vendor_private.json")["blocks"]
        for element in block["elements"]
    ]
    return frozenset(
        (int(group, 16), creator.casefold(), int(element, 16)) for group, creator, element in rows
    )


@cache
def _attributes() -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = _tables("attributes.json")["attributes"]
    return {**table, **_tables("beyond_table.json")["attributes"]}


@cache
def removed_beyond_table() -> frozenset[int]:
    """Return what goes whatever its Type: the condition under which it stands does not hold."""
    rows = _tables("beyond_table.json")["attributes"]
    gone = (tag for tag, row in rows.items() if row["basic"] == "X" and not row["options"])
    return frozenset(int(tag, 16) for tag in gone)


def _repeating(tag: int) -> dict[str, Any] | None:
    group, element = tag >> 16, tag & 0xFFFF
    if group & 0xFF01 == 0x5000:
        return _attributes()["50XXXXXX"]
    if group & 0xFF01 == 0x6000:
        return _attributes().get(f"60XX{element:04X}")
    return None


@cache
def _tables(name: str) -> dict[str, Any]:  # JSON; each caller knows the shape of its own
    text = (files("sendit.deid") / "data" / name).read_text("utf-8")
    tables: dict[str, Any] = json.loads(text)
    return tables
