"""What each action does to the bytes of one element.

Each function here is an ``Act``: it turns a rule, the bytes of a value and the context (who the
patient becomes) into the bytes of a whole new element.

======  =====================================================================
X       removed
Z       emptied
D       replaced by a dummy of the same VR
U       UIDs replaced
K       kept, because an option says so
C       cleaned of what identifies
shift   dates moved
======  =====================================================================

DICOM: PS3.15 E.1.1 and Table E.1-1a (action codes).
"""

import re
from collections.abc import Callable
from typing import Final

from sendit.deid import dummies
from sendit.deid.attributes import LONGEST
from sendit.deid.charset_names import TERMS, UTF_8, meant_by, split
from sendit.deid.charsets import decode, decode_strictly, encode
from sendit.deid.coding import is_published
from sendit.deid.dates import shift_values
from sendit.deid.readable import stretches
from sendit.deid.rules import UNCHANGED, Act, Context, Note, Result, Rule
from sendit.deid.text import RULE as KNOWN_IDENTIFIER
from sendit.deid.text import Cleaned, Cleaner
from sendit.deid.uids import REGISTERED
from sendit.dictionary import is_term
from sendit.errors import Held
from sendit.terms import Reason

CHARACTER_SET: Final = "repair:character-set"
CODE: Final = "REMOVED"
UID_LIKE: Final = re.compile(r"(?<![\d.])[0-2](?:\.\d+){5,}(?![\d.])", re.ASCII)
"""As long as a UID of an instance is; a version number is shorter."""
AGE: Final = re.compile(
    rb"0*(\d{1,3}) ?(?:(?:([DWMY])|(DAY|WEEK|MONTH|YEAR|YR)S?)\.?)?", re.IGNORECASE
)
"""An age, also with a unit that is written out or, in years, missing."""
BODY_PART: Final = 0x00180015
_TIME: Final = rb" *(?:\d{2}(?::?\d{2}(?::?\d{2}(?:\.\d{0,6})?)?)?)?[ \0]*"
TIMES: Final = re.compile(_TIME + rb"(?:\\" + _TIME + rb")*")
LIKE_TIMES: Final = re.compile(rb"[\d.:+\- \0\\]*")
_ONE: Final = rb" *[+-]?\d*\.?\d*(?:[eE][+-]?\d+)?[ \0]*"
NUMBERS: Final = re.compile(_ONE + rb"(?:\\" + _ONE + rb")*")
"""Numbers as PS3.5 6.2 has them; a date with two points and a telephone are none."""
SURELY_TEXT: Final = re.compile(rb"[ -~]{11,}[ -~\0]|\d{7,}[ \d]")
"""More letters in a row than numbers have by chance."""
MAX_NUMBERS: Final = 4096
"""Bytes of binary numbers among which letters are looked for; a table of more is the gate's."""
READ_AS_BYTES: Final = frozenset((b"", b"ISO_IR 6", b"ISO_IR 100", b"ISO_IR 192"))
"""Character sets whose letters are seen among bytes whatever is declared."""
NOT_IN_CODES: Final = re.compile(r"[^A-Z0-9 _]")
NUMBERED: Final = re.compile(r"\d(?:[ _]?\d){6}", re.ASCII)
"""No term has so long a number in it; a date, a telephone and an id have."""
WORDED: Final = re.compile(r"\d[ _]?[A-Z]{3,9}[ _]?\d\d|\d{6}|\d{4}[ _]\d\d?[ _]\d\d?")
"""What may be a date with the name of a month, of six digits, or with blanks."""
WIDE: Final = re.compile("(?:[^\0]\0){3}")
"""Text of sixteen bits a character where it should be eight."""


class WrongCharacterSet(Exception):
    """A text is not in the character set that is declared for it."""


def keep(rule: Rule, value: bytes, context: Context) -> Result:
    """Leave the element as it is."""
    del rule, value, context
    return UNCHANGED


def settle_charset(rule: Rule, value: bytes, context: Context) -> Result:
    """Write a character set by its term; one that nobody knows is only ASCII, or read anew."""
    del context
    note = Note(rule.note.path, "", CHARACTER_SET)
    if rule.as_utf8:
        return rule.element(UTF_8.encode("ascii")), note
    if all(not name or name in TERMS for name in split(value)):
        return UNCHANGED
    terms = meant_by(value)
    new = "\\".join(terms if terms is not None else (UTF_8,)).encode("ascii")
    return rule.element(new + b" " * (len(new) & 1)), note


