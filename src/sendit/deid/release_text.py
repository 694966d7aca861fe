"""Bytes to text for the release check, by declared character set and by what they look like.

A character set may be declared wrongly, so text that is not ASCII is read in each way that
makes sense of it: as declared, as UTF-8 if it is valid UTF-8, and as Latin-1.
"""

import re
import struct
import warnings
from functools import lru_cache
from importlib import import_module
from types import ModuleType

TEXT_VRS = frozenset(("LO", "SH", "ST", "LT", "UT", "UC", "PN", "UR", "AE"))
NUMBER_VRS = frozenset(("DS", "IS"))
TIME_VRS = frozenset(("DA", "DT", "TM"))
INTEGER_CODES = {"UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}

_ALL_EXTENSIONS = b"\\ISO 2022 IR 87\\ISO 2022 IR 159\\ISO 2022 IR 149\\ISO 2022 IR 58"
_TERM = re.compile(
    rb"|GB18030|GBK|ISO_IR (?:13|10[019]|110|126|127|138|144|148|166|192|203)"
    rb"|ISO 2022 IR (?:6|13|58|87|10[019]|110|126|127|138|144|148|149|159|166|203)"
)
_C1 = re.compile(rb"[\x80-\x9f]")
"""What Latin-1 has no letters for."""
_DELIMITERS = frozenset(b"\t\n\f\r")
"""Where a character set in force ends (PS3.5 6.1.2.5.3)."""
_PLAIN_RUN = re.compile(rb"[\x20-\x7e\xa0-\xff]{4,}")
_TEXT = re.compile(rb"[\t\n\r\x1b\x20-\x7e\x80-\xff]+")
_WIDE_RUN = re.compile(rb"(?:[\x20-\x7e]\x00){4,}+")

_LINES = re.compile(rb"[\x20-\x7e]{6,}|(?:[\x20-\x7e]\x00){6,}+|(?:\x00[\x20-\x7e]){6,}+")
"""Letters in a row that hardly ever stand among bytes by chance."""
_SWAPPED_RUN = re.compile(rb"(?:\x00[\x20-\x7e]){4,}+")


@lru_cache(maxsize=256)
def is_defined(charset: bytes) -> bool:
    """Return whether every value of a Specific Character Set is a term of PS3.3 C.12.1.1.2."""
    return all(_TERM.fullmatch(name.strip()) for name in charset.strip(b" \0").split(b"\\"))


def readings(value: bytes, charset: bytes) -> tuple[str, ...]:
    """Return the texts that ``value`` may be; the declared character set comes first."""
    if b"\0" in value.rstrip(b" \0"):
        apart, together = value.replace(b"\0", b" "), value.replace(b"\0", b"")
        return (*readings(apart, charset), *readings(together, charset))
    if value.isascii() and b"\x1b" not in value:
        return (value.decode("ascii").rstrip(" \0"),)
    texts = [_declared(value, charset)]
    if b"\x1b" in value:
        texts.append(_declared(value, _ALL_EXTENSIONS))
    try:
        texts.append(value.decode("utf-8"))
    except UnicodeDecodeError:
        texts.append(value.decode("gb18030", "replace"))
        if _C1.search(value):
            texts.append(value.decode("cp932", "replace"))
    texts.append(value.decode("latin-1"))
    return tuple(dict.fromkeys(text.rstrip(" \0") for text in texts))


def is_text(value: bytes) -> bool:
    """Return whether a value of unknown VR is one text, in whatever character set."""
    return _TEXT.fullmatch(value.rstrip(b" \0")) is not None


def numbers_in(vr: str, value: bytes) -> tuple[float, ...]:
    """Return the binary numbers that a value holds, little endian."""
    code = INTEGER_CODES[vr]
    return struct.unpack_from(f"<{len(value) // struct.calcsize(code)}{code}", value)


def text_in(value: bytes) -> str:
    """Return what a binary value holds of text, eight and sixteen bits wide, one run a line."""
    plain = b"\n".join(_PLAIN_RUN.findall(value))
    wide = b"\n".join(run[::2] for run in _WIDE_RUN.findall(value))
    swapped = b"\n".join(run[1::2] for run in _SWAPPED_RUN.findall(value))
    return b"\n".join((plain, wide, swapped)).decode("latin-1")


def letters_among(value: bytes) -> bytes:
    """Return the runs of ASCII letters, too long for chance, that stand among other bytes."""
    return b"\n".join(_LINES.findall(value))


def _declared(value: bytes, charset: bytes) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return str(_pydicom().decode_bytes(value, _encodings(charset), _DELIMITERS))
        except (LookupError, UnicodeError, ValueError):
            return value.decode("latin-1")


@lru_cache(maxsize=1)
def _pydicom() -> ModuleType:
    """Import what most images do not need: their text is ASCII."""
    return import_module("pydicom.charset")


@lru_cache(maxsize=256)
def _encodings(charset: bytes) -> list[str]:
    names = charset.decode("ascii", "replace").strip(" \0").split("\\")
    try:
        return list(_pydicom().convert_encodings([name.strip() for name in names] or [""]))
    except (LookupError, UnicodeError, ValueError):
        return ["latin-1"]
