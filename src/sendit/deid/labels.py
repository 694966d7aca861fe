"""Labels of other languages: behind them stand persons, and numbers of patients and cases.

The labels are ``data/labels.toml``.
"""

import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from typing import Final

from sendit.deid.alternatives import any_of
from sendit.deid.folding import fold
from sendit.deid.spans import Span
from sendit.deid.vocabulary import Vocabulary

_TABLE = tomllib.loads((files("sendit.deid") / "data" / "labels.toml").read_text("utf-8"))
PARTICLES: Final = "van|von|de|der|den|ten|ter|di|da|do|dos|del|della|la|le|el|al|bin|zu|af|av|'t"
"""Between or before the words of a name."""
IS_PARTICLE: Final = re.compile(PARTICLES, re.IGNORECASE)
_WORD = r"[^\W\d_a-zß-ÿ](?:[^\W\d_]|['’-]){0,63}(?![^\W_])"
_NAME = (
    rf"(?:(?i:{PARTICLES}) )*(?P<name>(?:[^\W\d_a-zß-ÿ]\. ?)*{_WORD}"
    rf"(?:(?:, |[ ^-])(?:(?:{PARTICLES}) )*{_WORD}(?! ?[:=：])){{0,2}})"
)
_EASTERN = "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]"
_CREDENTIALS = (
    r"(?:M\.?D\.?|D\.?O\.?|RN|R\.N\.|DVM|Ph\.?D\.?|FRCR|FRCPC|FACR|RT ?\(R\)|PA-C|NP|CRNP|APRN"
    r"|CNMT|RDMS|RVT|MBBS|FRCS|MRCP|DDS|DMD)"
)
_LONG_WORD = r"[^\W\d_a-zß-ÿ](?:[^\W\d_]|['’-]){3,63}(?![^\W_])"
"""FA of FA, MD is nobody."""
_TITLE_CASE = r"[^\W\d_a-zß-ÿ](?:['’][^\W\d_a-zß-ÿ])?[a-zß-ÿ](?:[^\W\d_]|['’-]){0,63}(?![^\W_])"

_DISEASE = r"[^\W\d_]+(?:emia|ämie|philia|plasia|lgia|uria|itis|osis|ism|pathy|trophy)(?![^\W_])"
"""A mother's hemophilia is not her name."""


def _labels(section: str) -> str:
    return any_of(line for line in _TABLE[section].splitlines() if line)


_PERSONS: Final = (
    re.compile(rf"(?<![^\W_])(?i:{_labels('persons')})\.?[ ]*[:=：][ ]*{_NAME}"),
    re.compile(rf"(?<![^\W_])(?i:{_labels('by')})[ ]+(?:(?i:le|el|il|la) )?{_NAME}"),
    re.compile(
        rf"(?:{_labels('eastern')})[:：= ]{{1,3}}(?P<name>{_EASTERN}{{2,5}}(?: {_EASTERN}{{1,4}})?)"
    ),
    re.compile(
        rf"(?<![^\W_])(?P<name>(?:(?:{_TITLE_CASE}|[^\W\d_a-zß-ÿ]\.) )?(?:(?:{PARTICLES}) )*"
        rf"{_TITLE_CASE}"
        rf"|{_LONG_WORD} {_LONG_WORD}), "
        rf"{_CREDENTIALS}(?![^\W_])"
    ),
    re.compile(
        rf"(?<![^\W_])(?P<name>{_TITLE_CASE} (?:(?:{PARTICLES}) )*{_TITLE_CASE}"
        rf"|{_TITLE_CASE}, {_TITLE_CASE})"
        r" (?:MD|RT ?\(R\)|PA-C|NP|RN|CNMT|RDMS)(?![^\W_])"
    ),
    re.compile(
        r"(?<![^\W_])(?<!\w-)(?P<name>[^\W\d_a-zß-ÿ](?:[^\W\d_]|['’-]){4,63}+)"
        r" M\.?D(?![^\W_])"
    ),
    re.compile(
        rf"(?<![^\W_])(?!(?<=\d )cc )(?:{_labels('before')}) (?:(?i:{PARTICLES}) )*"
        rf"(?P<name>(?!Mary Joseph\b|{_DISEASE}){_TITLE_CASE}"
        rf"(?:,? (?:(?i:{PARTICLES}) )*{_TITLE_CASE})?)"
    ),
    re.compile(
        rf"(?<![^\W_])(?:Owner|Besitzer|Pat\.|Pt\.|RTT|contact) "
        rf"(?P<name>{_TITLE_CASE},? (?:(?:{PARTICLES}) )*{_TITLE_CASE})"
    ),
)
"""Each has a group ``name``."""
NUMBERS: Final = re.compile(
    rf"(?<![^\W_])(?i:{_labels('numbers')})(?: n[ro]?)?[ .:：#=№°º]{{0,3}}"
    r"(?P<value>[A-Za-z]{0,4}[-/ ]?(?=(?:[/.-]?\d){4})[\d/.-]*\d)"
)
"""With a group ``value``, of four digits or more."""


def find_labelled(text: str, vocabulary: Vocabulary) -> Iterator[Span]:
    """Yield what stands behind a label up to a clinical word, unless all are common words."""
    for match in (match for pattern in _PERSONS for match in pattern.finditer(text)):
        taken = []
        for word in re.finditer(r"[^\W\d_][\w'’-]*", match["name"]):
            letters = fold(word.group()).letters
            if IS_PARTICLE.fullmatch(word.group()):
                continue
            is_word = letters in vocabulary.clinical or letters in vocabulary.function
            if is_word and len(letters) > 1:
                break
            taken.append(word)
        if not all(vocabulary.is_common(fold(word.group()).letters) for word in taken):
            start = match.start("name")
            yield Span(start + taken[0].start(), start + taken[-1].end(), "pattern:name")