def keep_noted(rule: Rule, value: bytes, context: Context) -> Result:
    """Leave the element as it is because an option says so."""
    del value, context
    return None, rule.note


def keep_binary(size: int) -> Act:
    """Return what keeps binary numbers of a size; a value that cannot be made of them goes."""

    def act(rule: Rule, value: bytes, context: Context) -> Result:
        if (
            len(value) % size
            or SURELY_TEXT.fullmatch(value)
            or _tells_in_bytes(rule, value, context)
        ):
            return b"", rule.note._replace(action="private", rule="private")
        return None, rule.note

    return act


def _tells_in_bytes(rule: Rule, value: bytes, context: Context) -> bool:
    """Return whether letters stand among binary numbers, and somebody in them."""
    if len(value) > MAX_NUMBERS:
        return False
    if any(context.cleaner.tells(text) for text, _ in stretches(value, context.spend)):
        return True
    in_script = rule.charset.strip() not in READ_AS_BYTES and not value.isascii()
    return in_script and bool(context.cleaner.places(decode(value, rule.charset, rule.vr)))


def keep_time(rule: Rule, value: bytes, context: Context) -> Result:
    """Keep times of day; a value that is none may say anything, and goes."""
    like_one = LIKE_TIMES.fullmatch(value) is not None
    if TIMES.fullmatch(value) or (like_one and _tells_nothing(value, rule, context)):
        return None, (rule.note if rule.note.action else None)
    new = dummies.dummy(rule.vr) if rule.required else b""
    return rule.element(new), Note(rule.note.path, "Z", "repair:not-a-time")


def keep_number(rule: Rule, value: bytes, context: Context) -> Result:
    """Keep numbers written as text; what is none, and names somebody or a day, goes."""
    kept = None, (rule.note if rule.note.action == "K" else None)
    if NUMBERS.fullmatch(value):
        return kept
    if _tells_nothing(value, rule, context):
        return kept
    new = dummies.dummy(rule.vr) if rule.required else b""
    return rule.element(new), Note(rule.note.path, "Z", "repair:not-a-number")


def _tells_nothing(value: bytes, rule: Rule, context: Context) -> bool:
    context.spend(len(value))
    text = decode(value, rule.charset, rule.vr)
    return context.cleaner.clean(text).value == text


def mask_names(rule: Rule, value: bytes, context: Context) -> Result:
    """Blank what identifies and stands as text among bytes (an ICC profile's description)."""
    masked = bytearray(value)
    for text, places in stretches(value, context.spend):
        for start, end in context.cleaner.tells(text):
            first, last = places[start], places[end]
            # In UTF-16 the letter stands in one of two bytes; a NUL stays a NUL.
            masked[first:last] = bytes(ord(" ") if byte else 0 for byte in masked[first:last])
    if masked == value:
        return UNCHANGED
    return rule.element(bytes(masked)), Note(rule.note.path, "C", KNOWN_IDENTIFIER)


def empty(rule: Rule, value: bytes, context: Context) -> Result:
    """Leave the element without a value (Z)."""
    del context
    return (rule.element(b""), rule.note) if value else UNCHANGED


def replace_by_dummy(rule: Rule, value: bytes, context: Context) -> Result:
    """Replace the value by a dummy (D), a UID by a new one; what was empty stays so."""
    if not value.strip(b" \0"):
        return UNCHANGED
    if rule.vr == b"UI":
        return replace_uids(rule, value, context)
    return rule.element(dummies.dummy(rule.vr)), rule.note


def replace_uids(rule: Rule, value: bytes, context: Context) -> Result:
    """Replace each UID (U)."""
    new = context.uids.of_values(value)
    return (rule.element(new), rule.note) if new != value else UNCHANGED


def shift_dates(rule: Rule, value: bytes, context: Context) -> Result:
    """Move each date; one that cannot be read becomes empty."""
    text = value.decode("ascii", "replace")
    if not text.strip(" \0\\"):
        return UNCHANGED
    with_time = rule.vr == b"DT" or rule.role == "datetime"
    new = shift_values(text, days=context.identity.shift_days, with_time=with_time).encode("ascii")
    return rule.element(new + b" " if len(new) & 1 else new), rule.note


