"""Private elements: which may stay, and what has to be done to them first.

A private element is known by the creator of its block (the value at ``gggg,00bb``) and the
last two digits of its own number.  Three lists say which are safe: Table E.3.10-1 of PS3.15,
the diffusion, mosaic, timing and PET elements of the large vendors
(``data/vendor_private.json``, each with its source), and what a site adds.  All others go.

What stays is still cleaned like any other element of its VR by the caller: text is searched,
UIDs are replaced, dates move, items of sequences are walked.  An element of opaque VR stays
only in the form that a parser builds anew (``csa``, ``ge_protocol``); one that is listed as
safe but has no parser holds the instance, for a person to decide.

DICOM: PS3.5 7.8 (private elements), PS3.15 E.3.10 (Retain Safe Private Option).
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files

from sendit.deid.csa import rebuild_csa
from sendit.deid.ge_protocol import rebuild_ge_protocol, rebuild_ge_user_data

Parser = Callable[[bytes], bytes | None]
"""Turns an opaque value into one without identifiers; None when it cannot."""

OPAQUE_VRS = frozenset(("OB", "OW", "OF", "OD", "OL", "OV", "UN"))
_BLOCK = 0xFF
_SIEMENS_CSA = "siemens csa header"
_PARSERS: Mapping[tuple[int, str, int], Parser] = {
    (0x0029, _SIEMENS_CSA, 0x10): rebuild_csa,
    (0x0029, _SIEMENS_CSA, 0x20): rebuild_csa,
    (0x0025, "gems_sers_01", 0x1B): rebuild_ge_protocol,
    (0x0043, "gems_parm_01", 0x2A): rebuild_ge_user_data,
}


class Fate(StrEnum):
    """What becomes of one private element."""

    REMOVE = "remove"
    KEEP = "keep"
    REBUILD = "rebuild"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class SafeElement:
    """One private element that may stay."""

    group: int
    creator: str
    element: int
    """The last two hexadecimal digits of its number."""
    vr: str
    """Its VR where a file says UN or nothing; empty when nobody knows."""
    source: str
    """Who says that it is safe."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with one private element."""

    fate: Fate
    vr: str = ""
    """The VR it is taken to have."""
    parser: Parser | None = None


REMOVED = Decision(Fate.REMOVE)


class SafePrivate:
    """The safe private elements of one recipe.

    Parameters
    ----------
    extra
        What the site adds.
    shipped
        Whether the shipped lists count, too.
    releases_opaque
        Whether listed elements of opaque VR without a parser go on as they are: the line by
        which a recipe releases what would be held.
    """

    def __init__(
        self,
        extra: Iterable[SafeElement] = (),
        *,
        shipped: bool = True,
        releases_opaque: bool = False,
    ) -> None:
        self._elements = {
            (one.group, _creator(one.creator), one.element): one
            for one in (*(shipped_elements() if shipped else ()), *extra)
        }
        self._creators = frozenset(creator for _, creator, _ in self._elements)
        self._releases_opaque = releases_opaque

    def knows(self, creator: str) -> bool:
        """Return whether anything of a creator is on a list."""
        return _creator(creator) in self._creators

    def decide(self, tag: int, vr: str, creator: str) -> Decision:
        """Say what becomes of a private element.

        Parameters
        ----------
        tag
            Its whole tag; the block digits do not matter.
        vr
            As the file has it; ``UN`` or empty if it does not say.
        creator
            The value of its block's creator element; empty when there is none.
        """
        if not creator:
            return REMOVED
        place = (tag >> 16, _creator(creator), tag & _BLOCK)
        listed = self._elements.get(place)
        if listed is None:
            return REMOVED
        parser = _PARSERS.get(place)
        if parser is not None:
            return Decision(Fate.REBUILD, "OB", parser)
        meant = vr if vr not in ("", "UN") else listed.vr
        if not meant:
            return REMOVED
        if meant in OPAQUE_VRS:
            return Decision(Fate.KEEP if self._releases_opaque else Fate.HOLD, meant)
        return Decision(Fate.KEEP, meant)


def rebuilt_tags() -> frozenset[int]:
    """Return every tag, whatever its block, under which an element is built anew."""
    return frozenset(
        group << 16 | block << 8 | element
        for group, _, element in _PARSERS
        for block in range(0x10, _BLOCK + 1)
    )


def is_creator(tag: int) -> bool:
    """Return whether a tag is a Private Creator: ``gggg,0010`` to ``gggg,00FF``, odd group."""
    return bool(tag >> 16 & 1) and 0x10 <= (tag & 0xFFFF) <= _BLOCK


def creator_tag(tag: int) -> int:
    """Return the tag of the Private Creator that reserves a private element's block."""
    return (tag & 0xFFFF0000) | (tag >> 8 & _BLOCK)


@lru_cache(maxsize=1)
def shipped_elements() -> tuple[SafeElement, ...]:
    """Return every element that the shipped lists call safe."""
    data = files("sendit.deid") / "data"
    standard = json.loads((data / "safe_private.json").read_text("utf-8"))
    vendors = json.loads((data / "vendor_private.json").read_text("utf-8"))
    found = [
        _element(row["group"], row["creator"], row["element"], row["vr"], standard["source"])
        for row in standard["elements"]
    ]
    for block in vendors["blocks"]:
        source = "; ".join(vendors["sources"][name] for name in block["sources"])
        found += [
            _element(block["group"], block["creator"], element, vr, source)
            for element, (vr, _) in block["elements"].items()
        ]
    return tuple(found)


def _element(group: str, creator: str, element: str, vr: str, source: str) -> SafeElement:
    return SafeElement(int(group, 16), creator, int(element, 16), vr, source)


def _creator(name: str) -> str:
    return name.strip(" \0").casefold()
