"""The forms in which one person's name may stand in a text.

A PN value has up to three component groups (alphabetic, ideographic, phonetic), each with up
to five components (PS3.5 6.2).  Every component is a name of its own, so is every part of a
double name, and the full name stands in either order, with initials or without.
"""

import re
from collections.abc import Iterator
from contextlib import suppress

from sendit.deid.folding import is_ideographic, squeeze
from sendit.deid.romanising import romanised

# Prefixes and suffixes; no names in the last two components, or where there are no components.
_TITLES_WORDS = (
    "dr prof mr mrs ms miss md phd rt rn do jr sr ii iii iv msc bsc med dipl ing herr frau mme mlle"
    " sir dame rev"
)
_TITLES = frozenset(_TITLES_WORDS.split())
# No names by themselves inside a longer family name; a family may well be called Le.
_PARTICLES_WORDS = (
    "van von der den de da di du dos das del della la le el al bin ibn ben abu ter ten st san"
    " santa zu zum zur af av und and y e"
)
_PARTICLES = frozenset(_PARTICLES_WORDS.split())
_SURELY_PARTICLES = frozenset(
    ["van", "von", "der", "den", "de", "da", "di", "du", "dos", "das", "del", "della"]
)
# A name made of these alone is nobody's.
_NOBODY_WORDS = (
    "x xx xxx anon anonymous anonym anonymized anonymised unknown none null noname nobody test"
    " phantom patient"
    " volunteer deidentified removed na tbd operator user admin default technologist radiologist"
    " physician doctor tech service siemens philips qa qc enter text"
)
_NOBODY = frozenset(_NOBODY_WORDS.split())


_ENDING = re.compile("(?:ий|ый|ой|ая|ος|ας|ης|ις|[аяоеиαηοω])\\Z", re.IGNORECASE)
"""What changes with the case of a Russian or Greek name: Иванова, Ивановой."""
_SHORTEST_STEM = 5
_LOGIN = 8
_FEW = 4
_TURKISH = frozenset("ýþðÝÞÐ")
"""Letters of Latin-1 that stand where Turkish has its own."""
_RARE = re.compile("[\u0402\u0403\u0405\u0408-\u040f\u0452\u0453\u0455\u0458-\u045f]")
"""Cyrillic letters of Serbian and Macedonian, which other letters become by a wrong guess."""
_ALPHABETS = ("cp1251", "koi8_r", "iso8859_5", "iso8859_7", "cp1255", "iso8859_6", "cp1256")
_HANGUL = re.compile("[\uac00-\ud7a3]")
_KOREAN_BYTES = re.compile("(?:[\xa1-\xfe]{2})+")


def name_forms(value: str) -> Iterator[tuple[str, bool]]:
    """Yield each folded form of a PN value, and whether it is a whole name.

    Single letters are no names; an initial counts only beside a family name.
    """
    for read in (value, *_misread(value)):
        for variant in (read, *romanised(read)):
            for group in variant.split("="):
                yield from _group_forms(group)


def initials(value: str) -> Iterator[str]:
    """Yield the initials of a PN value, the family's last or first."""
    for group in value.split("="):
        components = [squeeze(component) for component in _components(group)[:3]]
        if any(word.strip("0123456789") in _NOBODY for word in components):
            continue
        letters = [word[0] for word in components if word and word[0].isalpha()]
        if len(letters) > 1 and not is_ideographic(letters[0]):
            yield "".join(letters)
            yield "".join((*letters[1:], letters[0]))
            yield letters[1] + letters[0]
            yield from _initials_of_all_words(*_components(group)[:2])


def _initials_of_all_words(family: str, given: str) -> Iterator[str]:
    """Yield the initials of names of several words: Ng^May Li, Núñez Ortega^María José."""
    last, first = (
        "".join(letters[0] for word in re.split(r"[\W_]+", part) if (letters := squeeze(word)))
        for part in (family, given)
    )
    if max(len(last), len(first)) > 1 and (last + first).isalpha() and first:
        yield from (first + last, last + first, first + last[:1])


def _group_forms(group: str) -> Iterator[tuple[str, bool]]:
    components = [component.strip() for component in _components(group)]
    family = _words(components[0]) if components else []
    given = [word for component in components[1:3] for word in _words(component)]
    others = [word for component in components[3:] for word in _words(component)]
    if "^" not in group:
        given = [word for word in given if squeeze(word) not in _TITLES]
    if all(squeeze(word).strip("0123456789") in _NOBODY for word in (*family, *given, *others)):
        return
    if "^" not in group and "," not in group and len(family) + len(given) > 1:
        # "de Vries Ida" in one component; a family may well be called Le.
        particles = _SURELY_PARTICLES
    else:
        particles = _PARTICLES if len(family) > 1 else frozenset[str]()
    names = [word for word in (*family, *given) if squeeze(word) not in particles]
    for word in (*names, *(word for word in others if squeeze(word) not in _TITLES)):
        yield from ((part, False) for part in _parts(word))
    yield from ((form, True) for form in _full_names(family, given))
    yield from ((form, False) for form in _logins(family, given))
    if given and "^" not in group and "," not in group:
        # "Linnet Ida" in one component: the first word may be the family's.
        yield from ((form, True) for form in _full_names(given[:1], [*given[1:], *family]))


