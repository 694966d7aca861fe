"""Every identifier of the originals of one patient, in the form that the gate compares.

A name is known by its words, by them run together and by their usual spellings in Latin letters;
a number by its digits; an address by its parts and by the words that tell it; phones, mails and
numbers with a label by how they are written.  Which values of a header hold them is left to
``release_dossier``, where they may not stand in a result to ``release_search``.
"""

import re
from dataclasses import dataclass, field, replace

from sendit.deid.release_content import Content
from sendit.deid.release_romanising import spellings, undeclared, words_run_together
from sendit.deid.release_sources import Kind
from sendit.deid.release_vocabulary import (
    DUMMIES,
    is_clinical_term,
    is_common,
    is_generic_station,
)
from sendit.deid.release_words import (
    CARET_NAME,
    LABELLED_ID,
    MAIL,
    NATIONAL_ID,
    PHONE,
    dates_in,
    dates_told,
    is_ideographic,
    logins,
    parts_of,
    squeeze,
    told_words,
    without_running_text,
    words_of,
)

STANDARD_UIDS = b"1.2.840.10008."
"""How UIDs begin that are nobody's."""
_LEAST_LETTERS = 4
_LEAST_DIGITS = 5
_LEAST_RUNNING = 4
"""Digits of the number of a file behind its zeros; IM000012 is the twelfth of a series."""
_LONG = 7
_TELLING_WORD = 6
"""Letters from which on one word of a place tells it."""
_RUN_OF_ID = re.compile(r"\d{6,}")
_MOST_TEXT = 1 << 18
_UID = re.compile(rb"[0-2](?:\.(?:0|[1-9]\d*)){3,}")
_SIXTEEN_BITS = ("utf-16-le", "utf-16-be")
_SPLIT_CONTACT = re.compile(r"[,;\n\r^\\|]+")
_SERVANT = "عبد "
"""It makes one name with the next word: Abdullah."""


@dataclass(frozen=True, slots=True)
class Known:
    """Every identifier of the originals of one patient so far, in folded form.

    The sets are shared and grow while a batch goes on; ``content`` is of one original.
    """

    words: dict[str, Kind] = field(default_factory=dict, repr=False)
    """What may not stand as a word or as neighbouring words."""
    long: dict[str, Kind] = field(default_factory=dict, repr=False)
    """What may not stand even among other letters."""
    numbers: dict[str, Kind] = field(default_factory=dict, repr=False)
    """Digits only, five or more."""
    short: set[str] = field(default_factory=set, repr=False)
    """The patient's own short numbers; they count as a whole word of a text only."""
    raw: set[bytes] = field(default_factory=set, repr=False)
    """Names as the file writes them, where that is not ASCII."""
    uids: set[bytes] = field(default_factory=set, repr=False)
    dates: set[str] = field(default_factory=set, repr=False)
    content: Content | None = field(default=None, repr=False)
    """The original itself, to compare the result with."""
    version: int = 0
    """Grows with the names and numbers learned; what was judged before may look new now."""


