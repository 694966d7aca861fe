"""Spell a name of another script in Latin letters; the gate's own code.

The ways of spelling are a decision, so their tables are shared with the engine; how they are
read and applied is not.  Here every word of a name gets all its spellings, one by one.
"""

import tomllib
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

_BLOCKS = (
    *(("greek", 0x370, 0x3FF), ("cyrillic", 0x400, 0x52F), ("hebrew", 0x590, 0x5FF)),
    *(("arabic", 0x600, 0x6FF), ("greek", 0x1F00, 0x1FFF), ("kana", 0x3041, 0x30FF)),
    *(("han", 0x4E00, 0x9FFF), ("hangul", 0xAC00, 0xD7A3), ("hebrew", 0xFB1D, 0xFB4F)),
    *(("arabic", 0xFB50, 0xFDFF), ("arabic", 0xFE70, 0xFEFC), ("kana", 0xFF66, 0xFF9F)),
)
_WITHOUT_MARKS = frozenset(("arabic", "hebrew"))
_MARK_OF_STRESS = "\N{COMBINING ACUTE ACCENT}"
_VOWELS, _ENDINGS = 21, 28
_SINGLE_BYTE = ("windows-1251", "koi8-r", "iso-8859-5", "iso-8859-7")
_BALKAN = frozenset("ђѓѕјљњћќўџ")
"""What letters become by a wrong guess; hardly anybody's outside of two countries."""
_FEW = 5
_LONGEST = 3
"""Letters of one script that make one sound together, at most."""


def spellings(word: str) -> set[str]:
    """Return the Latin spellings of one word; none when it is in Latin letters."""
    script = _script_of(word)
    if script is None:
        return set()
    plain = _plain(word, script)
    found = set(_usual().get(plain, ()))
    if script == "han":
        found.add("".join(_mandarin().get(letter, letter) for letter in plain))
    elif script == "hangul":
        for way in _tables()[script].values():
            found.add("".join(_syllable(letter, way) for letter in plain))
    else:
        for way in _tables()[script]:
            found.add(_written(plain, script, way))
    return found


def undeclared(name: str) -> list[str]:
    """Return a name of accented Latin letters alone as it may be meant: Èâàíîâà for Иванова."""
    letters = "".join(filter(str.isalpha, name))
    if len(letters) < _FEW or not all("\x80" <= letter <= "\xff" for letter in letters):
        return []
    found = []
    for codec in _SINGLE_BYTE:
        try:
            meant = name.encode("latin-1").decode(codec)
        except UnicodeError:
            continue
        if all(map(_script_of, filter(str.isalpha, meant))) and (
            meant in (meant.title(), meant.upper()) and _BALKAN.isdisjoint(meant.lower())
        ):
            found.append(meant)
    return found


def words_run_together(text: str) -> Iterator[str]:
    """Yield the parts of a name that is written without a sign between family and given name."""
    script = _script_of(text)
    if script not in ("han", "hangul") or not 1 < len(text) < 6 or not text.isalpha():
        return
    size = 2 if len(text) > 2 and text[:2] in _usual() else 1
    yield from (text[:size], text[size:])


def _script_of(word: str) -> str | None:
    for letter in word:
        code = ord(letter)
        for script, first, last in _BLOCKS if code > 0x36F else ():
            if first <= code <= last:
                return script
    return None


def _plain(word: str, script: str) -> str:
    if script == "kana":
        letters = (ord(letter) for letter in unicodedata.normalize("NFKC", word))
        return "".join(chr(code - 96 if 0x30A0 < code < 0x30F7 else code) for code in letters)
    if script in _WITHOUT_MARKS:
        word = unicodedata.normalize("NFKD", word)
        return "".join(letter for letter in word if unicodedata.category(letter) != "Mn")
    if script in ("cyrillic", "greek"):
        apart = unicodedata.normalize("NFD", word.lower()).replace(_MARK_OF_STRESS, "")
        return unicodedata.normalize("NFC", apart)
    return word


def _written(word: str, script: str, way: str) -> str:
    """Go from left to right and take the longest run of letters that has a sound."""
    for sounds in _steps(script, way):
        out, at = "", 0
        while at < len(word):
            for size in range(_LONGEST, 0, -1):
                sound = sounds.get(word[at : at + size])
                if sound is not None and at + size <= len(word):
                    out, at = out + sound, at + size
                    break
            else:
                out, at = out + word[at], at + 1
        word = out
    return word


def _syllable(letter: str, way: dict[str, str]) -> str:
    number = ord(letter) - 0xAC00
    if not 0 <= number <= 0xD7A3 - 0xAC00:
        return letter
    rest, ending = divmod(number, _ENDINGS)
    initial, vowel = divmod(rest, _VOWELS)
    sounds = (way["initials"], initial), (way["vowels"], vowel), (way["finals"], ending)
    return "".join(row.split()[place] for row, place in sounds).replace("_", "")


@cache
def _steps(script: str, way: str) -> tuple[dict[str, str], ...]:
    steps: list[dict[str, str]] = []
    for step in _tables()[script][way].split("|"):
        words = step.split()
        if words[0][0] == "@":
            steps += _steps(script, words[0][1:])
        else:
            pairs = (word.partition("=") for word in words)
            steps.append({letters: sound.replace("_", "") for letters, _, sound in pairs})
    return tuple(steps)


@cache
def _tables() -> dict[str, dict[str, Any]]:
    path = files("sendit.deid") / "data" / "romanisations.toml"
    return tomllib.loads(path.read_text("utf-8"))


@cache
def _usual() -> dict[str, list[str]]:
    lines = " ".join(_tables()["names"].values()).split()
    return {line.split("=")[0]: line.split("=")[1].split(",") for line in lines}


@cache
def _mandarin() -> dict[str, str]:
    path = files("sendit.deid") / "data" / "pinyin.txt"
    rows = (row.partition(" ") for row in path.read_text("utf-8").splitlines()[1:])
    return {letter: sound for sound, _, letters in rows for letter in letters}
