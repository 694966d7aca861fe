"""Text in the character set that was declared, and back into it.

Every byte is read: what the declared set cannot hold is read in a set that can.  Whoever writes
has to know whether that was so, for then the declaration is wrong and may not stand.

DICOM: PS3.5 6.1, PS3.3 C.12.1.1.2 (Specific Character Set).
"""

import re
import warnings
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Final

from sendit.deid.charset_names import codec_of, meant_by
from sendit.errors import Unreadable
from sendit.terms import Reason

_DELIMITERS: Final = set(b"\\\r\n\t\f")
"""Where a character set in force ends (PS3.5 6.1.2.5.3)…"""
_NAME_DELIMITERS: Final = _DELIMITERS | set(b"^=")
"""… and where it ends in names, too."""
ESCAPE: Final = b"\x1b"
_DEFAULT: Final = ("iso8859",)
_EXTENSIONS: Final = ("iso8859", "iso2022_jp", "iso2022_jp_2", "euc_kr", "iso_ir_58")
"""What escape sequences name by themselves, declared or not (PS3.3 Table C.12-4)."""
_LATIN_9: Final = "iso8859_15"
"""Of ISO_IR 203, which pydicom does not know."""
_SINGLE_BYTE: Final = frozenset(
    (
        *("iso8859", "latin_1", "iso8859_2", "iso8859_3", "iso8859_4", "iso_ir_126"),
        *("iso_ir_127", "iso_ir_138", "iso_ir_144", "iso_ir_148", "iso_ir_166", _LATIN_9),
    )
)
_JAPANESE: Final = re.compile(rb"(?:[\x81-\x9f\xe0-\xea][\x40-\x7e\x80-\xfc]){2}|\d\x94N ?\d")
"""Two characters in a row of Shift JIS, or the one for a year between digits."""
_CHINESE: Final = re.compile(
    rb"(?=.*(?:(?:[\xb0-\xfd][\xa1-\xfe]){2}|\d(?:\xc4\xea|\xb3\xe2) ?\d)"
    rb"|[\0-\x7f]*[\xb0-\xd7][\xa1-\xfe][\0-\x7f]*\^)"
    rb"(?:[\0-\x7f]|[\xa1-\xa9\xb0-\xfd][\xa1-\xfe])*",
    re.DOTALL,
)
"""Two bytes for each sign that is not ASCII, as GB 2312 has them, and two such signs in a row or
the sign for a year between digits.

In a name they may stand in components of their own.  Korean in two bytes reads like it, and makes
wrong words of right length; that is as good to find names by.
"""
_TWO_BYTES: Final = re.compile(rb"[\xa1-\xfd][\xa1-\xfe]")
_LAST_COMMON: Final = 0xD7
"""First byte of the last signs of GB 2312 level 1, which are in order of their sound."""
_LATIN: Final = frozenset(("iso8859", "latin_1"))
_NO_LETTERS: Final = re.compile(rb"[\x80-\x9f]")
"""Bytes that stand for nothing in any ISO 8859."""
_LONGEST_REST: Final = 3
"""Bytes of a character that was cut at the end of a value."""


def decode(value: bytes, charset: bytes, vr: bytes = b"") -> str:
    """Return a value as text, without padding; in a name (VR PN) sets end at its signs, too.

    What is not declared, or does not fit its declaration, is read as UTF-8 if it is that,
    else as Latin-1, or as Shift JIS or GB 2312 if it plainly is that.  UTF-8 declared as a set of
    one byte a character is read as UTF-8, too: nobody writes its sequences of signs in such a set
    by chance.
    """
    return _decode(value.strip(b" \0"), charset, vr)[0]


def decode_strictly(value: bytes, charset: bytes, vr: bytes = b"") -> tuple[str, bool]:
    """Return a value as text, and whether it is in the character set that was declared.

    Raises
    ------
    sendit.errors.Unreadable
        ``MALFORMED`` when nobody knows the declared set and the text could be in any.
    """
    return _decode(value.strip(b" \0"), charset, vr, strictly=True)


def encode(text: str, charset: bytes) -> bytes:
    """Return text in a character set; what that cannot hold becomes a question mark."""
    if text.isascii():
        return text.encode("ascii")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encoded: bytes = _pydicom().encode_string(text, list(encodings(charset)))
    return encoded


def _decode(text: bytes, charset: bytes, vr: bytes, *, strictly: bool = False) -> tuple[str, bool]:
    if text.isascii() and ESCAPE not in text:
        return text.decode("ascii"), True
    declared = encodings(charset)
    if _SINGLE_BYTE.issuperset(declared) and ESCAPE not in text:
        with suppress(UnicodeError):
            return text.decode("utf-8"), False
        if _NO_LETTERS.search(text) and _JAPANESE.search(text):
            with suppress(UnicodeError):
                return text.decode("cp932"), False
    if _LATIN.issuperset(declared) and (found := _as_chinese(text)) is not None:
        return found, False
    if declared != _DEFAULT and (ESCAPE not in text or len(declared) > 1):
        found = _as_declared(text, declared, vr)
        if found is not None:
            return found, not codec_of(charset)
    if ESCAPE in text and (found := _as_declared(text, _EXTENSIONS, vr)) is not None:
        return found, False
    with suppress(UnicodeError):
        return text.decode("utf-8"), False
    if strictly and meant_by(charset) is None:
        raise Unreadable(Reason.MALFORMED, "(0008,0005) names no character set")
    if declared != _DEFAULT:
        for length in range(1, _LONGEST_REST + 1):
            found = _as_declared(text[:-length], declared, vr)
            if found is not None:
                return found, False
    return _as_chinese(text) or text.decode("latin-1"), False


def _as_chinese(text: bytes) -> str | None:
    """Return text that nobody declared but that plainly is in GB 2312; None if it is not.

    Most signs of a Chinese text are common ones; two small letters of Cyrillic are a rare one.
    """
    if _CHINESE.fullmatch(text) is None:
        return None
    signs = _TWO_BYTES.findall(text)
    if 2 * sum(sign[0] <= _LAST_COMMON for sign in signs) < len(signs):
        return None
    try:
        return text.decode("gb18030")
    except UnicodeError:
        return None


def _as_declared(text: bytes, declared: tuple[str, ...], vr: bytes) -> str | None:
    delimiters = _NAME_DELIMITERS if vr == b"PN" else _DELIMITERS
    try:
        with warnings.catch_warnings():
            # pydicom replaces what it cannot decode and only warns.
            warnings.simplefilter("error")
            return str(_pydicom().decode_bytes(text, list(declared), delimiters))
    except (LookupError, UnicodeError, UserWarning):
        return None


@lru_cache(maxsize=1)
def _pydicom() -> ModuleType:
    """Import what most images do not need: their text is ASCII."""
    return import_module("pydicom.charset")


@lru_cache(maxsize=64)
def encodings(charset: bytes) -> tuple[str, ...]:
    """Return the codecs of a Specific Character Set; the default's for what nobody knows."""
    terms = meant_by(charset)
    if terms is None:
        return (codec_of(charset) or _DEFAULT[0],)
    if terms == ("ISO_IR 203",):
        return (_LATIN_9,)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return tuple(_pydicom().convert_encodings(list(terms)))
    except (LookupError, ValueError):
        return _DEFAULT
