"""Write a name of another script as the systems of other countries write it.

``folding`` knows one Latin sound a letter for Cyrillic and Greek, through which both a name and a
text pass; that finds *Ivanova* for Иванова.  Щербаков is *Shcherbakov*, *Scherbakov* and
*Schtscherbakow*, 김 *Kim* and *Gim*, محمد *Mohammed* and *Muhammad*: such a name is looked for in
each of these forms.  The ways are written in ``data/romanisations.toml``, the readings of Han
characters in ``data/pinyin.txt``.  The other way round, from Latin letters back, is left out.
"""

import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from itertools import product
from typing import Any

_ACUTE = "\u0301"
_SCRIPTS = {
    "cyrillic": re.compile("[\u0400-\u052f]+"),
    "greek": re.compile("[\u0370-\u03ff\u1f00-\u1fff]+"),
    "arabic": re.compile("[\u0600-\u06ff\ufb50-\ufdff\ufe70-\ufefc]+"),
    "hebrew": re.compile("[\u0590-\u05ff\ufb1d-\ufb4f]+"),
    "kana": re.compile("[\u3041-\u30ff\uff66-\uff9f]+"),
    "hangul": re.compile("[\uac00-\ud7a3]+"),
    "han": re.compile("[\u4e00-\u9fff]+"),
}
_OTHERS = re.compile("[^\x00-\u036f]")
_WHOLE_NAME = re.compile("[\uac00-\ud7a3]{2,5}|[\u4e00-\u9fff]{2,4}")
"""A name without a sign between family and given name."""
_SERVANT = "\u0639\u0628\u062f "
"""With it the next word makes one name: Abdullah."""
_FIRST_SYLLABLE = 0xAC00
_KATAKANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}


def romanised(name: str) -> Iterator[str]:
    """Yield a name in each Latin form that differs from its letter-by-letter one.

    Letters for which a way says nothing stay, and are folded with the rest.
    """
    if _OTHERS.search(name) is None:
        return
    name = "=".join(map(_parted, name.split("=")))
    for script, letters in _SCRIPTS.items():
        plain = _without_accents(name) if script in ("cyrillic", "greek") else name
        for written in {plain, plain.replace(_SERVANT, _SERVANT.strip())}:
            words = {found[0]: _spellings(script, found[0]) for found in letters.finditer(written)}
            for number in range(max(map(len, words.values()), default=0)):
                yield letters.sub(lambda found: _nth(words[found[0]], number), written)  # noqa: B023


def _parted(group: str) -> str:
    """Return a component group with a sign behind the family name."""
    if _WHOLE_NAME.fullmatch(group) is None:
        return group
    family = group[:2] if len(group) > 2 and group[:2] in _names() else group[:1]
    return f"{family}^{group[len(family) :]}"


def _nth(spellings: Sequence[str], number: int) -> str:
    return spellings[number % len(spellings)]


def _without_accents(name: str) -> str:
    # Greek accents go; the signs over й, ё and ї make letters of their own.
    parts = unicodedata.normalize("NFD", name.casefold()).replace(_ACUTE, "")
    return unicodedata.normalize("NFC", parts)


@lru_cache(maxsize=4096)
def _spellings(script: str, word: str) -> tuple[str, ...]:
    if script in ("arabic", "hebrew"):
        # Signs for vowels, and what makes five letters of the one ا, do not count.
        parts = unicodedata.normalize("NFKD", word)
        word = "".join(part for part in parts if not unicodedata.combining(part))
    elif script == "kana":
        word = unicodedata.normalize("NFKC", word).translate(_KATAKANA)
    usual = _names().get(word, ())
    return tuple(dict.fromkeys((*usual, *(write(word) for write in _ways(script))))) or (word,)


@lru_cache(maxsize=8)
def _ways(script: str) -> tuple[Callable[[str], str], ...]:
    if script == "han":
        return (_in_pinyin,)
    table = _table()[script]
    if script == "hangul":
        return tuple(_by_syllables(way) for way in table.values())
    return tuple(_by_stages(list(_stages(table, name))) for name in table)


def _stages(
    table: Mapping[str, str], name: str
) -> Iterator[tuple[re.Pattern[str], dict[str, str]]]:
    for stage in table[name].split("|"):
        if stage.strip().startswith("@"):
            yield from _stages(table, stage.strip()[1:])
            continue
        sounds = {one: sound.strip("_") for one, sound in (p.split("=") for p in stage.split())}
        longest_first = sorted(sounds, key=lambda letters: (-len(letters), letters))
        yield re.compile("|".join(longest_first)), sounds


def _by_stages(stages: Sequence[tuple[re.Pattern[str], dict[str, str]]]) -> Callable[[str], str]:
    def write(word: str) -> str:
        for pattern, sounds in stages:
            word = pattern.sub(lambda found: sounds[found[0]], word)  # noqa: B023 - used at once
        return word

    return write


def _by_syllables(way: Mapping[str, str]) -> Callable[[str], str]:
    every = product(*(way[part].split() for part in ("initials", "vowels", "finals")))
    syllables = ["".join(parts).replace("_", "") for parts in every]

    def write(word: str) -> str:
        return "".join(syllables[ord(letter) - _FIRST_SYLLABLE] for letter in word)

    return write


def _in_pinyin(word: str) -> str:
    return "".join(_pinyin().get(letter, letter) for letter in word)


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Any]:
    text = (files("sendit.deid") / "data" / "romanisations.toml").read_text("utf-8")
    return tomllib.loads(text)


@lru_cache(maxsize=1)
def _names() -> Mapping[str, tuple[str, ...]]:
    entries = (entry for script in _table()["names"].values() for entry in script.split())
    pairs = (entry.split("=") for entry in entries)
    return {name: tuple(spellings.split(",")) for name, spellings in pairs}


@lru_cache(maxsize=1)
def _pinyin() -> Mapping[str, str]:
    text = (files("sendit.deid") / "data" / "pinyin.txt").read_text("utf-8")
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {letter: sound for sound, letters in lines for letter in letters}
