"""Siemens CSA headers, taken apart and built anew from fields that are numbers.

A CSA header (``SIEMENS CSA HEADER``, elements 10 and 20 of group 0029) is a binary table of
named fields.  It holds what research needs (b-values, gradient directions, slice times of a
mosaic) beside the patient's name, dates, serial numbers and free text.  Here every field goes
that ``data/opaque_private.toml`` does not name, an item that has not the shape it should have
becomes empty, and of the protocol inside (MrPhoenixProtocol) the numeric parameters on the
list stay.  The result is a valid table; what cannot be read as one gives None, and the element
goes.

Two forms exist: ``SV10`` (since software VB) and the older one without a mark (CSA1).
"""

import re
import struct
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

_MARK = b"SV10"
_INTRO = struct.Struct("<4s4s2I")
_COUNTS = struct.Struct("<2I")
_FIELD = struct.Struct("<64si4s3i")
_ITEM = struct.Struct("<4i")
_MAX_FIELDS = 1000
_CHECK = 77
_SYNC = 205
_PROTOCOLS = frozenset(("MrPhoenixProtocol", "MrProtocol"))

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_LONGEST_WHOLE = 8
_BEGIN, _END = "### ASCCONV BEGIN", "### ASCCONV END ###"
_ASSIGNMENT = re.compile(r"([A-Za-z][\w.\[\]]*)\s*=\s*(\S+)")
_INDEX = re.compile(r"\[\d+\]")
_PARAMETER = re.compile(r"0x[0-9a-fA-F]{1,8}|[+-]?\d*\.?\d+(?:[eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    vm: int
    vr: bytes
    syngo_type: int
    check: int
    items: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class CsaFields:
    """Which fields may stay, and what their items must look like."""

    numbers: frozenset[str]
    words: Mapping[str, frozenset[str]]
    patterns: Mapping[str, re.Pattern[str]]
    parameters: tuple[str, ...]
    """Beginnings of numeric protocol parameters."""
    excluded: tuple[str, ...]
    texts: Mapping[str, re.Pattern[str]]
    """Quoted protocol values that may stay, and what they must look like."""


@lru_cache(maxsize=1)
def csa_fields() -> CsaFields:
    """Return the fields that sendit lets through."""
    table = tomllib.loads(
        (files("sendit.deid") / "data" / "opaque_private.toml").read_text("utf-8")
    )
    csa, protocol = table["csa"], table["ascconv"]
    return CsaFields(
        frozenset(csa["numbers"].split()),
        {name: frozenset(words) for name, words in csa["words"].items()},
        {name: re.compile(pattern) for name, pattern in csa["patterns"].items()},
        tuple(protocol["prefixes"].split()),
        tuple(protocol["excluded"].split()),
        {name: re.compile(pattern) for name, pattern in protocol["texts"].items()},
    )


def rebuild_csa(value: bytes) -> bytes | None:
    """Return the header with allowed numbers only, or None if it is none."""
    try:
        sv10, fields = _parse(value)
    except (struct.error, ValueError):
        return None
    allowed = csa_fields()
    kept = [clean for field in fields if (clean := _cleaned(field, allowed)) is not None]
    return _build(kept, sv10=sv10) if kept else None


def _parse(value: bytes) -> tuple[bool, list[_Field]]:
    sv10 = value.startswith(_MARK)
    position = _INTRO.size if sv10 else _COUNTS.size
    count, check = _COUNTS.unpack_from(value, position - _COUNTS.size)
    if not 0 < count <= _MAX_FIELDS or check != _CHECK:
        raise ValueError
    fields: list[_Field] = []
    base = None
    for _ in range(count):
        name, vm, vr, syngo_type, n_items, mark = _FIELD.unpack_from(value, position)
        position += _FIELD.size
        if mark not in (_CHECK, _SYNC) or not 0 <= n_items <= _MAX_FIELDS:
            raise ValueError
        # In CSA1 every length is counted from the number of items of the first field.
        base = n_items if base is None else base
        items = []
        for _ in range(n_items):
            first, second, _, _ = _ITEM.unpack_from(value, position)
            position += _ITEM.size
            length = second if sv10 else first - base
            if length < 0 or position + length > len(value):
                raise ValueError
            items.append(value[position : position + length])
            position += length + -length % 4
        text = name.partition(b"\0")[0].decode("ascii")
        fields.append(_Field(text, vm, vr, syngo_type, mark, tuple(items)))
    return sv10, fields


def _cleaned(field: _Field, allowed: CsaFields) -> _Field | None:
    if field.name in _PROTOCOLS:
        items = tuple(_protocol(item, allowed) for item in field.items)
    elif field.name in allowed.numbers:
        items = tuple(item if _is_number(item) else b"" for item in field.items)
    elif field.name in allowed.words:
        words = allowed.words[field.name]
        items = tuple(item if _text(item) in words else b"" for item in field.items)
    elif field.name in allowed.patterns:
        pattern = allowed.patterns[field.name]
        items = tuple(item if pattern.fullmatch(_text(item)) else b"" for item in field.items)
    else:
        return None
    # Behind a text's end stands whatever the memory held before.
    clean = tuple(item.partition(b"\0")[0] + b"\0" if item else b"" for item in items)
    vr = re.sub(rb"[^A-Z]", b"\0", field.vr)
    return _Field(field.name, field.vm, vr, field.syngo_type, field.check, clean)


def _text(item: bytes) -> str:
    return item.partition(b"\0")[0].decode("latin-1").strip()


def _is_number(item: bytes) -> bool:
    """Return whether the item is a number that cannot be an identifier."""
    text = _text(item)
    if not text:
        return True
    return _NUMBER.fullmatch(text) is not None and (
        "." in text or len(text.lstrip("+-0")) <= _LONGEST_WHOLE
    )


def _protocol(item: bytes, allowed: CsaFields) -> bytes:
    """Return the protocol's numeric parameters that are on the list."""
    text = item.decode("latin-1")
    begin = text.find(_BEGIN)
    if begin < 0:
        return b""
    lines = text[begin : text.find(_END, begin)].splitlines()[1:]
    kept = _parameters(lines, allowed)
    return "\n".join((f"{_BEGIN} ###", *kept, _END, "")).encode("ascii")


def _parameters(lines: list[str], allowed: CsaFields) -> Iterator[str]:
    for line in lines:
        match = _ASSIGNMENT.fullmatch(line.strip())
        if match is None:
            continue
        name, number = match.groups()
        shape = allowed.texts.get(_INDEX.sub("", name))
        if shape is not None and shape.fullmatch(number.strip('"')):
            yield f"{name}\t = \t{number}"
        if not _PARAMETER.fullmatch(number):
            continue
        if name.startswith(allowed.parameters) and not name.startswith(allowed.excluded):
            yield f"{name}\t = \t{number}"


def _build(fields: list[_Field], *, sv10: bool) -> bytes:
    counts = _COUNTS.pack(len(fields), _CHECK)
    parts = [_MARK + b"\4\3\2\1" + counts if sv10 else counts]
    base = len(fields[0].items)
    for field in fields:
        name = field.name.encode("ascii")
        parts.append(
            _FIELD.pack(name, field.vm, field.vr, field.syngo_type, len(field.items), field.check)
        )
        for item in field.items:
            length = len(item)
            first = length if sv10 else length + base
            parts.append(_ITEM.pack(first, length, _CHECK if length else _SYNC, length))
            parts.append(item + bytes(-length % 4))
    built = b"".join(parts)
    return built + bytes(len(built) % 2)
