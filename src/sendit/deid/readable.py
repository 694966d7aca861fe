"""Text among bytes: of eight bits a letter, in UTF-8, or of sixteen bits."""

import re
from collections.abc import Callable, Iterator
from itertools import accumulate

# Without a way back ("+"): to keep one open costs a hundred bytes for each byte of a text.
_READABLE = re.compile(
    rb"(?:[ -~]|[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}"
    rb"|[\xc0-\xff](?=[A-Za-z])|(?<=[A-Za-z])[\xc0-\xff]){4,}+"
    rb"|(?:[ -~\xc0-\xff]\0){4,}+|(?:\0[ -~\xc0-\xff]){4,}+"
)

_A_STRETCH = 16
"""As many letters more does a stretch cost, however short it is."""


def stretches(
    value: bytes, spend: Callable[[int], None] | None = None
) -> Iterator[tuple[str, list[int]]]:
    """Yield each stretch of text, and where each letter and the end of it stand.

    ``spend`` is told beforehand what looking at it costs.
    """
    for found in _READABLE.finditer(value):
        if spend is not None:
            spend(_A_STRETCH + len(found[0]))
        text, places = _letters(found[0])
        yield text, [found.start() + place for place in places]


def _letters(stretch: bytes) -> tuple[str, list[int]]:
    if b"\0" in stretch:
        return stretch.replace(b"\0", b"").decode("latin-1"), [*range(0, len(stretch) + 2, 2)]
    try:
        text = stretch.decode("utf-8")
    except UnicodeDecodeError:
        return stretch.decode("latin-1"), [*range(len(stretch) + 1)]
    return text, [0, *accumulate(len(letter.encode("utf-8")) for letter in text)]
