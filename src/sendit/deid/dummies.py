"""A valid dummy value for each VR: never empty, never taken from the data.

DICOM: PS3.5 6.2 (what each VR allows), PS3.15 E.1.1 (action D).
"""

from typing import Final

TEXT: Final = b"REMOVED "
_DUMMIES: Final[dict[bytes, bytes]] = {
    **dict.fromkeys((b"AE", b"CS", b"LO", b"LT", b"PN", b"SH", b"ST", b"UC", b"UT"), TEXT),
    b"AS": b"000Y",
    b"DA": b"19000101",
    b"DT": b"19000101000000",
    b"TM": b"000000",
    b"DS": b"0 ",
    b"IS": b"0 ",
    b"UR": b"urn:removed ",
    # 2.25.0 would be a UID of nobody; it is only used where there is no old value to map.
    b"UI": b"2.25.0",
    **dict.fromkeys((b"OB", b"OW", b"US", b"SS", b"UN"), b"\0\0"),
    **dict.fromkeys((b"AT", b"FL", b"OF", b"OL", b"SL", b"UL"), bytes(4)),
    **dict.fromkeys((b"FD", b"OD", b"OV", b"SV", b"UV"), bytes(8)),
}

CODE_VALUE: Final = b"REMOVED "
CODE_SCHEME: Final = b"99SENDIT"
CODE_MEANING: Final = b"Removed "


def dummy(vr: bytes) -> bytes:
    """Return a value of even length that is valid for ``vr``; empty for a sequence."""
    return _DUMMIES.get(vr, b"")
