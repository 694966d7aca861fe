"""Look for planted identifiers in a result, with eyes of its own.

Neither the engine's nor the gate's code is used: values are decoded by pydicom, names are
compared as plain lower-case words, numbers and the rest as bytes of the file in every
encoding that could hold them.  A name that is also a word of the field (White, Long) counts
only beside the given name or a title: elsewhere it *is* the word.
"""

import re
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filereader import dcmread

from tests.support.corpus import Planted, Specimen
from tests.support.corpus_people import Person

TEXT_VRS = frozenset(("LO", "SH", "ST", "LT", "UT", "UC", "PN", "CS", "AE", "UR"))
ENCODINGS = ("utf-8", "latin-1", "gb18030", "iso2022_jp", "euc_jp", "utf-16-le")
_WORD = re.compile(r"[^\W_]+")
_TITLES = ("dr", "mr", "mrs", "prof")
_LEAST_LETTERS, _LEAST_DIGITS = 4, 5


@dataclass(frozen=True, slots=True)
class Leak:
    """A planted identifier that still stands in a result."""

    planted: Planted
    found: str
    """Where: a tag, ``bytes`` or ``file name``."""


@dataclass(frozen=True, slots=True)
class Result:
    """A result as it is searched."""

    content: bytes = field(repr=False)
    values: tuple[tuple[str, str, str], ...] = field(repr=False)
    """Tag, VR and decoded value of every element at every depth."""
    name: str = field(repr=False)


def read_result(path: Path, *, name: str = "") -> Result:
    """Read a result; ``name`` is the path under which it goes out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = dcmread(path)
        values = tuple(_values(ds))
    return Result(path.read_bytes().lower(), values, name.lower())


def leaks_in(
    result: Result, specimen: Specimen, *, allowed: Iterable[str] = (), moved: Iterable[str] = ()
) -> list[Leak]:
    """Return what was planted and still stands there.

    Parameters
    ----------
    allowed
        Kinds that the recipe keeps: ``institution``, ``device``, ``uid``.
    moved
        Dates that may stand, since an original one moved onto them; ``YYYYMMDD``.
    """
    kept = {"patient", *allowed}
    leaks = []
    for planted in dict.fromkeys(specimen.planted):
        if planted.kind in kept or (planted.kind == "date" and planted.text in set(moved)):
            continue
        found = _find(result, planted)
        if found:
            leaks.append(Leak(planted, found))
    return leaks


def _find(result: Result, planted: Planted) -> str:
    if planted.kind == "name" and planted.person is not None:
        return _find_person(result, planted.person)
    plain = planted.text.lower()
    digits = re.sub(r"\D", "", plain)
    if planted.kind == "number" and len(plain) < _LEAST_DIGITS:
        return _find_word(result, plain)
    if plain.isdigit():
        return _find_number(result, plain)
    if plain in result.name:
        return "file name"
    if plain.encode("latin-1", "replace") in result.content:
        return "bytes"
    if planted.kind == "contact" and plain.startswith("+"):
        return _find_number(result, digits)
    return ""


def _find_person(result: Result, person: Person) -> str:
    for script in person.scripts or ():
        if len(script) > 1:
            for encoding in ("utf-8", "gb18030"):
                if script.encode(encoding) in result.content:
                    return "bytes"
    family, given = _letters(person.family), _letters(person.given)
    for tag, vr, value in result.values:
        if vr not in TEXT_VRS:
            continue
        words = _WORD.findall(_plain(value))
        joined = "".join(words)
        if family + given in joined or given + family in joined:
            return tag
        for name in (family, given):
            if name not in words:
                continue
            stands_alone = len(name) >= _LEAST_LETTERS and (name == given or not person.is_clinical)
            if vr == "PN" or stands_alone:
                return tag
            if any(words[at - 1] in _TITLES for at in range(1, len(words)) if words[at] == name):
                return tag
    return _find_long_names(result, person)


def _find_long_names(result: Result, person: Person) -> str:
    for name in (person.family, person.given):
        if len(name) < 6 or (person.is_clinical and name == person.family):
            continue
        for encoding in ENCODINGS:
            try:
                raw = name.lower().encode(encoding)
            except UnicodeEncodeError:
                continue
            if raw in result.content:
                return "bytes"
        if name.lower() in result.name:
            return "file name"
    return ""


def _find_word(result: Result, word: str) -> str:
    """Find a short number as a whole value, or a word of a descriptive text."""
    for tag, vr, value in result.values:
        is_text = vr in ("LO", "SH", "ST", "LT", "UT", "UC", "PN") and tag not in _NUMBERED
        if is_text and word in re.split(r"[\s,;:()]+", value.lower()):
            return tag
    return ""


def _find_number(result: Result, digits: str) -> str:
    pattern = re.compile(rb"(?<![\d.])" + digits.encode() + rb"(?!\d)")
    if digits in re.sub(r"2\.25\.\d+", "", result.name):
        return "file name"
    # Our own UIDs are 39 digits long; what is found in one is chance.
    return "bytes" if pattern.search(result.content) else ""


_NUMBERED = frozenset(("(0018,1020)", "(0008,0102)", "(0008,0100)", "(0012,0063)"))


def _values(ds: Dataset) -> Iterator[tuple[str, str, str]]:
    for elem in ds.iterall():
        if elem.VR == "SQ" or elem.value is None:
            continue
        tag = f"({elem.tag.group:04X},{elem.tag.element:04X})"
        if isinstance(elem.value, bytes):
            yield tag, elem.VR, elem.value.decode("latin-1") if elem.VR == "UN" else ""
        elif elem.VM > 1:
            yield tag, elem.VR, "\\".join(map(str, elem.value))
        else:
            yield tag, elem.VR, str(elem.value)


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.lower())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def _letters(name: str) -> str:
    return "".join(_WORD.findall(_plain(name)))
