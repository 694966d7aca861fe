"""What a site rule puts in the place of a value, as bytes.

DICOM: PS3.5 6.2 (what each VR looks like).
"""

import struct
from typing import Final

from sendit.deid import actions
from sendit.deid.actions import Act, Context, Result, Rule
from sendit.deid.dates import shift_values
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
            return _fill(value)


def text_of(value: Value, context: Context) -> str:
    """Return what a text or a variable stands for."""
    if value.source is From.TEXT:
        return value.text
    return str(getattr(context.identity, value.text))


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
            return actions.UNCHANGED
        moved = shift_values(text, days=days, with_time=rule.vr == b"DT")
        return rule.element(encoded(moved, rule.vr, order=rule.syntax.order)), rule.note

    return act
