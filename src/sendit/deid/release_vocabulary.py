"""Which known names are words of the field, and where; read from the shared word lists.

A patient called Brown must not cost *brown adipose tissue*.  The lists in
``data/vocabulary.toml`` are shared with the engine, since they are the decision; the code that
reads them is the gate's own.

- A *clinical* word (head, long, white) stands for itself wherever it stands alone.
- A word of a *phrase* stands for itself inside the phrase (bundle of His).
- An *eponym* stands for itself beside its disease, sign or method (Baker cyst).
- A *function* word (may, do) stands for itself in small letters.

None of them is a find there, unless a title or another part of the name stands beside it.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import product

from sendit.deid.release_words import fold, parts_of, squeeze, words_of

_DUMMY_WORDS = """
anonymous anonymized anonymised anonymise anon deidentified removed unknown none null na nn no name
noname nobody test demo sample example subject volunteer phantom undefined unspecified
notavailable applicable patient hidden redacted masked blank empty xxx xxxx xxxxx zzz dummy animal
physician operator service siemens ge philips toshiba canon hitachi hologic fuji agfa kodak
carestream default user technologist technician tech mtra mta radiographer radiologist doctor admin
johndoe janedoe doejohn doejane text
enter entertext qa qc tbd anonym
"""
DUMMIES = frozenset(squeeze(word) for word in _DUMMY_WORDS.split())
"""What stands where an identifier was removed before, folded and squeezed."""
_NEAR = 2
_FEW_DIGITS = 4
"""A station's number within a hospital has no more."""


def is_clinical(word: str) -> bool:
    """Return whether a folded word stands for itself wherever it stands alone."""
    return word.strip("0123456789") in _section("clinical")


def is_clinical_term(word: str) -> bool:
    """Return whether a word of a code is clinical, or two such words run together."""
    return is_clinical(word) or any(
        is_clinical(word[:cut]) and is_clinical(word[cut:]) for cut in range(3, len(word) - 2)
    )


def is_body_part(word: str) -> bool:
    """Return whether a folded value is a defined term of Body Part Examined."""
    return word in _section("body_parts")


def is_common(word: str) -> bool:
    """Return whether a folded word names no place, device or folder by itself."""
    return (
        is_clinical(word)
        or word in _section("generic")
        or word in _section("function")
        or word in _longer_words()
    )


def protects(words: list[str], index: int, text: str) -> bool:
    """Return whether the word at ``index`` stands for itself in the place where it stands."""
    word = words[index]
    if is_clinical(word):
        return True
    if word in _section("function") and not re.search(rf"\b{word.upper()}|{word.title()}", text):
        return True
    heads = _eponyms().get(word)
    if heads is not None:
        near = words[index + 1 : index + 1 + _NEAR]
        if index and re.search(rf"{words[index - 1]}[ _-]+{word}", fold(text)):
            near.append(words[index - 1])
        if not heads.isdisjoint(near):
            return True
    return any(
        tuple(words[start : start + size]) in _phrases()
        for size in (2, 3)
        for start in range(max(0, index - size + 1), index + 1)
    )


def stands_as_eponym(name: str, words: list[str], text: str) -> bool:
    """Return whether a name only stands beside what is called after it: Parkinson's disease."""
    if name not in _eponyms():
        return False
    places = [index for index, word in enumerate(words) if word in (name, name + "s")]
    return len(places) == "".join(words).count(name) and all(
        protects([*words[:index], name, *words[index + 1 :]], index, text) for index in places
    )


def is_thing(word: str) -> bool:
    """Return whether a folded word tells that what stands before it is called after somebody."""
    return word in _section("things")


def is_made_of_field_words(word: str, words: list[str]) -> bool:
    """Return whether a known word only stands there as neighbouring words of the field."""
    for start in range(len(words)):
        joined = ""
        for end in range(start, len(words)):
            joined += words[end]
            if joined == word and not all(map(is_clinical, words[start : end + 1])):
                return False
            if len(joined) >= len(word):
                break
    return True


@cache
def _lists() -> Mapping[str, str]:
    text = (files("sendit.deid") / "data" / "vocabulary.toml").read_text("utf-8")
    return tomllib.loads(text)


@cache
def _section(name: str) -> frozenset[str]:
    parts = (part for word in _lists()[name].split() for part in re.split("[-_]", word))
    return frozenset(squeeze(part) for part in parts)


@cache
def _longer_words() -> frozenset[str]:
    text = (files("sendit.deid") / "data" / "clinical_words.txt").read_text("utf-8")
    return frozenset(squeeze(line) for line in text.splitlines() if not line.startswith("#"))


@cache
def _eponyms() -> dict[str, frozenset[str]]:
    return {
        **dict.fromkeys(_section("eponyms"), _section("heads")),
        **dict.fromkeys(_section("techniques"), _section("methods")),
    }


@cache
def _phrases() -> frozenset[tuple[str, ...]]:
    lines = (line for name in ("phrases", "compounds") for line in _lists()[name].splitlines())
    return frozenset(_spelled_out(lines))


def _spelled_out(lines: Iterable[str]) -> Iterable[tuple[str, ...]]:
    for line in lines:
        slots = [[squeeze(word) for word in slot.split("|")] for slot in line.split()]
        if slots:
            yield from product(*slots)


def is_only_unit(word: str, text: str) -> bool:
    """Return whether a word stands in a text as the unit of a number and not otherwise."""
    if word not in _section("units"):
        return False
    return re.search(rf"(?<![^\W_])(?<!\d[ -]){word}(?![^\W_])", fold(text)) is None


def is_generic_station(word: str) -> bool:
    """Return whether a station is called like many others: CT01, PETCT2."""
    letters = word.strip("0123456789")
    return bool(letters) and is_common(letters) and len(word) - len(letters) <= _FEW_DIGITS


def words_repeated(name: str, descriptions: Sequence[str]) -> set[str]:
    """Return the words of a name that stand there as a part of a whole description."""
    letters = squeeze(name)
    found: set[str] = set()
    for one in descriptions:
        description = squeeze(one)
        if description in letters and any(map(is_common, _telling_words(one))):
            words = {*parts_of(name), *words_of(name)}
            found |= {word for word in words if word in description}
    return found


def _telling_words(text: str) -> list[str]:
    return [word for word in words_of(text) if len(word) > 2 and word.isalpha()]
