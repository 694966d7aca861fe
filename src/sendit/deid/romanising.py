"""Write a name in Cyrillic or Greek letters as the systems of other countries write it.

``folding`` knows one Latin sound a letter, through which both a name and a text pass; that finds
*Ivanova* for Иванова.  Щербаков is *Shcherbakov*, *Scherbakov* and *Schtscherbakow*, and
Παπαδόπουλος *Papadopoulos*: such a name is looked for in each of these forms.  The schemes are
written in ``data/romanisations.toml``.  The other way round, from Latin letters back, is left
out: there a text in the script of the name passes through ``folding``.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files

_SCRIPTS = {"cyrillic": re.compile("[\u0400-\u052f]"), "greek": re.compile("[\u0370-\u03ff]")}
_ACUTE = "\u0301"


def romanised(name: str) -> Iterator[str]:
    """Yield a name in each Latin form that differs from its letter-by-letter one.

    Letters for which a scheme says nothing stay, and are folded with the rest.
    """
    if name.isascii():
        return
    for script, letters in _SCRIPTS.items():
        if letters.search(name):
            plain = _without_accents(name)
            yield from (_written(plain, *scheme) for scheme in _schemes()[script])


def _written(name: str, pattern: re.Pattern[str], sounds: Mapping[str, str]) -> str:
    return pattern.sub(lambda found: sounds[found[0]], name)


def _without_accents(name: str) -> str:
    # Greek accents go; the signs over й, ё and ї make letters of their own.
    parts = unicodedata.normalize("NFD", name.casefold()).replace(_ACUTE, "")
    return unicodedata.normalize("NFC", parts)


@lru_cache(maxsize=1)
def _schemes() -> Mapping[str, list[tuple[re.Pattern[str], Mapping[str, str]]]]:
    data = files("sendit.deid") / "data" / "romanisations.toml"
    table = tomllib.loads(data.read_text("utf-8"))
    return {script: [_scheme(line) for line in lines.values()] for script, lines in table.items()}


def _scheme(line: str) -> tuple[re.Pattern[str], Mapping[str, str]]:
    sounds = {letters: sound.strip("_") for letters, sound in (p.split("=") for p in line.split())}
    longest_first = sorted(sounds, key=lambda letters: (-len(letters), letters))
    return re.compile("|".join(longest_first)), sounds
