"""The standard's Basic Profile and its options, as an action per attribute.

Reads the tables in ``data/``: which action Table E.1-1 asks for under a set of options, and
which type each attribute has in an IOD, so that of ``X/Z/D`` the weakest is chosen that
keeps the object valid, and nothing that an IOD requires is removed.

What an action then does to the bytes is told in ``actions.py``.

DICOM: PS3.15 E.1.1, E.2, E.3 and Table E.1-1; PS3.3 (attribute types by module).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

OPTION_CODES: Final[Mapping[str, tuple[str, str]]] = {
    "clean-pixel-data": ("113101", "Clean Pixel Data Option"),
    "clean-recognizable-visual-features": (
        "113102",
        "Clean Recognizable Visual Features Option",
    ),
    "clean-graphics": ("113103", "Clean Graphics Option"),
    "clean-structured-content": ("113104", "Clean Structured Content Option"),
    "clean-descriptors": ("113105", "Clean Descriptors Option"),
    "retain-longitudinal-full-dates": (
        "113106",
        "Retain Longitudinal Temporal Information Full Dates Option",
    ),
    "retain-longitudinal-modified-dates": (
        "113107",
        "Retain Longitudinal Temporal Information Modified Dates Option",
    ),
    "retain-patient-characteristics": ("113108", "Retain Patient Characteristics Option"),
    "retain-device-identity": ("113109", "Retain Device Identity Option"),
    "retain-uids": ("113110", "Retain UIDs Option"),
    "retain-safe-private": ("113111", "Retain Safe Private Option"),
    "retain-institution-identity": ("113112", "Retain Institution Identity Option"),
}
"""Code and meaning of each option (PS3.16 CID 7050), for the De-identification Method."""
BASIC_CODE: Final = ("113100", "Basic Application Confidentiality Profile")

CLEAN_GRAPHICS: Final = "clean-graphics"
FULL_DATES: Final = "retain-longitudinal-full-dates"
MODIFIED_DATES: Final = "retain-longitudinal-modified-dates"

DATE_OPTIONS: Final = frozenset((FULL_DATES, MODIFIED_DATES))

STRENGTH: Final = {"X": 0, "Z": 1, "D": 2}
REQUIRED: Final = {"2": 1, "2C": 1, "1": 2, "1C": 2}

# They stand still while everything else moves, so together with their true dates, which a
# manufacturer knows, they would give the shift away.
DEVICE_DATES: Final = frozenset(
    (
        *(0x0014407E, 0x00181200, 0x00181201, 0x00181202, 0x00181203, 0x00181204, 0x00181205),
        *(0x0018700C, 0x0018700E),
    )
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with one attribute, and which rule says so."""

    action: str
    """``X Z D U C K``, or ``shift``."""
    rule: str
    """``basic``, ``beyond-table`` or ``option:NAME``."""


@cache
def table(name: str) -> Mapping[str, object]:
    """Return one of the tables in ``data/``."""
    text = (resources.files("sendit.deid") / "data" / f"{name}.json").read_text("utf-8")
    content: dict[str, object] = json.loads(text)
    return content


def edition() -> str:
    """Return the edition of the standard that Table E.1-1 is taken from."""
    return str(table("attributes")["edition"])


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of Table E.1-1."""

    basic: str
    options: Mapping[str, str]


@cache
def listed() -> Mapping[int, Listed]:
    """Return Table E.1-1 and what is said beyond it, by tag.

    Patterns such as ``60xx3000`` stand by their first tag.
    """
    return {**_rows("attributes"), **beyond()}


@cache
def beyond() -> Mapping[int, Listed]:
    """Return what is said beyond the table; ``data/beyond_table.json`` tells why."""
    return _rows("beyond_table")


def _rows(name: str) -> dict[int, Listed]:
    rows = table(name)["attributes"]
    assert isinstance(rows, dict)  # noqa: S101 - our own file
    return {
        int(tag.replace("X", "0"), 16): Listed(row["basic"], row["options"])
        for tag, row in rows.items()
    }


BEYOND_TABLE: Final = "beyond-table"
GRAPHICS_GROUP: Final = Listed("X", {})


def row_of(tag: int) -> Listed | None:
    """Return the row that speaks of ``tag``, or None."""
    rows = listed()
    # Curve and overlay groups go whole: what is left of one would describe what is gone, and
    # labels and drawings in them are written by people.
    if tag >> 24 in (0x50, 0x60):
        return GRAPHICS_GROUP
    return rows.get(tag)


class IodTypes:
    """The types of the attributes of one SOP Class; knows nothing of one that has no IOD here."""

    def __init__(self, sop_class_uid: str) -> None:
        content = table("iod_types")
        classes, iods, modules = content["sop_classes"], content["iods"], content["modules"]
        assert isinstance(classes, dict)  # noqa: S101 - our own file
        assert isinstance(iods, dict)  # noqa: S101
        assert isinstance(modules, dict)  # noqa: S101
        self.known = sop_class_uid in classes
        self._required: dict[tuple[int, int], int] = {}
        for module, _usage in iods.get(classes.get(sop_class_uid, ""), ()):
            for key, kind in modules.get(module, {}).items():
                parent, _, tag = key.rpartition("/")
                place = (int(parent, 16) if parent else 0, int(tag, 16))
                self._required[place] = max(self._required.get(place, 0), REQUIRED[kind])

    def required(self, parent: int, tag: int) -> int:
        """Return 2 if the attribute must have a value, 1 if it must be present, else 0.

        Conditions (types 1C and 2C) are taken as met: whoever wrote the attribute had a reason.
        ``parent`` is the sequence that holds it, 0 at the outermost level.
        """
        return self._required.get((parent, tag), 0)


class Profile:
    """The Basic Profile with a set of options."""

    def __init__(self, options: Sequence[str]) -> None:
        self.options = frozenset(options)

    def decide(self, tag: int, *, required: int, known_iod: bool) -> Decision | None:
        """Return what the table says about ``tag``, or None if it does not list it."""
        row = row_of(tag)
        if row is None:
            return None
        if tag in beyond() and self.options.isdisjoint(row.options):
            return Decision(row.basic, BEYOND_TABLE)
        if tag in DEVICE_DATES and FULL_DATES not in self.options:
            return Decision(fitting("X", required=required, known_iod=known_iod), "basic")
        asked = {name: code for name, code in row.options.items() if name in self.options}
        if MODIFIED_DATES in row.options:
            # An option that keeps the device or the patient keeps no day of theirs.
            asked = {name: code for name, code in asked.items() if name in DATE_OPTIONS}
        for code in ("K", "C"):
            for name, wanted in asked.items():
                if wanted == code:
                    return Decision(code, f"option:{name}")
        action = fitting(row.basic, required=required, known_iod=known_iod)
        return Decision(action, "basic")


def fitting(code: str, *, required: int, known_iod: bool) -> str:
    """Choose among the actions of a code such as ``X/Z/D`` the weakest that keeps the IOD valid.

    ``X/Z/U*`` means that the references inside are kept with new UIDs; that is what we do.
    Where the IOD is not known, the strongest of the choices is taken: it is always valid.
    """
    if "U" in code:
        return "U"
    choices = sorted(code.split("/"), key=STRENGTH.__getitem__)
    if not known_iod and len(choices) > 1:
        return choices[-1]
    for choice in choices:
        if STRENGTH[choice] >= required:
            return choice
    return "Z" if required == 1 else "D"
