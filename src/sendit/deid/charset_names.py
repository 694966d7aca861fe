"""What people write into Specific Character Set, and what they mean.

A term of the standard is left alone, a misspelt one (``ISO-IR 100``, ``UTF-8``) is set right, and
a set that the standard has no term for (``WINDOWS-1252``) is known by its codec, so that the text
can be written in another set.

DICOM: PS3.3 C.12.1.1.2, Tables C.12-2 to C.12-5.
"""

import re
from functools import lru_cache
from typing import Final

UTF_8: Final = "ISO_IR 192"
_ONE_BYTE: Final = frozenset(
    ("100", "101", "109", "110", "144", "127", "126", "138", "148", "203", "13", "166")
)
_EXTENSIONS: Final = frozenset((*_ONE_BYTE, "6", "87", "159", "149", "58"))
_ALONE: Final = frozenset((UTF_8, "GB18030", "GBK"))
TERMS: Final = frozenset(
    (
        *(f"ISO_IR {number}" for number in _ONE_BYTE),
        *(f"ISO 2022 IR {number}" for number in _EXTENSIONS),
        *_ALONE,
    )
)
"""The defined terms of Specific Character Set."""

_PARTS_OF_8859: Final = {
    **{"1": "100", "2": "101", "3": "109", "4": "110", "5": "144", "6": "127", "7": "126"},
    **{"8": "138", "9": "148", "11": "166", "15": "203"},
}
_OTHER_NAMES: Final = {
    **dict.fromkeys(("UTF8", "UNICODE", "ISOIR192", "ISO2022IR192", "ISO10646"), UTF_8),
    **dict.fromkeys(("LATIN1", "L1"), "ISO_IR 100"),
    **dict.fromkeys(("LATIN2", "L2"), "ISO_IR 101"),
    **dict.fromkeys(("ASCII", "USASCII", "ISO646", "ISOIR6", "ISO2022IR6"), "ISO_IR 100"),
    **dict.fromkeys(("GB18030", "GB180302000", "GB2312", "EUCCN"), "GB18030"),
    **dict.fromkeys(("GBK", "CP936", "ISO2022GBK"), "GBK"),
    "TIS620": "ISO_IR 166",
    "ISO202258": "ISO 2022 IR 58",
}
_CODECS: Final = {
    **dict.fromkeys(("WINDOWS1252", "CP1252", "ANSI", "MSANSI"), "cp1252"),
    **dict.fromkeys(("WINDOWS1250", "CP1250"), "cp1250"),
    **dict.fromkeys(("WINDOWS1251", "CP1251"), "cp1251"),
    **dict.fromkeys(("WINDOWS1253", "CP1253"), "cp1253"),
    **dict.fromkeys(("WINDOWS1254", "CP1254"), "cp1254"),
    **dict.fromkeys(("SHIFTJIS", "SJIS", "CP932", "WINDOWS31J"), "cp932"),
    **dict.fromkeys(("EUCJP",), "euc_jp"),
    **dict.fromkeys(("EUCKR", "CP949", "KSC5601"), "cp949"),
    **dict.fromkeys(("BIG5", "CP950"), "cp950"),
    **dict.fromkeys(("KOI8R",), "koi8_r"),
}
_SIGNS: Final = re.compile(r"[\s_.:-]+")
_REGISTERED: Final = re.compile(r"ISO(?P<extended>2022)?(?:IR)?(?P<number>\d{1,3})")
_8859: Final = re.compile(r"(?:ISO)?8859(?P<part>\d{1,2})")


def split(charset: bytes) -> list[str]:
    """Return the values of a Specific Character Set, without padding."""
    names = charset.decode("ascii", "replace").strip(" \0").split("\\")
    return [name.strip(" \0") for name in names]


@lru_cache(maxsize=256)
def meant_by(charset: bytes) -> tuple[str, ...] | None:
    """Return the terms of the standard that a value means, None if that is not clear.

    No term at all (an empty value) is the default repertoire.
    """
    names = split(charset)
    while len(names) > 1 and not names[-1]:
        names.pop()
    if len(names) == 1:
        name = names[0]
        term = name if not name or name in TERMS else _term(name)
        return None if term is None else (term,)
    terms = [_extension(name) for name in names]
    if any(term is None for term in terms):
        return None
    return tuple(term for term in terms if term is not None)


def codec_of(charset: bytes) -> str:
    """Return Python's name of a set that the standard has no term for; empty if unknown."""
    names = split(charset)
    return _CODECS.get(_bare(names[0]), "") if len(names) == 1 else ""


def _extension(name: str) -> str | None:
    """Return the term that one of several values means: all are code extensions."""
    if not name:
        return ""
    if _bare(name) in ("ASCII", "USASCII", "ISO646", "ISOIR6"):
        return "ISO 2022 IR 6"
    term = name if name in TERMS else _term(name)
    if term is None or term in _ALONE:
        return None
    return term.replace("ISO_IR ", "ISO 2022 IR ")


def _term(name: str) -> str | None:
    bare = _bare(name)
    if bare in _OTHER_NAMES:
        return _OTHER_NAMES[bare]
    if (found := _8859.fullmatch(bare)) and found["part"] in _PARTS_OF_8859:
        return f"ISO_IR {_PARTS_OF_8859[found['part']]}"
    if found := _REGISTERED.fullmatch(bare):
        number = found["number"]
        if not found["extended"] and number in _ONE_BYTE:
            return f"ISO_IR {number}"
        if number in _EXTENSIONS:
            return f"ISO 2022 IR {number}"
    return None


def _bare(name: str) -> str:
    return _SIGNS.sub("", name.upper())
