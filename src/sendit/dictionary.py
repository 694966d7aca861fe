"""The standard's dictionaries as pydicom ships them: attributes, private elements, UIDs, terms.

Within pydicom they are four modules of plain data.  To import pydicom itself brings numpy, the
codecs and whatever these need, 0.2 s in which ``cp`` copies hundreds of images, and most
commands need none of it; so the data are read here without the package around them.

DICOM: PS3.6 (attributes and UIDs), PS3.16 (coded terms).
"""

import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Final, TypeAlias

Entry: TypeAlias = tuple[str, str, str, str, str]
"""VR ("OB or OW" where there is a choice), VM, name, "Retired" or empty, keyword."""
PrivateEntry: TypeAlias = tuple[str, str, str, str]
"""VR, VM, name, and empty."""
UidEntry: TypeAlias = tuple[str, str, str, str, str]
"""Name, type, further words, "Retired" or empty, keyword."""


def _data(name: str) -> ModuleType:
    name = f"pydicom.{name}"
    if name in sys.modules:
        return sys.modules[name]
    package = find_spec("pydicom")
    if package is None or package.origin is None:
        raise ImportError("pydicom is not installed")
    place = Path(package.origin).parent / f"{name[8:].replace('.', '/')}.py"
    loader = SourceFileLoader(name, str(place))
    module = module_from_spec(ModuleSpec(name, loader, origin=loader.path))
    loader.exec_module(module)
    # Where pydicom is imported after all, it finds them here and reads them no second time.
    sys.modules[name] = module
    return module


_ATTRIBUTES: Final = _data("_dicom_dict")
ATTRIBUTES: Final[Mapping[int, Entry]] = _ATTRIBUTES.DicomDictionary
"""Every attribute with one tag."""
REPEATERS: Final[Mapping[str, Entry]] = _ATTRIBUTES.RepeatersDictionary
"""The attributes of repeating groups, by a tag with ``x`` for the digits that differ."""
PRIVATE: Final[Mapping[str, Mapping[str, PrivateEntry]]] = _data(
    "_private_dict"
).private_dictionaries
"""By private creator, then by tag with ``xx`` for the block."""
UIDS: Final[Mapping[str, UidEntry]] = _data("_uid_dict").UID_dictionary
TAGS: Final[Mapping[str, int]] = {e[4]: tag for tag, e in ATTRIBUTES.items() if e[4]}
"""By keyword."""


def _mask(pattern: str) -> tuple[int, int, Entry]:
    fixed = "".join("0" if digit == "x" else "F" for digit in pattern)
    return int(pattern.replace("x", "0"), 16), int(fixed, 16), REPEATERS[pattern]


_MASKS: Final = tuple(_mask(pattern) for pattern in REPEATERS)


def entry_of(tag: int) -> Entry:
    """Return what the dictionary says of an attribute, one of a repeating group included.

    Raises
    ------
    KeyError
        When it does not list it.
    """
    found = ATTRIBUTES.get(tag)
    if found is not None:
        return found
    if not tag >> 16 & 1:
        for value, mask, entry in _MASKS:
            if tag & mask == value:
                return entry
    raise KeyError(tag)


def listed_vr(tag: int) -> str:
    """Return the VR of an attribute, "OB or OW" and the like where there is a choice.

    Raises
    ------
    KeyError
        When the dictionary does not list it.
    """
    return entry_of(tag)[0]


def keyword_of(tag: int) -> str:
    """Return the keyword of an attribute; empty when the dictionary does not list it."""
    try:
        return entry_of(tag)[4]
    except KeyError:
        return ""


def is_term(meaning: str) -> bool:
    """Return whether PS3.16 has a coded term that means this, whatever its scheme."""
    return meaning.strip(" \0").casefold() in _meanings()


@lru_cache(maxsize=1)
def _meanings() -> frozenset[str]:
    """Return what the terms of PS3.16 mean; read when it is asked for, since few files ask."""
    schemes = _data("sr._concepts_dict").concepts.values()
    terms = (term for scheme in schemes for codes in scheme.values() for term in codes.values())
    return frozenset(meaning.casefold() for meaning, _ in terms)


def private_name(tag: int, creator: str) -> str:
    """Return the name of a private element, empty when pydicom's list does not have it."""
    listed = PRIVATE.get(creator, {})
    group, element = f"{tag >> 16:04X}", f"{tag & 0xFFFF:04X}"
    for key in (group + element, f"{group}xx{element[2:]}", f"{group[:2]}xxxx{element[2:]}"):
        if key in listed:
            return listed[key][2]
    return ""
