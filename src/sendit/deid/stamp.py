"""The attributes that say what was done to an instance.

DICOM: PS3.15 E.1.1 (Patient Identity Removed, De-identification Method and its Code
Sequence), E.3.6 (Longitudinal Temporal Information Modified), PS3.16 CID 7050.
"""

from functools import lru_cache

from sendit import __version__
from sendit.deid.profile import BASIC_CODE, OPTION_CODES
from sendit.deid.recipe import Recipe
from sendit.deid.syntax import Syntax


@lru_cache(maxsize=64)
def stamps(recipe: Recipe, syntax: Syntax) -> tuple[tuple[int, bytes], ...]:
    """Return (tag, encoded element) of every marker, in order of tags."""
    codes = [BASIC_CODE, *(OPTION_CODES[option] for option in recipe.options)]
    codes.sort()
    items = b"".join(_item(_code(value, meaning, syntax), syntax) for value, meaning in codes)
    elements = (
        (0x00120062, b"CS", b"YES "),
        (0x00120063, b"LO", _even(_method(recipe))),
        (0x00120064, b"SQ", items),
        (0x00280303, b"CS", _even(recipe.dates)),
    )
    return tuple((tag, syntax.element(tag, vr, value)) for tag, vr, value in elements)


def _method(recipe: Recipe) -> str:
    """Return the method as text: who, and by which edition; each value up to 64 characters."""
    return f"sendit {__version__}\\PS3.15 {recipe.edition}, preset {recipe.preset}"


def _code(value: str, meaning: str, syntax: Syntax) -> bytes:
    return (
        syntax.element(0x00080100, b"SH", _even(value))
        + syntax.element(0x00080102, b"SH", b"DCM ")
        + syntax.element(0x00080104, b"LO", _even(meaning))
    )


def _item(content: bytes, syntax: Syntax) -> bytes:
    order = "little" if syntax.little else "big"
    length = len(content).to_bytes(4, "little" if order == "little" else "big")
    return syntax.tag_bytes(0xFFFEE000) + length + content


def _even(value: str) -> bytes:
    data = value.encode("ascii")
    return data + b" " if len(data) & 1 else data
