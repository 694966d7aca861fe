"""Fold text into the one form in which two spellings of a name are the same.

Case, accents, compatibility forms (full width, ligatures), apostrophes, dashes and other
separators disappear, Cyrillic and Greek letters become Latin ones, Katakana becomes
Hiragana.  What is left is one run of letters and digits, with the place of each in the
original text and with the breaks between words, so that a find can be cut out again.

What counts as a find is decided by ``text``; what to look for is gathered by ``known``.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

WALL = 3
"""A break that no identifier crosses: a new value, a new line, a removed identifier."""
GAP = 2
"""One to three separators, as between two words or the parts of a number."""
SEAM = 1
"""No separator, but another word begins: ``CT|Smith``, ``Smith|2``."""
INSIDE = 0
"""In the middle of a word."""

REMOVED = "*"
"""What stands in a text where an identifier stood."""

_MAX_GAP = 3
_WALLS = frozenset("\\\n\r\f" + REMOVED)

# Romanisation after BGN/PCGN, without its apostrophes; one answer a letter is enough, since
# both the name and the text pass through it.
_CYRILLIC_LETTERS = "абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґўђјљњћџ"
_CYRILLIC_SOUNDS = (
    "a b v g d e e zh z i i k l m n o p r s t u f kh ts ch sh shch _ y _ e yu ya"
    " i i e g u d j lj nj c dz"
)
_GREEK_LETTERS = "αβγδεζηθικλμνξοπρσςτυφχψω"
_GREEK_SOUNDS = "a v g d e z i th i k l m n x o p r s s t y f ch ps o"
_LATIN = {
    "ß": "ss",
    "æ": "ae",
    "œ": "oe",
    "ø": "o",
    "đ": "d",
    "ð": "d",
    "þ": "th",
    "ł": "l",
    "ı": "i",
    "ħ": "h",
    "ŋ": "n",
    "ə": "e",
}
_LETTERS = {
    **dict(zip(_CYRILLIC_LETTERS, _CYRILLIC_SOUNDS.split(), strict=True)),
    **dict(zip(_GREEK_LETTERS, _GREEK_SOUNDS.split(), strict=True)),
    **_LATIN,
}
_SILENT = frozenset("ъь")
_NUMERO = "№"

_FULL_WIDTH = {"／": "/", "．": ".", "－": "-", "：": ":"}
_TYPOGRAPHY = {
    **dict.fromkeys("\u00a0\u2007\u2009\u202f", " "),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"),
}
"""Blanks and dashes of word processors, which stand in numbers and dates."""
_PLAIN_SIGNS = _FULL_WIDTH | _TYPOGRAPHY

# Spellings that stand for one letter in one country and for another in the next.
_DIGRAPHS = frozenset(("ae", "oe", "ue", "aa"))


@dataclass(frozen=True, slots=True)
class Folded:
    """A text in its folded form."""

    letters: str = field(repr=False)
    """Lower-case letters and digits, nothing else."""
    at: tuple[int, ...] = field(repr=False)
    """For each of them, its index in the original text."""
    breaks: tuple[int, ...] = field(repr=False)
    """``breaks[i]`` is what stands before letter ``i``; one more than there are letters."""


def fold(text: str) -> Folded:
    """Return ``text`` in its folded form."""
    letters: list[str] = []
    at: list[int] = []
    breaks: list[int] = []
    last = ""
    gap = WALL
    for index, char in enumerate(text):
        folded = fold_char(char)
        if folded is None:
            gap = WALL if char in _WALLS else _widen(gap)
            continue
        for part, letter in enumerate(folded):
            letters.append(letter)
            at.append(index)
            breaks.append(INSIDE if part else (_gap_kind(gap) or _seam(last, char)))
        if folded:
            last, gap = char, INSIDE
    breaks.append(WALL)
    return Folded("".join(letters), tuple(at), tuple(breaks))


def squeeze(text: str) -> str:
    """Return the letters and digits of ``text`` alone, folded."""
    return "".join(fold_char(char) or "" for char in text)


def plain_digits(text: str) -> str:
    """Return a text of the same length with the digits of every script as ASCII ones.

    The signs that stand between full-width digits become ASCII, too, and so do the blanks and
    dashes of word processors.
    """
    return text if text.isascii() else "".join(map(_plain_digit, text))


def _plain_digit(char: str) -> str:
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    return _PLAIN_SIGNS.get(char, char)


@lru_cache(maxsize=4096)
def fold_char(char: str) -> str | None:
    """Return the letters that one character stands for, or None for a separator.

    A combining mark or an invisible character stands for no letter and separates nothing.
    """
    if char.isascii():
        return char.lower() if char.isalnum() else None
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return ""
    if char == _NUMERO:
        return None
    parts = unicodedata.normalize("NFKD", char.casefold())
    kept = [_letter(part) for part in parts if not unicodedata.combining(part)]
    letters = "".join(kept)
    return letters if letters or parts in _SILENT else None


def collapse(folded: Folded) -> Folded:
    """Return the folded text with ``ae``, ``oe``, ``ue`` and ``aa`` as single letters.

    Müller folds to ``muller``, Mueller to ``mueller``; collapsed, they are the same.
    """
    letters, breaks = folded.letters, folded.breaks
    keep = [
        index
        for index in range(len(letters))
        if not (_second_of_digraph(letters, index) and _belongs_to(breaks, index))
    ]
    return Folded(
        "".join(letters[index] for index in keep),
        tuple(folded.at[index] for index in keep),
        (*(folded.breaks[index] for index in keep), WALL),
    )


def collapse_letters(letters: str) -> str:
    """Return already folded letters with their digraphs collapsed."""
    return "".join(
        letter for index, letter in enumerate(letters) if not _second_of_digraph(letters, index)
    )


def is_ideographic(letter: str) -> bool:
    """Return whether words of this letter's script stand without spaces between them."""
    return (
        "\u3040" <= letter <= "\u30ff"
        or "\u3400" <= letter <= "\u9fff"
        or "\uac00" <= letter <= "\ud7a3"
        or "\u1100" <= letter <= "\u11ff"
        or "\uf900" <= letter <= "\ufaff"
        or "\u0e00" <= letter <= "\u0e7f"
        or "\U00020000" <= letter <= "\U0003ffff"
    )


def _second_of_digraph(letters: str, index: int) -> bool:
    return index > 0 and letters[index - 1 : index + 1] in _DIGRAPHS


def _belongs_to(breaks: Sequence[int], index: int) -> bool:
    """Return whether a letter is of one word with the one before it, or of one spelt l i k e this.

    The A of "PA Åkerblom" is none of the name's.
    """
    return breaks[index] < GAP or min(breaks[index - 1], breaks[index + 1]) >= GAP


def _letter(char: str) -> str:
    if "\u30a1" <= char <= "\u30f6":
        return chr(ord(char) - 0x60)
    mapped = _LETTERS.get(char)
    if mapped is not None:
        return mapped.replace("_", "")
    return char if char.isalnum() or unicodedata.category(char) == "Mc" else ""


def _widen(gap: int) -> int:
    # While separators run, ``gap`` counts them as negative numbers; a wall stays a wall.
    if gap == WALL:
        return WALL
    return WALL if gap <= -_MAX_GAP else gap - 1


def _gap_kind(gap: int) -> int:
    return GAP if gap < 0 else gap


def _seam(last: str, char: str) -> int:
    if last.isdigit() != char.isdigit():
        return SEAM
    return SEAM if last.islower() and char.isupper() else INSIDE
