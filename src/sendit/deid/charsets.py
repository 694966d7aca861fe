"""Text in the character set that was declared, and back into it.

Every byte stays one: what the declared set cannot hold is read in a set that can, and what is
written goes back the way it came.

DICOM: PS3.5 6.1, PS3.3 C.12.1.1.2 (Specific Character Set).
"""

import warnings
from contextlib import suppress
from functools import lru_cache
from typing import Final

from pydicom.charset import convert_encodings, decode_bytes, encode_string

DELIMITERS: Final = set(b"\\^=\r\n\t\f")
"""Where a character set in force ends (PS3.5 6.1.2.5.3)."""
ESCAPE: Final = b"\x1b"
_SINGLE_BYTE: Final = frozenset(
    (
        *("iso8859", "latin_1", "iso8859_2", "iso8859_3", "iso8859_4", "iso_ir_126"),
        *("iso_ir_127", "iso_ir_138", "iso_ir_144", "iso_ir_148", "iso_ir_166"),
    )
)


def decode(value: bytes, charset: bytes) -> str:
    """Return a value as text, without padding.

    What is not declared, or does not fit its declaration, is read as UTF-8 if it is that,
    else as Latin-1.  UTF-8 declared as a set of one byte a character is read as UTF-8, too:
    nobody writes its sequences of signs in such a set by chance.
    """
    return _decode(value.strip(b" \0"), charset)[0]


def recode(value: bytes, charset: bytes, new: str) -> bytes:
    """Return ``new`` in the encoding that ``value`` turned out to have.

    ``new`` holds the characters of ``value`` and ASCII; what cannot be encoded all the same
    becomes a question mark.
    """
    if new.isascii():
        return new.encode("ascii")
    codec = _decode(value.strip(b" \0"), charset)[1]
    if codec:
        return new.encode(codec, "replace")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return encode_string(new, list(encodings(charset)))


def _decode(text: bytes, charset: bytes) -> tuple[str, str]:
    """Return the text and the codec that was used, empty for the declared one."""
    if text.isascii() and ESCAPE not in text:
        return text.decode("ascii"), "ascii"
    declared = encodings(charset)
    if _SINGLE_BYTE.issuperset(declared):
        with suppress(UnicodeError):
            return text.decode("utf-8"), "utf-8"
    if declared != ("iso8859",):
        try:
            with warnings.catch_warnings():
                # pydicom replaces what it cannot decode and only warns.
                warnings.simplefilter("error")
                return str(decode_bytes(text, list(declared), DELIMITERS)), ""
        except (LookupError, UnicodeError, UserWarning):
            pass
    try:
        return text.decode("utf-8"), "utf-8"
    except UnicodeError:
        return text.decode("latin-1"), "latin-1"


@lru_cache(maxsize=64)
def encodings(charset: bytes) -> tuple[str, ...]:
    """Return the codecs of a Specific Character Set; Latin-1 for what nobody knows."""
    names = [name.strip() for name in charset.decode("ascii", "replace").strip(" \0").split("\\")]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return tuple(convert_encodings(names))
    except (LookupError, ValueError):
        return ("iso8859",)