class Identifiers:
    """Gathers the identifiers of one patient; they become more, never fewer."""

    def __init__(self) -> None:
        self._known = Known()
        self._learned = 0
        """How often a word or a number was learned, or one more kind that it is of."""

    def beside(self, content: Content) -> Known:
        """Return everything known so far, with one of the originals."""
        version = self._learned + len(self._known.short) + len(self._known.raw)
        return replace(self._known, content=content, version=version)

    def add_name(self, text: str, *, least: int = 2) -> None:
        """Add the words of a name, and them run together; a word of fewer letters is none."""
        for group in text.split("="):
            components = group.split("^")[:3]
            if squeeze(group) in DUMMIES:
                continue
            told = [told_words(part) for part in components]
            flat = [word for words in told for word in words]
            for word in flat:
                self._name_word(word, least)
            for words in told:
                # One letter and another, of bytes that are no letters, are no name.
                if len(words) > 1 and len(joined := "".join(words)) >= least:
                    self._add(self._known.words, joined, Kind.NAME)
            for login in logins(told):
                self._add(self._known.words, login, Kind.NAME)
            if len(flat) > 1:
                for joined in ("".join(flat), "".join(reversed(flat))):
                    keep = self._known.long if len(joined) >= _LONG else self._known.words
                    self._add(keep, joined, Kind.NAME)

    def add_spellings(self, name: str) -> None:
        """Add how the words of a name in another script are written in Latin letters."""
        if name.isascii():
            return
        names = (name, name.replace(_SERVANT, _SERVANT.strip()), *undeclared(name))
        words = re.split(r"[\s=^,;/._-]+", "^".join(names))
        for word in words:
            # What a system without the accented letters makes of it: M?ller, M ller.
            plain = "".join(letter for letter in word if letter.isascii())
            if plain != word and len(plain) >= _LEAST_LETTERS:
                self._name_word(squeeze(plain), _LEAST_LETTERS)
        together = (part for group in name.split("=") for part in words_run_together(group))
        for word in {*words, *together}:
            for spelling in spellings(word):
                self._name_word(squeeze(spelling), 2)

    def add_raw_names(self, value: bytes, text: str) -> None:
        """Add a name that is not ASCII: the bytes of the file, and those of Unicode."""
        if value.isascii() and text.isascii():
            return
        for part in re.split(rb"[\\^=\s]+", value):
            if len(part) >= _LEAST_LETTERS and not part.isascii():
                self._known.raw.add(part)
        # A profile, a comment of a stream: bytes of which nobody says what they are in.
        for name in re.split(r"[\\^=\s]+", text):
            if not name.isascii():
                written = (name.encode(one, "ignore") for one in ("utf-8", *_SIXTEEN_BITS))
                self._known.raw.update(part for part in written if len(part) > _LEAST_LETTERS)

    def add_names_with_carets(self, text: str) -> None:
        """Add names that stand in a text as PN values have them; a protocol has common words."""
        for match in CARET_NAME.finditer(text[:4000]) if "^" in text else ():
            if not any(map(is_common, words_of(match.group()))):
                name = without_running_text(match.group())
                self.add_name(name)
                self.add_spellings(name)

    def add_identifier(self, text: str, kind: Kind, *, patient: bool = False) -> None:
        """Add a number or a code; a short one only if it is the patient's own."""
        word = squeeze(text)
        known = self._known
        if not word.strip("0") or word in DUMMIES or (word.isalpha() and is_common(word)):
            return
        if kind is Kind.DEVICE and is_generic_station(word):
            return
        if word.isdigit():
            if len(word) >= _LEAST_DIGITS:
                for digits in (word, word.lstrip("0")):
                    if len(digits) >= _LEAST_DIGITS:
                        self._add(known.numbers, digits, kind)
            elif patient:
                known.short.add(word)
        elif len(word) >= _LEAST_LETTERS:
            self._add(known.words, word, kind)
            for digits in _RUN_OF_ID.findall(word) if kind & Kind.ID else ():
                self._add(known.numbers, digits, kind)
            if len(word) >= _LONG:
                self._add(known.long, word, kind)
        elif patient:
            known.short.add(word)

    def add_place(self, text: str, kind: Kind) -> None:
        """Add an address or an institution: as a whole, its parts, and the words that tell it."""
        known = self._known
        if squeeze(text) in DUMMIES or all(map(is_common, words_of(text))):
            return
        for part in {text, *_SPLIT_CONTACT.split(text)}:
            word = squeeze(part)
            if len(word) < _LONG - 1 or word in DUMMIES or all(map(is_common, words_of(part))):
                continue
            if part != text and not any(map(_is_telling, words_of(part))):
                continue  # the "CT Center 2" of an address
            if word.isdigit():
                self._add(known.numbers, word, kind)
            elif kind & Kind.INSTITUTION or len(words_of(part)) > 1 or not word.isalpha():
                self._add(known.words, word, kind)
                if len(word) > _LONG:
                    self._add(known.long, word, kind)
        for word in words_of(text):
            if word.isalpha() and len(word) >= _TELLING_WORD and not is_common(word):
                self._add(known.words, word, kind)

    def add_text(self, text: str) -> None:
        """Add what is known by how it is written: phones, mails, labelled ids, dates, UIDs."""
        known = self._known
        text = text[:_MOST_TEXT]
        for pattern in (PHONE, NATIONAL_ID):
            for match in pattern.finditer(text):
                digits = re.sub(r"\D", "", match.group())
                if len(digits) >= _LONG:
                    self._add(known.numbers, digits, Kind.CONTACT)
        for match in MAIL.finditer(text):
            self._add(known.long, squeeze(match.group()), Kind.CONTACT)
        for match in LABELLED_ID.finditer(text):
            self.add_identifier(match.group("id"), Kind.ID)
        known.dates.update(dates_told(text))
        self.add_uids(text.encode("ascii", "replace"))

    def add_uids(self, value: bytes) -> None:
        """Add the UIDs that stand in a value, but for those of the standard."""
        for uid in _UID.findall(value):
            if not uid.startswith(STANDARD_UIDS) and len(uid) >= 12:
                self._known.uids.add(uid)

    def add_dates(self, value: bytes) -> None:
        """Add the dates of a value that holds nothing else."""
        self._known.dates.update(dates_in(value.decode("latin-1")))

    def add_folder(self, name: str, described: set[str]) -> None:
        """Add the words and numbers of a folder or a file, but for words of descriptions."""
        self.add_uids(name.encode("ascii", "replace"))
        known = self._known
        wholes = [word for word in re.split(r"[\W_]+", name) if word]
        plain = [one for one in wholes if is_common(squeeze(one)) or squeeze(one) in described]
        # What only stands inside a word of the field (BestDiast) is no word of its own.
        inner = {part for one in plain for part in parts_of(one)}
        for word in (set(parts_of(name)) | set(words_of(name))) - inner:
            if is_common(word) or word in DUMMIES or word in described:
                continue
            if word.isdigit():
                tells = len(word) > _LEAST_DIGITS and len(word.lstrip("0")) >= _LEAST_RUNNING
                if tells and not _UID.search(name.encode("ascii", "replace")):
                    self._add_word_of_folder(known.numbers, word)
            elif len(word) >= _LEAST_LETTERS and (word.isalpha() or len(word) >= _LONG):
                self._add_word_of_folder(known.words, word)

    def _name_word(self, word: str, least: int) -> None:
        known = self._known
        if word.isdigit():
            if len(word) >= _LEAST_DIGITS:
                self._add(known.numbers, word, Kind.NAME)
        elif is_ideographic(word):
            if len(word) > 1:
                self._add(known.long, word, Kind.NAME)
        elif len(word.strip("0123456789")) >= least and word.rstrip("0123456789") not in DUMMIES:
            self._add(known.words, word, Kind.NAME)
            if len(word) >= _LONG and not is_clinical_term(word):
                self._add(known.long, word, Kind.NAME)

    def _add_word_of_folder(self, found: dict[str, Kind], word: str) -> None:
        """Know a word of a folder, if it is not known as something that tells more."""
        if word not in found:
            self._add(found, word, Kind.FOLDER)

    def _add(self, found: dict[str, Kind], word: str, kind: Kind) -> None:
        """Know a word or a number, or one more kind that it is of."""
        before = found.get(word, Kind(0))
        if kind not in before:
            found[word] = before | kind
            self._learned += 1


def _is_telling(word: str) -> bool:
    return len(word) >= _LEAST_LETTERS and not word.isdigit() and not is_common(word)
