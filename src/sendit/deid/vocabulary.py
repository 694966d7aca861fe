"""Clinical words that a patient's name must not cost.

A patient called Brown keeps *brown adipose tissue*; a patient called Long keeps *long axis*.
Which words are protected, and where, is written in ``data/vocabulary.toml``; this module
answers questions about it.  What is an identifier is not decided here but in ``text``.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import product

from sendit.deid.folding import squeeze

_LONGEST_PHRASE = 3
_SHORTEST_PART = 3


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The protected words, folded."""

    clinical: frozenset[str]
    """Words that stay wherever they stand alone."""
    generic: frozenset[str]
    """Words that identify no place, device or folder by themselves."""
    function: frozenset[str]
    """Little words of running text."""
    units: frozenset[str]
    """What stands behind a number, and is nobody's initials there."""
    phrases: frozenset[tuple[str, ...]]
    """Sequences of words inside which every word stays."""
    eponyms: Mapping[str, frozenset[str]]
    """Names of diseases and methods, and the words of which one must stand beside them."""
    things: frozenset[str]
    """What is called after somebody, whoever that is."""
    body_parts: frozenset[str]
    """Defined terms of Body Part Examined."""
    longer: frozenset[str]
    """Words of five letters and more in which a name may stand by chance."""

    def is_common(self, word: str) -> bool:
        """Return whether a folded word cannot identify a place, a device or a folder."""
        return (
            word in self.clinical
            or word in self.generic
            or word in self.function
            or word in self.longer
        )

    def is_clinical_term(self, word: str) -> bool:
        """Return whether a folded code is a clinical word, or two run together (HEADNECK)."""
        return word in self.clinical or any(
            word[:cut] in self.clinical and word[cut:] in self.clinical
            for cut in range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1)
        )

    def protects(self, words: Sequence[str], index: int) -> bool:
        """Return whether ``words[index]``, which is also a name, is a clinical word here."""
        word = words[index]
        if word.strip("0123456789") in self.clinical:
            return True
        return self._in_phrase(words, index) or self._is_eponym(words, index)

    def _in_phrase(self, words: Sequence[str], index: int) -> bool:
        for size in range(2, _LONGEST_PHRASE + 1):
            for start in range(max(0, index - size + 1), index + 1):
                if tuple(words[start : start + size]) in self.phrases:
                    return True
        return False

    def _is_eponym(self, words: Sequence[str], index: int) -> bool:
        heads = self.eponyms.get(words[index])
        if heads is None:
            return False
        near = [*words[max(0, index - 1) : index], *words[index + 1 : index + 3]]
        return any(word in heads for word in near)


@lru_cache(maxsize=1)
def load_vocabulary() -> Vocabulary:
    """Return the vocabulary that sendit ships; it is read once and never changes."""
    data = files("sendit.deid") / "data"
    table = tomllib.loads((data / "vocabulary.toml").read_text("utf-8"))
    lines = (data / "clinical_words.txt").read_text("utf-8").splitlines()
    heads, methods = _words(table["heads"]), _words(table["methods"])
    return Vocabulary(
        clinical=_words(table["clinical"]),
        generic=_words(table["generic"]),
        function=_words(table["function"]),
        things=_words(table["things"]),
        body_parts=_words(table["body_parts"]),
        units=_words(table["units"]),
        phrases=frozenset(
            _phrases([*table["phrases"].splitlines(), *table["compounds"].splitlines()])
        ),
        eponyms={
            **dict.fromkeys(_words(table["eponyms"]), heads),
            **dict.fromkeys(_words(table["techniques"]), methods),
        },
        longer=frozenset(line for line in lines if not line.startswith("#")),
    )


def _words(section: str) -> frozenset[str]:
    return frozenset(squeeze(part) for word in section.split() for part in re.split("[-_]", word))


def _phrases(lines: Iterable[str]) -> Iterable[tuple[str, ...]]:
    for line in lines:
        slots = [[squeeze(word) for word in slot.split("|")] for slot in line.split()]
        yield from (phrase for phrase in product(*slots) if phrase)