def _components(group: str) -> list[str]:
    if "^" in group:
        return group.split("^")
    if "," in group:
        return group.split(",")
    words = group.split()
    # Written in one component: the last word is as good a family name as the first.
    return [words[-1], *words[:-1]] if words else []


def _words(component: str) -> list[str]:
    return [word for word in re.split(r"[\s_,;/.]+", component) if squeeze(word)]


def _parts(word: str) -> Iterator[str]:
    letters = squeeze(word)
    if _is_name(letters):
        yield letters
    pieces = re.split(r"[^\w]+", word)
    if len(pieces) > 1:
        yield from (piece for one in pieces if _is_name(piece := squeeze(one)) and len(piece) > 2)
    stem = _ENDING.sub("", word)
    if stem != word and len(squeeze(stem)) >= _SHORTEST_STEM:
        yield squeeze(stem)
    # What a system without the accented letter made of it: M?ller, M ller.
    for one in {word, *pieces} if not word.isascii() else ():
        ascii_only = squeeze("".join(char for char in one if char.isascii()))
        if len(ascii_only) > 3 and ascii_only != squeeze(one):
            yield ascii_only


def _is_name(letters: str) -> bool:
    return len(letters) > 1 or (bool(letters) and is_ideographic(letters))


def _full_names(family: list[str], given: list[str]) -> Iterator[str]:
    last = squeeze("".join(family))
    first = [squeeze(word) for word in given]
    if not last:
        return
    if len(family) > 1:
        yield last
    if not first:
        return
    if len(first) > 1:
        yield "".join(first)
    lasts = {last, *(letters for word in family if _is_name(letters := squeeze(word)))}
    initials = "".join(word[0] for word in first)
    firsts = {"".join(first), first[0], first[0][0], initials, first[0] + initials[1:]}
    for one in lasts:
        for other in firsts:
            yield one + other
            yield other + one


def _logins(family: list[str], given: list[str]) -> Iterator[str]:
    """Yield the names of eight letters that computers make of a long one: Featherstone^Ida."""
    first = squeeze(given[0]) if given else ""
    if not first.isalpha():
        return
    for last in {squeeze("".join(family)), *map(squeeze, family)}:
        if len(last) >= _LOGIN and last.isalpha() and not is_ideographic(last[0]):
            yield first[0] + last[: _LOGIN - 1]
            yield from (last[: _LOGIN - count] + first[:count] for count in (1, 2, 3))


def _misread(value: str) -> Iterator[str]:
    """Yield the name as it reads after a wrongly declared character set."""
    if value.isascii():
        return
    for written, read in (("utf-8", "latin-1"), ("latin-1", "utf-8"), ("utf-8", "cp1252")):
        try:
            yield value.encode(written).decode(read)
        except UnicodeError:
            continue
    yield from _undeclared(value)
    if _HANGUL.search(value) and _KOREAN_BYTES.search(value):
        # 김^희중 of which the second component lacks the escape sequence.
        yield _KOREAN_BYTES.sub(_in_korean, value)


def _undeclared(value: str) -> Iterator[str]:
    """Yield a name of an alphabet that nobody declared: Èâàíîâà is Иванова."""
    letters = [char for char in value if char.isalpha()]
    if len(letters) < _FEW or max(letters) > "\xff":
        return
    turkish = min(letters) < "\x80" and not _TURKISH.isdisjoint(letters)
    if not turkish and min(letters) < "\x80":
        return
    for codec in ("iso8859_9",) if turkish else _ALPHABETS:
        with suppress(UnicodeError):
            read = value.encode("latin-1").decode(codec)
            if turkish or _reads_like_a_name(read):
                yield read


def _reads_like_a_name(text: str) -> bool:
    """Return whether all words are of another alphabet, and capital as names are."""
    words = re.findall(r"[^\W\d_]+", text)
    return all(
        min(word) > "\xff" and _RARE.search(word) is None and word in (word.title(), word.upper())
        for word in words
    )


def _in_korean(found: re.Match[str]) -> str:
    try:
        return found[0].encode("latin-1").decode("euc_kr")
    except UnicodeError:
        return found[0]