def patient_pseudonym(rule: Rule, value: bytes, context: Context) -> Result:
    """Write the patient's new name."""
    del value
    return rule.element(_text(context.identity.patient_pseudonym)), rule.note


def study_pseudonym(rule: Rule, value: bytes, context: Context) -> Result:
    """Write the Study's new name."""
    del value
    return rule.element(_text(context.identity.study_pseudonym)), rule.note


def cap_age(rule: Rule, value: bytes, context: Context) -> Result:
    """Keep an age up to 89 years; call everybody older 90 (45 CFR 164.514(b)(2)(i)(C)).

    PS3.5 6.2 wants three digits and a unit.  An age without a unit is one in years: devices that
    let a person type it ask for years, and those that compute it write the unit.
    """
    del context
    text = value.strip(b" \0")
    if not text:
        return UNCHANGED
    if found := AGE.fullmatch(text):
        unit = (found[2] or found[3] or b"Y")[:1].upper()
        text, written = found[1].zfill(3) + unit, text
        days = int(text[:3]) * {b"D": 1, b"W": 7, b"M": 30, b"Y": 365}[text[3:]]
        if days < 90 * 365:
            if text == written:
                return None, (rule.note if rule.note.action else None)
            return rule.element(text), rule.note._replace(rule="repair:age")
        return rule.element(b"090Y"), Note(rule.note.path, "D", "age-over-89")
    return rule.element(b""), Note(rule.note.path, "Z", "repair:not-an-age")


def rebuild_with(parser: Callable[[bytes], bytes | None]) -> Act:
    """Return what builds an opaque value anew from what is known to be safe in it."""

    def act(rule: Rule, value: bytes, context: Context) -> Result:
        del context
        new = parser(value)
        if new is None:
            return b"", rule.note._replace(action="private", rule="private")
        new += b"\0" * (len(new) & 1)
        return (None if new == value else rule.element(new)), rule.note

    return act


def hold_opaque(rule: Rule, value: bytes, context: Context) -> Result:
    """Hold the instance: the element is said to be safe, but nobody can look into it."""
    del context
    if not value.strip(b"\0 "):
        return UNCHANGED
    raise Held(Reason.OPAQUE_PRIVATE, rule.note.path)


def note_scheme(rule: Rule, value: bytes, context: Context) -> Result:
    """Keep a coding scheme, and remember which it is."""
    del rule
    context.scheme = value
    return UNCHANGED


def clean_own_meaning(rule: Rule, value: bytes, context: Context) -> Result:
    """Clean what a site's own code is said to mean; a published term stays as it is."""
    scheme, context.scheme = context.scheme, b""
    harmless = context.memos[rule.index].get(value)
    if harmless is not None:
        context.count(harmless)
        return UNCHANGED
    answer = context.ask(search, rule, value)
    result = answer.new, answer.note
    if result == UNCHANGED:
        context.remember(rule, value, answer)
    return UNCHANGED if is_published(scheme) else result


def hold_named_meaning(rule: Rule, value: bytes, context: Context) -> Result:
    """Clean a site's own code; hold the instance if a published term names somebody.

    Who is named may be known from another instance of the batch, which the check need not see.
    """
    scheme = context.scheme
    result = clean_own_meaning(rule, value, context)
    is_harmless = value in context.memos[rule.index]
    if result != UNCHANGED or is_harmless or not is_published(scheme):
        return result
    meaning = decode(value, rule.charset, rule.vr)
    if context.cleaner.holds(meaning) and not is_term(meaning):
        raise Held(Reason.NUMBER_HIT, f"{rule.note.path} {KNOWN_IDENTIFIER}")
    return result


def clean(rule: Rule, value: bytes, context: Context) -> Result:
    """Take out of a text what identifies (C)."""
    new, _rules = _cleaned(rule, value, context)
    return (None if new is None else rule.element(new)), rule.note


def search(rule: Rule, value: bytes, context: Context) -> Result:
    """Keep a text, except for identifiers that stand in it."""
    new, rules = _cleaned(rule, value, context)
    if new is None:
        return None, (rule.note if rule.note.action else None)
    action = "" if rules[0] == CHARACTER_SET else "C"
    return rule.element(new), Note(rule.note.path, action, rules[0])


def search_place(rule: Rule, value: bytes, context: Context) -> Result:
    """Keep what an option keeps of a place, its address included, but nobody who is known."""
    return _replaced(rule, value, context, context.cleaner.clean_place)


