"""What a text says in another form, for the release check: escapes undone, packed bytes unpacked.

Entities, percent signs, quoted-printable, JSON's escapes, hexadecimal digits and base64 at any
offset.  It is told what stands there, not where; one form inside another is left alone.
"""

import base64
import html
import quopri
import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

_MARKS = re.compile(r"&#?\w+;|%[0-9A-Fa-f]{2}|=[0-9A-Fa-f]{2}|=\r?\n|\\u[0-9A-Fa-f]{4}")
_JSON = re.compile(r"\\u([0-9A-Fa-f]{4})")
_DIGITS = re.compile(r"(?:[0-9A-Fa-f][ :\r\n-]?){8,}+")
_RUN = re.compile(r"[A-Za-z0-9+/_-](?:[A-Za-z0-9+/_-]|\r?\n(?=[A-Za-z0-9+/_-])){5,}+")
_BREAKS = re.compile(r"[\r\n]")
_NO_DIGIT = re.compile(r"[ :\r\n-]")
_URL_LETTERS = str.maketrans("-_", "+/")


def unescaped(text: str) -> Iterator[str]:
    """Yield the text without its escapes, once for each way to read their bytes."""
    if _MARKS.search(text) is None:
        return
    plain = html.unescape(text)
    plain = _JSON.sub(lambda unit: chr(int(unit[1], 16)), plain)
    for value in (
        unquote_to_bytes(plain.encode("utf-8", "replace")),
        quopri.decodestring(plain.encode("utf-8", "replace")),
    ):
        for charset in ("utf-8", "latin-1"):
            yield value.decode(charset, "replace")


def unpacked(text: str) -> Iterator[bytes]:
    """Yield what hexadecimal digits and base64 in a text stand for."""
    for found in _DIGITS.finditer(text):
        digits = _NO_DIGIT.sub("", found[0])
        for part in (digits, digits[1:]):
            yield bytes.fromhex(part[: len(part) & ~1])
    for found in _RUN.finditer(text):
        run = _BREAKS.sub("", found[0]).translate(_URL_LETTERS)
        if run.isdecimal():
            continue
        for first in range(4):
            part = run[first:]
            yield base64.b64decode(part + "A" * (-len(part) % 4))
