"""Texts inside a text: entities, percent signs, quoted-printable, hexadecimal digits, base64.

What is found here is read once, and only to look for known identifiers in it; whoever asks
gets each inner text with the places of its letters in the outer one.  A form inside another
form is not unpacked.

RFC 3986 2.1 (percent signs), RFC 2045 6.7 and 6.8 (quoted-printable, base64), RFC 8259 7 (JSON).
"""

import binascii
import re
from collections.abc import Iterator, Sequence
from html import unescape
from itertools import accumulate

from sendit.deid.readable import stretches

_ESCAPE = re.compile(
    r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]\w{1,31});"
    r"|(?:%[0-9A-Fa-f]{2})+|(?:=[0-9A-Fa-f]{2})+|=\r?\n|(?:\\u[0-9A-Fa-f]{4})+"
)
_PACKED = re.compile(
    r"(?:[0-9A-Fa-f]{2}[ :-]){3,}[0-9A-Fa-f]{2}"
    r"|[A-Za-z0-9+/_-]{6,}(?:\r?\n[A-Za-z0-9+/_-]+)*"
)
_HEX = re.compile(r"[0-9A-Fa-f]{8,}")
_SIGNS = re.compile(r"[ :\r\n-]")
_BYTES_APART = re.compile("[ :]")
_FILL = 4
"""Letters of base64 that make three bytes."""

Inner = tuple[str, Sequence[int]]
"""A text, and where each of its letters and its end stand in the outer one."""


def inner_texts(text: str) -> Iterator[Inner]:
    """Yield the texts that stand in another form in a text."""
    if _ESCAPE.search(text) is not None:
        yield _unescaped(text)
    for found in _PACKED.finditer(text):
        yield from _of_hex(found[0], found.start())
        if _BYTES_APART.search(found[0]) is None and not found[0].isdecimal():
            yield from _of_base64(found[0], found.start())


def _unescaped(text: str) -> Inner:
    pieces: list[str] = []
    places: list[int] = []
    last = 0
    for found in _ESCAPE.finditer(text):
        pieces.append(text[last : found.start()])
        places += range(last, found.start())
        meant, widths = _meant_by(found[0])
        pieces.append(meant)
        places += [found.start() + width for width in widths]
        last = found.end()
    pieces.append(text[last:])
    places += range(last, len(text) + 1)
    return "".join(pieces), places


def _meant_by(escape: str) -> tuple[str, Sequence[int]]:
    """Return what an escape stands for, and where each letter of it begins."""
    if escape[0] == "&":
        meant = unescape(escape)
        return meant, [0] * len(meant)
    if escape[0] == "\\":
        units = b"".join(bytes.fromhex(unit) for unit in escape.split("\\u")[1:])
        meant = units.decode("utf-16-be", "replace")
        return meant, [6 * at for at in range(len(meant))]
    if escape[1] in "\r\n":
        return "", ()
    value = bytes.fromhex(escape.replace(escape[0], ""))
    try:
        meant = value.decode("utf-8")
    except UnicodeDecodeError:
        meant = value.decode("latin-1")
        return meant, range(0, 3 * len(meant), 3)
    return meant, [0, *accumulate(3 * len(letter.encode()) for letter in meant)][:-1]


def _of_hex(run: str, start: int) -> Iterator[Inner]:
    at = [place for place, sign in enumerate(run) if _SIGNS.match(sign) is None]
    digits = "".join(run[place] for place in at)
    for found in _HEX.finditer(digits):
        for shift in (0, 1):
            first = found.start() + shift
            last = first + (found.end() - first) // 2 * 2
            for text, places in stretches(bytes.fromhex(digits[first:last])):
                yield text, [start + _at(at, first + 2 * place) for place in places]


def _of_base64(run: str, start: int) -> Iterator[Inner]:
    at = [place for place, sign in enumerate(run) if sign not in "\r\n"]
    letters = "".join(run[place] for place in at).replace("-", "+").replace("_", "/")
    for shift in range(_FILL):
        packed = letters[shift:]
        spare = len(packed) % _FILL
        packed = packed[:-1] if spare == 1 else packed + "=" * (-len(packed) % _FILL)
        for text, places in stretches(binascii.a2b_base64(packed)):
            firsts = [start + _at(at, shift + place * _FILL // 3) for place in places[:-1]]
            yield text, [*firsts, start + _at(at, shift - (-places[-1] * _FILL // 3))]


def _at(at: Sequence[int], place: int) -> int:
    return at[place] if place < len(at) else at[-1] + 1