def search_device(rule: Rule, value: bytes, context: Context) -> Result:
    """Keep what an option keeps of a device, its numbers included, but no person."""
    return _replaced(rule, value, context, context.cleaner.clean_device)


def search_maker(rule: Rule, value: bytes, context: Context) -> Result:
    """Keep what names a product, versions and dates of software included, but no person."""
    return _replaced(rule, value, context, context.cleaner.clean_maker)


def _replaced(
    rule: Rule, value: bytes, context: Context, cleaning: Callable[[str], Cleaned]
) -> Result:
    text, moves = _text_of(rule, value, context)
    found = cleaning(text)
    if found.value == text and not moves:
        return None, (rule.note if rule.note.action else None)
    note = Note(rule.note.path, *(("C", found.rules[0]) if found.rules else ("", CHARACTER_SET)))
    new = found.within(LONGEST.get(rule.vr))
    if rule.required and not new.strip(" *\\"):
        return rule.element(dummies.dummy(rule.vr)), note
    return rule.element(_encoded(rule, new)), note


def search_codes(rule: Rule, value: bytes, context: Context) -> Result:
    """Keep code strings, except for a value in which a distinctive identifier stands."""
    context.spend(len(value))
    parts = value.decode("latin-1").split("\\")
    if rule.tag == BODY_PART and context.cleaner.is_body_part(value.decode("latin-1")):
        return None, (rule.note if rule.note.action else None)
    new = [CODE if _identifies(part.strip(" \0"), context.cleaner) else part for part in parts]
    if new == parts:
        return None, (rule.note if rule.note.action else None)
    data = "\\".join(new).encode("latin-1")
    data += b" " * (len(data) & 1)
    return rule.element(data), Note(rule.note.path, "C", KNOWN_IDENTIFIER)


def _identifies(code: str, cleaner: Cleaner) -> bool:
    if NUMBERED.search(code) is not None or cleaner.holds(code) or cleaner.tells_age(code):
        return True
    # A code that no code string may hold (PS3.5 6.2) is a text that somebody typed.
    is_text = NOT_IN_CODES.search(code) is not None or WORDED.search(code) is not None
    return is_text and cleaner.clean(code).value != code


def _cleaned(rule: Rule, value: bytes, context: Context) -> tuple[bytes | None, tuple[str, ...]]:
    """Return the cleaned value, None if nothing was found in it, and the rules that found it."""
    text, moves = _text_of(rule, value, context)
    if not text:
        return None, ()
    cleaned = context.cleaner.clean(text)
    rules = cleaned.rules
    result = cleaned.within(LONGEST.get(rule.vr))
    if UID_LIKE.search(result):
        result, rules = UID_LIKE.sub(_without_uid, result), (*rules, "pattern:uid")
    if result == text:
        return (_encoded(rule, text), (CHARACTER_SET,)) if moves else (None, ())
    if rule.required and not result.strip(" *\\"):
        return dummies.dummy(rule.vr), rules
    return _encoded(rule, result), rules


def _text_of(rule: Rule, value: bytes, context: Context) -> tuple[str, bool]:
    """Return a value as text, and whether it has to be written in another character set."""
    context.spend(len(value))
    text, fits = decode_strictly(value, rule.charset, rule.vr)
    if rule.as_utf8:
        return text.replace("\0", " "), "\0" in text or not text.isascii()
    if not fits:
        raise WrongCharacterSet
    if "\0" in text:
        # What stands behind the end of a C string is read, too, and no NUL may stand in a text.
        return text.replace("\0", "" if WIDE.search(text) else " "), True
    return text, False


def _encoded(rule: Rule, text: str) -> bytes:
    new = text.encode("utf-8") if rule.as_utf8 else encode(text, rule.charset)
    if not rule.as_utf8 and not text.isascii():
        # A month that a date moved to may have letters that the other had not: mai, février.
        read, fits = decode_strictly(new, rule.charset, rule.vr)
        if not fits or read != text.strip(" \0"):
            raise WrongCharacterSet
    return new + b" " * (len(new) & 1)


def _without_uid(found: re.Match[str]) -> str:
    return found[0] if found[0].encode("ascii") in REGISTERED else "*"


def _text(value: str) -> bytes:
    data = value.encode("ascii", "replace")
    return data + b" " if len(data) & 1 else data
