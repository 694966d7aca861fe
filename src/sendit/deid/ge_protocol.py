"""Two opaque GE elements, taken apart and built anew from fields that are numbers.

The element 1B of ``GEMS_SERS_01`` (group 0025) is a gzip file behind its length: lines of a
key and a quoted value, among them descriptions, UIDs and the exam's number, which the gzip
header repeats.  What is not named in ``data/opaque_private.toml`` goes; without the rest the
order of slices in functional series is lost.

The element 2A of ``GEMS_PARM_01`` (group 0043) is the scanner's memory of the scan.  Three
numbers in it tell the direction of phase encoding: where the pulse sequence's part begins (at
byte 24), that part's version, and its flags (132 bytes behind).  They were found by blanking
the rest and asking dcm2niix; everything else becomes zero.
"""

import gzip
import re
import struct
import tomllib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

_LENGTH = struct.Struct("<I")
_GZIP = 31
_MAX_TEXT = 1_000_000
_LINE = re.compile(r'(?<![A-Z0-9_])([A-Z][A-Z0-9_]*) "([^"]*)"')
_POINTER_AT, _FLAGS_BEHIND = 24, 132
_POINTER, _VERSION = struct.Struct("<I"), struct.Struct("<f")
_NEWEST_VERSION = 100.0
_NUMBER = re.compile(r"[+-]?\d{0,6}\.?\d{1,6}")


@dataclass(frozen=True, slots=True)
class _Keys:
    numbers: frozenset[str]
    series: frozenset[str]
    words: Mapping[str, frozenset[str]]


@lru_cache(maxsize=1)
def _keys() -> _Keys:
    data = (files("sendit.deid") / "data" / "opaque_private.toml").read_text("utf-8")
    table = tomllib.loads(data)["ge"]
    return _Keys(
        frozenset(table["numbers"].split()),
        frozenset(table["series"].split()),
        {key: frozenset(words) for key, words in table["words"].items()},
    )


def rebuild_ge_protocol(value: bytes) -> bytes | None:
    """Return the block with allowed numbers only, or None if it is none."""
    if len(value) <= _LENGTH.size:
        return None
    inflater = zlib.decompressobj(_GZIP)
    try:
        text = inflater.decompress(value[_LENGTH.size :], _MAX_TEXT).decode("latin-1")
    except zlib.error:
        return None
    if not inflater.eof:
        return None
    kept = "".join(f'{key} "{content}"\n' for key, content in _allowed(text).items())
    packed = gzip.compress(kept.encode("ascii"), mtime=0)
    block = _LENGTH.pack(len(packed)) + packed
    return block + bytes(len(block) % 2)


def rebuild_ge_user_data(value: bytes) -> bytes | None:
    """Return the scan's memory with three numbers in it, or None if they are not there."""
    if len(value) < _POINTER_AT + _POINTER.size:
        return None
    (begin,) = _POINTER.unpack_from(value, _POINTER_AT)
    flags_at = begin + _FLAGS_BEHIND
    if begin <= _POINTER_AT or flags_at + _POINTER.size > len(value):
        return None
    (version,) = _VERSION.unpack_from(value, begin)
    if not 1.0 <= version < _NEWEST_VERSION:
        return None
    new = bytearray(len(value) + len(value) % 2)
    for start in (_POINTER_AT, begin, flags_at):
        new[start : start + _POINTER.size] = value[start : start + _POINTER.size]
    return bytes(new)


def _allowed(text: str) -> dict[str, str]:
    keys = _keys()
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.search(line)
        if match is None:
            continue
        key, content = match.group(1), match.group(2).strip()
        if key in keys.words:
            chosen = [part for part in content.split(", ") if part in keys.words[key]]
            if chosen:
                found[key] = ", ".join(chosen)
        elif (key in keys.numbers and _NUMBER.fullmatch(content)) or (
            key in keys.series and _are_numbers(content)
        ):
            found[key] = content
    return found


def _are_numbers(content: str) -> bool:
    return all(_NUMBER.fullmatch(part) for part in re.split("[; ]+", content) if part)
