"""The values of one element as text, as a rule of the site compares them.

DICOM: PS3.5 6.2 (VRs), 6.4 (several values).
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Final

from sendit.deid.charsets import decode
from sendit.deid.syntax import Syntax

WITHOUT_TEXT: Final = frozenset((b"SQ", b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"AT"))
"""VRs whose values are no text, nor numbers that somebody could have typed."""
_ONE_VALUE: Final = frozenset((b"ST", b"LT", b"UT", b"UR"))
"""VRs in which a backslash is a character (PS3.5 6.4)."""
_NUMBERS: Final[Mapping[bytes, str]] = {
    **{b"US": "H", b"SS": "h", b"UL": "I", b"SL": "i"},
    **{b"UV": "Q", b"SV": "q", b"FL": "f", b"FD": "d"},
}


def texts_of(value: bytes, vr: bytes, syntax: Syntax, charset: bytes) -> Sequence[str]:
    """Return each value as text.

    Of a name, each of its component groups (PS3.5 6.2.1.2) is a value, and so is the whole.
    """
    code = _NUMBERS.get(vr)
    if code is not None:
        count = len(value) // struct.calcsize(code)
        numbers = struct.unpack_from(f"{syntax.order}{count}{code}", value)
        return [f"{one:g}" if isinstance(one, float) else str(one) for one in numbers]
    text = decode(value, charset, vr)
    if vr in _ONE_VALUE:
        return [text]
    values = [one.strip(" \0") for one in text.split("\\")]
    if vr == b"PN":
        values += [group for one in values if "=" in one for group in one.split("=")]
    return values
