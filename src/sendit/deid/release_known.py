"""What an original knows: every identifier in its headers, found with the gate's own code.

The engine's extraction is not asked, so a name that it fails to see does not blind the gate.
Names come from every PN value at every depth, and from strings elsewhere that are written
like one; numbers, addresses, institutions and devices from the attributes that hold them
(``release_sources``); UIDs and dates from everywhere; phones, mails and numbers with a label
from free text.

Where these may not stand in a result is decided by ``release_search``.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from sendit.deid.release_content import Content, Creators, Key, Level, creator_tag, vr_of
from sendit.deid.release_looked import Looked
from sendit.deid.release_romanising import spellings, undeclared, words_run_together
from sendit.deid.release_sources import (
    CLASS_UIDS,
    DESCRIPTIONS,
    KIND_OF_TAG,
    PATIENT_NUMBERS,
    STEPS,
    Kind,
    identifiers_of_item,
    names_somebody,
)
from sendit.deid.release_text import TEXT_VRS, is_text, readings, text_in
from sendit.deid.release_vocabulary import (
    DUMMIES,
    is_clinical_term,
    is_common,
    is_generic_station,
    words_repeated,
)
from sendit.deid.release_words import (
    CARET_NAME,
    LABELLED_ID,
    MAIL,
    NAME_LINE,
    NATIONAL_ID,
    PHONE,
    dates_in,
    dates_told,
    is_ideographic,
    is_misread,
    logins,
    parts_of,
    squeeze,
    told_words,
    without_running_text,
    words_of,
)

_LEAST_LETTERS = 4
_LEAST_MISREAD = 6
"""Signs of two or three bytes make letters and numbers of fewer: å, ¹ and ½."""
_LEAST_DIGITS = 5
_LONG = 7
_TELLING_WORD = 6
"""Letters from which on one word of a place tells it."""
_RUN_OF_ID = re.compile(r"\d{6,}")
_MOST_TEXT = 1 << 18
_MOST_LINES = 1 << 16
MOST_HELD_BYTES = 1 << 25
"""Bytes of values that are remembered as looked at; then the memory begins anew."""
OVERHEAD = 128
"""Bytes that a value costs beyond its own."""
_MOST_BINARY = 1 << 23
"""Bytes of one value of unknown content in which names are looked for."""
STANDARD_UIDS = b"1.2.840.10008."
"""How UIDs begin that are nobody's."""
_UID = re.compile(rb"[0-2](?:\.(?:0|[1-9]\d*)){3,}")
_TELLING = re.compile(r"@|\^|\d[-./ ()]{1,2}\d{2}|\d{6}")
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


