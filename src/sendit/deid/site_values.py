"""What a site rule puts in the place of a value, as bytes.

DICOM: PS3.5 6.2 (what each VR looks like).
"""

import re
import struct
from collections.abc import Sequence
from typing import Final

from sendit.deid import actions
from sendit.deid.dates import shift_values
from sendit.deid.element_values import texts_of
from sendit.deid.rules import UNCHANGED, Act, Context, Result, Rule
from sendit.deid.site_rules import From, Value

NO_TEXT: Final = frozenset((b"SQ", b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN", b"AT"))
DATES: Final = (b"DA", b"DT")
_NUMBERS: Final = {
    b"US": "H",
    b"SS": "h",
    b"UL": "I",
    b"SL": "i",
    b"UV": "Q",
    b"SV": "q",
    b"FL": "f",
    b"FD": "d",
}

_FORMS: Final = {
    b"AE": re.compile(r"[ -~]{0,16}"),
    b"AS": re.compile(r"\d{3}[DWMY]"),
    b"CS": re.compile(r"[A-Z0-9 _]{0,16}"),
    b"DA": re.compile(r"\d{8}"),
    b"DS": re.compile(r"[+-]?(?=[\d.])\d*\.?\d*(?:[eE][+-]?\d+)?"),
    b"DT": re.compile(r"\d{4,14}(?:\.\d{1,6})?(?:[+-]\d{4})?"),
    b"IS": re.compile(r"[+-]?\d{1,10}"),
    b"LO": re.compile(r".{0,64}"),
    b"PN": re.compile(r".{0,64}"),
    b"SH": re.compile(r".{0,16}"),
    b"TM": re.compile(r"\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?"),
    b"UI": re.compile(r"[\d.]{1,64}"),
}
"""What PS3.5 6.2 lets stand in a VR, as far as one could want to put it there."""


def encoded(text: str, vr: bytes, *, order: str) -> bytes:
    """Return a text as a value of even length; ``order`` is the ``struct`` sign of the bytes."""
    code = _NUMBERS.get(vr)
    if code is not None:
        number = float(text) if code in "fd" else int(float(text))
        return struct.pack(order + code, number)
    data = text.encode("ascii", "replace")
    return data + (b"\0" if vr == b"UI" else b" ") * (len(data) & 1)


def act_of(value: Value, vr: bytes) -> Act | None:
    """Return what fills an attribute of a VR; None where such a value cannot stand."""
    if vr in NO_TEXT:
        return None
    match value.source, value.text:
        case From.FUNCTION, "uid":
            return actions.replace_uids if vr == b"UI" else None
        case From.FUNCTION | From.VARIABLE, "shift" | "shift_days" if vr in DATES:
            return actions.shift_dates
        case From.FUNCTION, _:
            return None
        case From.DAYS, days:
            return _shift_by(int(days)) if vr in DATES else None
        case _:
            fits = vr not in _NUMBERS and value.source is From.VARIABLE
            return _fill(value) if fits or can_stand(value, vr) else None


def can_stand(value: Value, vr: bytes) -> bool:
    """Return whether a text is one that the VR takes; of a variable, whether it could be."""
    if value.source is From.FUNCTION or value.source is From.DAYS:
        return True
    text = value.text
    if value.source is From.VARIABLE:
        text = "-1" if value.text == "shift_days" else "Pseudonym"
    if vr in _NUMBERS:
        try:
            encoded(text, vr, order="<")
        except (ValueError, OverflowError, struct.error):
            return False
        return True
    form = _FORMS.get(vr)
    return form is None or form.fullmatch(text) is not None


def text_of(value: Value, context: Context) -> str:
    """Return what a text or a variable stands for."""
    if value.source is From.TEXT:
        return value.text
    return str(getattr(context.identity, value.text))


def where_listed(choices: Sequence[tuple[str, Rule]], otherwise: Rule | None) -> Act:
    """Return what asks, value by value, which rule counts.

    Parameters
    ----------
    choices
        Names of lists, and the rule for a value that contains something of the list.
    otherwise
        The rule for all other values; None: they stay as they are.
    """

    def act(rule: Rule, old: bytes, context: Context) -> Result:
        # Asked in any case: what follows may depend on what it noted (a concept's name).
        result = UNCHANGED if otherwise is None else _answer(otherwise, old, context)
        values = texts_of(old, rule.vr, rule.syntax, rule.charset)
        for name, chosen in choices:
            pattern = context.listed.get(name)
            if pattern is not None and any(map(pattern.search, values)):
                return _answer(chosen, old, context)
        return result

    return act


def _answer(rule: Rule, old: bytes, context: Context) -> Result:
    return rule.fixed if rule.fixed is not None else rule.act(rule, old, context)


def _fill(value: Value) -> Act:
    def act(rule: Rule, old: bytes, context: Context) -> Result:
        del old
        data = encoded(text_of(value, context), rule.vr, order=rule.syntax.order)
        return rule.element(data), rule.note

    return act


def _shift_by(days: int) -> Act:
    def act(rule: Rule, old: bytes, context: Context) -> Result:
        del context
        text = old.decode("ascii", "replace")
        if not text.strip(" \0\\"):
            return UNCHANGED
        moved = shift_values(text, days=days, with_time=rule.vr == b"DT")
        return rule.element(encoded(moved, rule.vr, order=rule.syntax.order)), rule.note

    return act
