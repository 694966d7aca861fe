"""What a content item says about how old somebody is: concepts, dates of birth, ages over 89.

An item of a report, of a procedure's or an acquisition's context names its concept first; what
stands behind it is a date of birth or an age by that alone.

DICOM: PS3.3 C.17.3 (content items), 10.2.
"""

import re
import struct
from typing import Final

from sendit.deid import dummies
from sendit.deid.actions import keep_number
from sendit.deid.rules import UNCHANGED, Act, Context, Result, Rule

BIRTH_DATES: Final = frozenset((b"121031", b"21112-8", b"184099003"))
AGES: Final = frozenset((b"121033", b"30525-0", b"29553-5", b"21611-9", b"424144002", b"397669002"))
"""Codes of DICOM, LOINC and SNOMED CT that ask how old somebody is."""
OLDEST: Final = 89
UNITS_A_YEAR: Final = {b"mo": 12, b"wk": 52, b"d": 365, b"h": 365 * 24, b"min": 365 * 24 * 60}
TOLD: Final = re.compile(rb"\d+(?:\.\d+)?")
WORDS_A_YEAR: Final = (
    (re.compile(rb"\d ?(?:mo|mth)|\d ?M\b", re.IGNORECASE), 12),
    (re.compile(rb"\d ?w(?:ee)?k|\d ?W\b", re.IGNORECASE), 52),
    (re.compile(rb"\d ?(?:d|day)s?\b", re.IGNORECASE), 365),
)


def note_concept(rule: Rule, value: bytes, context: Context) -> Result:
    """Keep a concept name, and remember which it is."""
    del rule
    context.concept = value.strip(b" \0")
    context.unit = b""
    return UNCHANGED


def note_unit(rule: Rule, value: bytes, context: Context) -> Result:
    """Keep a unit, and remember which it is."""
    del rule
    context.unit = value.strip(b" \0")
    return UNCHANGED


def unless_birth(act: Act) -> Act:
    """Return what treats a value of a content item, but replaces a date of birth."""

    def birth_or(rule: Rule, value: bytes, context: Context) -> Result:
        if context.concept in BIRTH_DATES and value.strip(b" \0"):
            return rule.element(dummies.dummy(rule.vr)), rule.note
        return act(rule, value, context)

    return birth_or


def unless_age(act: Act) -> Act:
    """Return what treats a text of a content item, but writes an age above 89 as 90."""

    def age_or(rule: Rule, value: bytes, context: Context) -> Result:
        if context.concept not in AGES:
            return act(rule, value, context)
        a_year = next((number for words, number in WORDS_A_YEAR if words.search(value)), 1)
        capped = TOLD.sub(lambda found: _capped(found[0], a_year) or found[0], value)
        if capped == value:
            return act(rule, value, context)
        result, _ = act(rule, capped, context)
        note = rule.note._replace(action="D", rule="age-over-89")
        return (rule.element(_even(capped)) if result is None else result), note

    return age_or


def cap_subject_age(rule: Rule, value: bytes, context: Context) -> Result:
    """Keep a number of a content item, but no age above 89."""
    if context.concept not in AGES:
        return keep_number(rule, value, context)
    capped = _capped(value.strip(b" \0"), UNITS_A_YEAR.get(context.unit, 1))
    if capped is None:
        return keep_number(rule, value, context)
    return rule.element(_even(capped)), rule.note


def cap_precise_age(rule: Rule, value: bytes, context: Context) -> Result:
    """Keep the number of a content item in binary, but no age above 89."""
    form = f"{rule.syntax.order}d"
    if context.concept not in AGES or len(value) != struct.calcsize(form):
        return UNCHANGED
    a_year = UNITS_A_YEAR.get(context.unit, 1)
    if struct.unpack(form, value)[0] <= OLDEST * a_year:
        return UNCHANGED
    return rule.element(struct.pack(form, (OLDEST + 1) * a_year)), rule.note


def _capped(number: bytes, a_year: int) -> bytes | None:
    """Return 90 years for more than 89; None for less, and for what is no number."""
    try:
        is_older = float(number) > OLDEST * a_year
    except ValueError:
        return None
    return b"%d" % ((OLDEST + 1) * a_year) if is_older else None


def _even(value: bytes) -> bytes:
    return value + b" " * (len(value) & 1)
