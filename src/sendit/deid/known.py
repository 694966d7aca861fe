"""What is known to identify: gathered from the originals, looked for everywhere else.

``collect`` is handed every decoded string value of an instance (all depths, private elements
included) and keeps what identifies: names of all persons, ids, addresses, places, devices,
dates and UIDs, and what folder and file names give away.  Instances of one batch are merged
with ``|``.  How identifiers are found again in a text is the matter of ``text``.

Names are kept folded (see ``folding``), each component of each component group by itself and
whole names in every order.  Nothing of it shows in a ``repr``.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from json import loads
from pathlib import PurePath
from typing import NamedTuple

from sendit.deid.descriptions import DESCRIBING, without_descriptions
from sendit.deid.folding import is_ideographic, squeeze
from sendit.deid.identities import Identities
from sendit.deid.person_names import initials, name_forms
from sendit.deid.vocabulary import Vocabulary, load_vocabulary
from sendit.dictionary import TAGS

_TEXT_VRS = frozenset(
    ["LO", "SH", "ST", "LT", "UT", "UC", "UR", "PN", "UN", "AE", "CS", "IS", "DS"]
)
_FREE_VRS = frozenset(("LO", "SH", "ST", "LT", "UT", "UC", "UN"))
_BIRTH_TAGS = frozenset((0x00100030, 0x00100033, 0x00100034))
_CARET_NAME = re.compile(r"(?<![\w.])[^\W\d_][\w'’. -]*(?:\^[^\W\d_][\w'’-]*)+")
_DIGITS = re.compile(r"\d{8}")
_UID = re.compile(r"\d+(?:\.\d+){3,}")
_LINK = re.compile(r"\w+://|\\\\\w")
_LONG_RUN = re.compile(r"\d{6,}")
"""So many digits of an id tell it without the letters around them."""
MAX_VALUE = 4096
"""Bytes of one value that are looked at for names; a longer one is no name."""
_SHORTEST_WORD = 4
_SHORTEST_BARE = 4
"""From how many digits a number that was filled up with zeros is known without them."""
_FILLED = re.compile(r"(?<=[a-z])0+(?=\d)")
"""The zeros of RX004471, which stands as RX4471 elsewhere."""
_SHORTEST_NUMBER = 5
_SHORTEST_STREET = 7
_DATE_DIGITS = 8
_CENTURIES = range(1850, 2100)
"""Other digits of a name may read like a date by chance, but are none."""


class Kind(StrEnum):
    """What an identifier names; a recipe that keeps a kind leaves it out of the search."""

    PERSON = "person"
    INITIALS = "initials"
    """Count in capitals, with a point behind each."""
    ID = "id"
    STEP = "step"
    PLACE = "place"
    INSTITUTION = "institution"
    DEVICE = "device"
    FILE = "file"


_NAMED_AFTER = frozenset((Kind.PLACE, Kind.FILE))


class Identifier(NamedTuple):
    """One folded identifier."""

    letters: str
    whole: bool
    """A full name, address or the like: no clinical word, whatever its parts are."""
    kind: Kind


@dataclass(frozen=True)
class Known:
    """The identifiers of one or more instances; may hold PHI, shows none."""

    identifiers: frozenset[Identifier] = field(default=frozenset(), repr=False)
    uids: frozenset[str] = field(default=frozenset(), repr=False)
    dates: frozenset[date] = field(default=frozenset(), repr=False)
    """Every date except dates of birth."""
    birth_dates: frozenset[date] = field(default=frozenset(), repr=False)

    def __or__(self, other: "Known") -> "Known":
        if other == self:
            return self
        return Known(
            self.identifiers | other.identifiers,
            self.uids | other.uids,
            self.dates | other.dates,
            self.birth_dates | other.birth_dates,
        )

    def without(self, kinds: Collection[Kind]) -> "Known":
        """Return the same without the kinds that a recipe keeps.

        A folder or a link named after a kept station or institution tells nothing more.
        """
        stay = {one.letters for one in self.identifiers if one.kind in kinds}
        stay |= {letters.strip("0123456789") for letters in stay}
        kept = frozenset(
            one
            for one in self.identifiers
            if one.kind not in kinds and not (one.kind in _NAMED_AFTER and one.letters in stay)
        )
        return Known(kept, self.uids, self.dates, self.birth_dates)


def collect(
    values: Iterable[tuple[int, str, str]],
    *,
    extra: Sequence[str] = (),
    descriptions: Sequence[str] = (),
) -> Known:
    """Gather what identifies.

    Parameters
    ----------
    values
        Tag, VR and decoded value (values separated by a backslash) of every element that
        holds text, at any depth, as the original has it.
    extra
        Paths of the folders and files that the instances came in, below the inbox.
    descriptions
        What of these paths only describes (``descriptions``).
    """
    vocabulary = load_vocabulary()
    kinds = kind_by_tag()
    identifiers: set[Identifier] = set()
    uids: set[str] = set()
    dates: set[date] = set()
    births: set[date] = set()
    for tag, vr, value in values:
        if not value:
            continue
        if vr == "PN":
            identifiers.update(_persons(value))
            identifiers.update(_initials(value))
        elif vr == "UI":
            uids.update(uid for uid in re.split(r"[\\\0 ]", value) if uid)
        elif vr in ("DA", "DT"):
            (births if tag in _BIRTH_TAGS else dates).update(_dates(value))
        elif vr in _TEXT_VRS:
            if (kind := kinds.get(tag)) is not None:
                identifiers.update(_of_kind(value, kind=kind, vocabulary=vocabulary))
            elif vr in _FREE_VRS and "^" in value:
                identifiers.update(_caret_names(value, vocabulary))
    for path in extra:
        for name in map(_stem, PurePath(path).parts):
            identifiers.update(_of_name(without_descriptions(name, descriptions), vocabulary))
            dates.update(day for day in _dates(name) if day.year in _CENTURIES)
    return Known(
        frozenset(identifiers), frozenset(uids), frozenset(dates - births), frozenset(births)
    )


def collect_identities(identities: Identities) -> Known:
    """Gather the ids and Study UIDs that a service was asked about, and what a batch knows."""
    ids = {one for patient, _ in identities.answers for one in _id_forms(patient, Kind.ID)}
    studies = frozenset(study for _, study in identities.answers)
    return Known(frozenset(ids), studies) | collect(identities.known)


def tells_who(tag: int, vr: bytes, value: bytes) -> bool:
    """Return whether a value is worth gathering from one instance for the others of its batch.

    It names somebody, or it tells what a folder of the batch is named after.
    """
    if vr in (b"DA", b"DT"):
        return tag in _BIRTH_TAGS
    return vr == b"PN" or b"^" in value or tag in kind_by_tag() or tag in DESCRIBING


@lru_cache(maxsize=1)
def kind_by_tag() -> Mapping[int, Kind]:
    """Return which attributes hold which kind of identifier, from ``data/identifying.json``."""
    table = loads((files("sendit.deid") / "data" / "identifying.json").read_text("utf-8"))
    found: dict[int, Kind] = {}
    for kind in (Kind.ID, Kind.STEP, Kind.PLACE, Kind.INSTITUTION, Kind.DEVICE):
        for keyword in table[kind]:
            tag = TAGS.get(keyword)
            if tag is not None:
                found[tag] = kind
    return found


def _persons(value: str) -> Iterator[Identifier]:
    for one in value.split("\\"):
        for letters, whole in name_forms(one):
            yield Identifier(letters, whole=whole, kind=Kind.PERSON)


def _initials(value: str) -> Iterator[Identifier]:
    for one in value.split("\\"):
        for letters in initials(one):
            yield Identifier(letters, whole=False, kind=Kind.INITIALS)


def _caret_names(value: str, vocabulary: Vocabulary) -> Iterator[Identifier]:
    # Siemens writes protocols as "head^brain routine": one clinical word, and it is no name.
    for match in _CARET_NAME.finditer(value):
        name = match.group()
        if _has_common_word(name, vocabulary):
            # "T1 brain Miller^Ada": a description may stand before the name.
            name = name.partition("^")[0].split()[-1] + name[name.index("^") :]
        if not _has_common_word(name, vocabulary):
            yield from _persons(name)


def _has_common_word(name: str, vocabulary: Vocabulary) -> bool:
    words = (squeeze(word) for word in re.split(r"[\W\d_]+", name))
    return any(vocabulary.is_common(word) for word in words if word)


def _of_kind(value: str, *, kind: Kind, vocabulary: Vocabulary) -> Iterator[Identifier]:
    if _LINK.match(value):
        yield from _link_forms(value, vocabulary)
        return
    parts = re.split(r"\\" if kind in (Kind.ID, Kind.STEP) else r"[\\\r\n]+", value)
    if kind is Kind.PLACE:
        yield from _lines_of_address(value)
    for part in parts:
        if kind in (Kind.ID, Kind.STEP):
            yield from _id_forms(part, kind)
        else:
            yield from _place_forms(part, kind=kind, vocabulary=vocabulary)


def _id_forms(value: str, kind: Kind) -> Iterator[Identifier]:
    letters = squeeze(value)
    if not letters.strip("0") or (kind is Kind.STEP and is_short(letters)):
        return  # 000000 is nobody's number
    yield Identifier(letters, not letters.isalpha(), kind)
    bare = letters.lstrip("0")
    if bare != letters and len(bare) >= _SHORTEST_BARE:
        yield Identifier(bare, whole=True, kind=kind)
    unfilled = _FILLED.sub("", letters)
    if unfilled != letters and len(unfilled) >= _SHORTEST_BARE:
        yield Identifier(unfilled, whole=True, kind=kind)
    if not letters.isdigit():
        yield from (Identifier(run, whole=True, kind=kind) for run in _LONG_RUN.findall(letters))
    if "^" in value and re.search(r"[^\W\d_]{2}", value):
        for form, whole in name_forms(value):
            yield Identifier(form, whole, kind)


def _link_forms(value: str, vocabulary: Vocabulary) -> Iterator[Identifier]:
    """Yield the computers and folders of a link that no word of the language names."""
    for piece in re.split(r"[\\/?&=#:]+", _UID.sub("/", value)):
        words = [squeeze(word) for word in re.split(r"[\W_]+", piece) if word]
        letters = "".join(words)
        mixed = len(words) > 1 or not letters.isalpha()
        if mixed and not is_short(letters) and not all(map(vocabulary.is_common, words)):
            yield Identifier(letters, whole=True, kind=Kind.PLACE)


def _lines_of_address(value: str) -> Iterator[Identifier]:
    """Yield a street and its number, which stand in a text without the town."""
    for line in re.split(r"[\\^,;|\r\n]+", value):
        letters = squeeze(line)
        if not letters.isalpha() and not letters.isdigit() and len(letters) >= _SHORTEST_STREET:
            yield Identifier(letters, whole=True, kind=Kind.PLACE)


def _place_forms(value: str, *, kind: Kind, vocabulary: Vocabulary) -> Iterator[Identifier]:
    words = [squeeze(word) for word in re.split(r"[\W_]+", value) if word]
    letters = "".join(words)
    distinct = [word for word in words if not _is_common_word(word, vocabulary)]
    if len(letters) > 1 and (distinct or (len(words) > 1 and kind is not Kind.DEVICE)):
        yield Identifier(letters, len(words) > 1 or not letters.isalpha(), kind)
    for word in distinct:
        if not is_short(word):
            yield Identifier(word, not word.isalpha(), kind)


def _stem(name: str) -> str:
    """Return the name of a folder or file without its extension and UIDs."""
    stem = re.sub(r"\.(?:dcm|dicom|ima|img|tmp|part|err)\d*$", "", name, flags=re.IGNORECASE)
    return _UID.sub(" ", stem)


def _of_name(stem: str, vocabulary: Vocabulary) -> Iterator[Identifier]:
    words = [squeeze(word) for word in re.split(r"[\W_]+", stem) if word]
    distinct = [word for word in words if not _is_common_word(word, vocabulary)]
    pieces = [piece for word in distinct for piece in re.findall(r"\d+|[^\W\d]+", word)]
    for piece in (*distinct, *pieces):
        if is_short(piece) or (piece.isalpha() and vocabulary.is_common(piece)):
            continue
        if not piece.strip("0"):
            continue
        if len(piece) == _DATE_DIGITS and any(_dates(piece)):
            continue
        yield Identifier(piece, not piece.isalpha(), Kind.FILE)
    if "^" in stem or "," in stem:
        for letters, whole in name_forms(stem):
            # The b-values of "DWI b=0,50,400" are nobody's names.
            if not letters.isdigit():
                yield Identifier(letters, whole, Kind.FILE)


def _is_common_word(word: str, vocabulary: Vocabulary) -> bool:
    letters = word.strip("0123456789")
    if not letters:
        return is_short(word)
    return vocabulary.is_common(letters) and len(word) - len(letters) < _SHORTEST_NUMBER


def is_short(letters: str) -> bool:
    """Return whether an identifier counts only as a whole word.

    Under four characters, or of digits alone under five.  In scripts without spaces between
    words, two characters are long enough.
    """
    if any(is_ideographic(letter) for letter in letters):
        return len(letters) < 2
    return len(letters) < (_SHORTEST_NUMBER if letters.isdigit() else _SHORTEST_WORD)


def _dates(value: str) -> Iterator[date]:
    for match in _DIGITS.finditer(value):
        digits = match.group()
        try:
            yield date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
        except ValueError:
            continue
