"""What an original knows: every identifier in its headers, found with the gate's own code.

The engine's extraction is not asked, so a name that it fails to see does not blind the gate.
Names come from every PN value at every depth, and from strings elsewhere that are written
like one; numbers, addresses, institutions and devices from the attributes that hold them
(``release_sources``); UIDs and dates from everywhere; phones, mails and numbers with a label
from free text.

What is made of each is left to ``release_known``.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from sendit.deid.release_content import Content, Creators, Key, Level, creator_tag, vr_of
from sendit.deid.release_known import Identifiers, Known
from sendit.deid.release_looked import MOST_HELD_BYTES, OVERHEAD, Looked
from sendit.deid.release_sources import (
    CLASS_UIDS,
    DESCRIPTIONS,
    KIND_OF_TAG,
    PATIENT_NUMBERS,
    Kind,
    identifiers_of_item,
    names_somebody,
)
from sendit.deid.release_text import TEXT_VRS, is_text, readings, text_in
from sendit.deid.release_vocabulary import is_common, words_repeated
from sendit.deid.release_words import NAME_LINE, is_misread, parts_of, words_of

_LEAST_MISREAD = 6
"""Signs of two or three bytes make letters and numbers of fewer: å, ¹ and ½."""
_LEAST_TEXT = 7
_MOST_LINES = 1 << 16
_MOST_BINARY = 1 << 23
"""Bytes of one value of unknown content in which names are looked for."""
_TELLING = re.compile(r"@|\^|\d[-./ ()]{1,2}\d{2}|\d{6}")


class Dossier:
    """Gathers what the originals of one patient know; each value is looked at once."""

    def __init__(self) -> None:
        self._found = Identifiers()
        self._seen: dict[tuple[bytes, Creators], Looked] = defaultdict(Looked)
        """By character set and private creators; what a value says depends on these."""
        self._lines: set[str] = set()
        self._held_bytes = 0
        self._folders: dict[tuple[int | bytes, ...], Iterable[str]] = {}

    def learn(self, content: Content) -> Known:
        """Add what one file knows, and return everything known so far."""
        self._elements(b"", Level(content.meta))
        self._level(content.level, b"")
        if content.rest:
            self._found.add_text(text_in(content.rest))
        return self._found.beside(content)

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
            self._found.add_folder(name, described | words_repeated(name, descriptions))

    def _level(self, level: Level, charset: bytes) -> None:
        charset = level.charset(charset)
        self._elements(charset, level)
        for key, items in level.sequences:
            for item in items:
                self._level(item, charset)
                for kind, value in identifiers_of_item(key >> 16, item):
                    for text in readings(value, charset):
                        if kind & Kind.NAME:
                            self._found.add_name(text)
                        self._found.add_identifier(text, kind)

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
                self._found.add_uids(value)
        elif vr in ("DA", "DT"):
            self._found.add_dates(value)
        elif vr in TEXT_VRS or tag in KIND_OF_TAG:
            self._string(tag, vr, value, charset, level)
        elif vr in ("UN", "OB", "OW") and len(value) >= _LEAST_TEXT:
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
            if len(line) >= _LEAST_TEXT and line.isascii() and _TELLING.search(line)
        ]
        self._found.add_text("\n".join(telling))
        for line in telling:
            if NAME_LINE.fullmatch(line.strip()) and not any(map(is_common, words_of(line))):
                self._found.add_name(line)

    def _string(self, tag: int, vr: str, value: bytes, charset: bytes, level: Level) -> None:
        declared, *others = readings(value, charset)
        texts = (declared, *(text for text in others if not is_misread(text)))
        kind = KIND_OF_TAG.get(tag)
        if vr == "PN":
            self._found.add_raw_names(value, texts[0])
        for number, text in enumerate(texts):
            if vr == "PN":
                for name in text.split("\\"):
                    # Bytes read in a set that nobody declared give syllables of no name.
                    self._found.add_name(name, least=_LEAST_MISREAD if number else 2)
                    if not number or text.encode("utf-8", "ignore") == value.rstrip(b" \0"):
                        self._found.add_spellings(name)
            elif kind is not None:
                for part in text.split("\\"):
                    self._of_kind(part, kind, tag)
            else:
                self._found.add_text(text)
                if not tag >> 16 & 1:
                    self._found.add_names_with_carets(text)
        if tag >> 16 & 1:
            self._private(tag, texts, level)

    def _of_kind(self, text: str, kind: Kind, tag: int) -> None:
        if kind & (Kind.CONTACT | Kind.INSTITUTION):
            self._found.add_place(text, kind)
        else:
            self._found.add_identifier(text, kind, patient=tag in PATIENT_NUMBERS)
        self._found.add_text(text)

    def _private(self, tag: int, texts: Iterable[str], level: Level) -> None:
        creator = level.creators().get(creator_tag(tag), "")
        told = bool(creator) and names_somebody(tag, creator)
        for text in texts:
            if told and len(text) < 200:
                self._found.add_name(text.replace(",", "^"))
                self._found.add_spellings(text)
                continue
            self._found.add_names_with_carets(text)