class Dossier:
    """Gathers what the originals of one patient know; each value is looked at once."""

    def __init__(self) -> None:
        self._known = Known()
        self._seen: dict[tuple[bytes, Creators], Looked] = defaultdict(Looked)
        """By character set and private creators; what a value says depends on these."""
        self._lines: set[str] = set()
        self._held_bytes = 0
        self._learned = 0
        """How often a word or a number was learned, or one more kind that it is of."""
        self._folders: dict[tuple[int | bytes, ...], Iterable[str]] = {}

    def learn(self, content: Content) -> Known:
        """Add what one file knows, and return everything known so far."""
        self._elements(b"", Level(content.meta))
        self._level(content.level, b"")
        if content.rest:
            self._free_text(text_in(content.rest))
        version = self._learned + len(self._known.short) + len(self._known.raw)
        return replace(self._known, content=content, version=version)

    def learn_folders(
        self, names: Iterable[str], content: Content, *, descriptions: Sequence[str] = ()
    ) -> None:
        """Add the names of folders and files, but for the words that describe the series.

        Nor is there anything to learn from a name in as far as it is one of the batch's
        descriptions, word for word.
        """
        leaves = content.level.by_tag()
        values = [leaves[tag][1] for tag in DESCRIPTIONS if tag in leaves]
        # A batch has thousands of names, and its files few descriptions.
        place: tuple[int | bytes, ...] = (id(names), *values)
        if place in self._folders:
            return
        self._folders[place] = names
        described = {part for value in values for part in parts_of(value.decode("latin-1"))}
        for name in names:
            self._folder(name, described | words_repeated(name, descriptions))

    def _level(self, level: Level, charset: bytes) -> None:
        charset = level.charset(charset)
        self._elements(charset, level)
        for key, items in level.sequences:
            for item in items:
                self._level(item, charset)
                for kind, value in identifiers_of_item(key >> 16, item):
                    for text in readings(value, charset):
                        if kind & Kind.NAME:
                            self._name(text)
                        self._identifier(text, kind)

    def _elements(self, charset: bytes, level: Level) -> None:
        seen = self._seen[charset, level.creators_set()]
        new = seen.new_in(level)
        if not new:
            return
        for key, value in new:
            self._leaf(key, value, charset, level)
        seen.add(*new)
        self._held_bytes += sum(OVERHEAD + len(value) for _, value in new)
        if self._held_bytes > MOST_HELD_BYTES:
            self._seen.clear()
            self._held_bytes = 0

    def _leaf(self, key: Key, value: bytes, charset: bytes, level: Level) -> None:
        tag, vr = key >> 16, vr_of(key)
        if vr == "UI":
            if tag not in CLASS_UIDS:
                self._uids(value)
        elif vr in ("DA", "DT"):
            self._known.dates.update(dates_in(value.decode("latin-1")))
        elif vr in TEXT_VRS or tag in KIND_OF_TAG:
            self._string(tag, vr, value, charset, level)
        elif vr in ("UN", "OB", "OW") and len(value) >= _LONG:
            if is_text(value):
                self._string(tag, "LT", value, charset, level)
            else:
                self._binary(value)

    def _binary(self, value: bytes) -> None:
        """Look at the lines of text in a value; most stand in the next slice again."""
        lines = set(text_in(value[:_MOST_BINARY]).split("\n")) - self._lines
        if not lines:
            return
        if len(self._lines) > _MOST_LINES:
            self._lines.clear()
        self._lines |= lines
        telling = [
            line
            for line in lines
            if len(line) >= _LONG and line.isascii() and _TELLING.search(line)
        ]
        self._free_text("\n".join(telling))
        for line in telling:
            if NAME_LINE.fullmatch(line.strip()) and not any(map(is_common, words_of(line))):
                self._name(line)

    def _string(self, tag: int, vr: str, value: bytes, charset: bytes, level: Level) -> None:
        declared, *others = readings(value, charset)
        texts = (declared, *(text for text in others if not is_misread(text)))
        kind = KIND_OF_TAG.get(tag)
        if vr == "PN":
            self._raw_names(value, texts[0])
        for number, text in enumerate(texts):
            if vr == "PN":
                for name in text.split("\\"):
                    # Bytes read in a set that nobody declared give syllables of no name.
                    self._name(name, least=_LEAST_MISREAD if number else 2)
                    if not number or text.encode("utf-8", "ignore") == value.rstrip(b" \0"):
                        self._spellings(name)
            elif kind is not None:
                for part in text.split("\\"):
                    self._of_kind(part, kind, tag)
            else:
                self._free_text(text)
                if not tag >> 16 & 1:
                    self._carets(text)
        if tag >> 16 & 1:
            self._private(tag, texts, level)

    def _of_kind(self, text: str, kind: Kind, tag: int) -> None:
        if kind & (Kind.CONTACT | Kind.INSTITUTION):
            self._place(text, kind)
        else:
            self._identifier(text, kind, patient=tag in PATIENT_NUMBERS, step=tag in STEPS)
        self._free_text(text)

    def _private(self, tag: int, texts: Iterable[str], level: Level) -> None:
        creator = level.creators().get(creator_tag(tag), "")
        told = bool(creator) and names_somebody(tag, creator)
        for text in texts:
            if told and len(text) < 200:
                self._name(text.replace(",", "^"))
                self._spellings(text)
                continue
            self._carets(text)

    def _carets(self, text: str) -> None:
        """Add names that stand in a text as PN values have them; a protocol has common words."""
        for match in CARET_NAME.finditer(text[:4000]) if "^" in text else ():
            if not any(map(is_common, words_of(match.group()))):
                name = without_running_text(match.group())
                self._name(name)
                self._spellings(name)

    def _raw_names(self, value: bytes, text: str) -> None:
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

    def _name(self, text: str, *, least: int = 2) -> None:
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

    def _spellings(self, name: str) -> None:
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

    def _identifier(
        self, text: str, kind: Kind, *, patient: bool = False, step: bool = False
    ) -> None:
        word = squeeze(text)
        known = self._known
        if not word or word in DUMMIES or (word.isalpha() and is_common(word)):
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

    def _place(self, text: str, kind: Kind) -> None:
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

    def _free_text(self, text: str) -> None:
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
            self._identifier(match.group("id"), Kind.ID)
        known.dates.update(dates_told(text))
        self._uids(text.encode("ascii", "replace"))

    def _uids(self, value: bytes) -> None:
        for uid in _UID.findall(value):
            if not uid.startswith(STANDARD_UIDS) and len(uid) >= 12:
                self._known.uids.add(uid)

    def _folder(self, name: str, described: set[str]) -> None:
        self._uids(name.encode("ascii", "replace"))
        known = self._known
        wholes = [word for word in re.split(r"[\W_]+", name) if word]
        plain = [one for one in wholes if is_common(squeeze(one)) or squeeze(one) in described]
        # What only stands inside a word of the field (BestDiast) is no word of its own.
        inner = {part for one in plain for part in parts_of(one)}
        for word in (set(parts_of(name)) | set(words_of(name))) - inner:
            if is_common(word) or word in DUMMIES or word in described:
                continue
            if word.isdigit():
                if len(word) > _LEAST_DIGITS and not _UID.search(name.encode("ascii", "replace")):
                    self._add_folder(known.numbers, word)
            elif len(word) >= _LEAST_LETTERS and (word.isalpha() or len(word) >= _LONG):
                self._add_folder(known.words, word)

    def _add_folder(self, found: dict[str, Kind], word: str) -> None:
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
