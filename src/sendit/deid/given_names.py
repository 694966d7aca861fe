"""Find persons whom no header names by their given name: *Cornelius van der Finch*, *Finch, Ida*.

A given name that is no word of the field (``data/given_names.txt``) makes a person of the word
behind it, or of the one before it across a comma, if that is written like a name, too, and is no
word of anatomy, technique or a place.  A name alone makes none, nor does what a disease or a sign
is called after (*Charles Bonnet syndrome*, *Martin score*), or a maker (*Karl Storz*).
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files

from sendit.deid.folding import fold
from sendit.deid.labels import PARTICLES
from sendit.deid.spans import Span
from sendit.deid.vocabulary import Vocabulary

_CAPITAL = r"[^\W\d_a-zß-ÿ]"
_LIKE_A_NAME = rf"{_CAPITAL}(?:['’]{_CAPITAL})?[a-zß-ÿ](?:[^\W\d_]|['’-]){{1,63}}+"
_LOUD = rf"{_CAPITAL}{{4,63}}+"
_WORD = re.compile(
    rf"(?<![^\W_])(?<!['’-])(?:{_LIKE_A_NAME}|{_CAPITAL}{{3,63}}+(?:-{_CAPITAL}{{3,63}}+)?)(?![^\W_])"
)
_BEHIND = re.compile(
    rf"(?: {_CAPITAL}\.?)? (?:(?:{PARTICLES}) )*(?P<name>{_LIKE_A_NAME})(?![^\W_])"
    rf"(?: (?P<more>{_LIKE_A_NAME})(?![^\W_]))?"
)
_BEHIND_LOUD = re.compile(rf"(?: {_CAPITAL}\.?)? (?P<name>{_LOUD})(?![^\W_])(?P<more>(?!))?")
_BEFORE = re.compile(rf"(?<![^\W_])(?P<name>{_LIKE_A_NAME}|{_LOUD}), \Z")
_TWO_WORDS = re.compile(r"(?: [^\W\d_]+){1,2}")
_AS_LONG = 68


def find_by_given_names(text: str, vocabulary: Vocabulary) -> Iterator[Span]:
    """Yield a span for every given name and the family name beside it."""
    for match in _WORD.finditer(text):
        word = match.group()
        first = word.partition("-")[0]  # Jean-Pierre, Hans-Jürgen
        if (first.lower() if first.isascii() else fold(first).letters) not in _given_names():
            continue
        start, end = match.span()
        behind = (_BEHIND_LOUD if word.isupper() else _BEHIND).match(text, end)
        before = _BEFORE.search(text, max(0, start - _AS_LONG), start)
        if behind is not None and _is_family(behind["name"], vocabulary):
            more = behind["more"] and _is_family(behind["more"], vocabulary)
            end = behind.end("more" if more else "name")
            if not _is_called_after(word, behind["name"], text[end:], vocabulary):
                yield Span(start, end, "pattern:name")
        elif before is not None and _is_family(before["name"], vocabulary):
            yield Span(before.start(), end, "pattern:name")


def _is_family(word: str, vocabulary: Vocabulary) -> bool:
    letters = fold(word).letters
    return not (
        letters in vocabulary.clinical
        or letters in vocabulary.things
        or letters in vocabulary.generic
        or letters in vocabulary.function
        or (word.isupper() and vocabulary.is_common(letters))
    )


def _is_called_after(given: str, family: str, rest: str, vocabulary: Vocabulary) -> bool:
    """Return whether a thing is called so: a disease, a sign, a maker."""
    names = fold(given).letters, fold(family).letters
    behind = _TWO_WORDS.match(rest)
    words = [fold(word).letters for word in behind.group().split()] if behind else []
    heads = vocabulary.eponyms.get(names[1], vocabulary.things)
    return names in vocabulary.phrases or any(word in heads for word in words)


@lru_cache(maxsize=1)
def _given_names() -> frozenset[str]:
    text = (files("sendit.deid") / "data" / "given_names.txt").read_text("utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return frozenset(name for line in lines for name in line.split())
