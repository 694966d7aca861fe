"""How elements are encoded, and how their tags are written for people.

DICOM: PS3.5 7.1 (data elements), 6.2 (VRs).
"""

import struct
from collections.abc import Callable
from typing import Final, NamedTuple

from sendit.dictionary import ATTRIBUTES

UNDEFINED: Final = 0xFFFFFFFF
MAX_SHORT: Final = 0xFFFE
"""Longest value whose length is written in 16 bits."""

LONG_VRS: Final = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)
SHORT_VRS: Final = frozenset(
    (
        *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT"),
        *(b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"),
    )
)


NUMBER_SIZES: Final = {
    **dict.fromkeys((b"US", b"SS"), 2),
    **dict.fromkeys((b"UL", b"SL", b"FL", b"AT"), 4),
    **dict.fromkeys((b"UV", b"SV", b"FD"), 8),
}
"""Bytes of one number, by VR."""


class Syntax(NamedTuple):
    """How elements are encoded."""

    explicit: bool
    little: bool
    key_width: int
    """Bytes that tell a plan which element it is: tag and, if explicit, VR."""
    u16: Callable[..., tuple[int]]
    u32: Callable[..., tuple[int]]

    @property
    def order(self) -> str:
        """Return the ``struct`` sign of the byte order."""
        return "<" if self.little else ">"

    def tag_bytes(self, tag: int) -> bytes:
        """Return the four bytes of a tag."""
        return struct.pack(self.order + "HH", tag >> 16, tag & 0xFFFF)

    def tag_at(self, data: bytes, pos: int) -> int:
        """Return the tag that stands at ``pos``."""
        return self.u16(data, pos)[0] << 16 | self.u16(data, pos + 2)[0]

    def element(self, tag: int, vr: bytes, value: bytes) -> bytes:
        """Return one encoded element; ``value`` is already padded to even length."""
        head = self.tag_bytes(tag)
        if not self.explicit:
            return head + struct.pack(self.order + "I", len(value)) + value
        if vr in SHORT_VRS and len(value) > MAX_SHORT:
            vr = b"UN"  # PS3.5 6.2.2: what does not fit its own VR's length
        if vr in LONG_VRS:
            return head + vr + b"\0\0" + struct.pack(self.order + "I", len(value)) + value
        return head + vr + struct.pack(self.order + "H", len(value)) + value


def _syntax(*, explicit: bool, little: bool) -> Syntax:
    order = "<" if little else ">"
    return Syntax(
        explicit,
        little,
        6 if explicit else 4,
        struct.Struct(order + "H").unpack_from,
        struct.Struct(order + "I").unpack_from,
    )


EXPLICIT_LITTLE: Final = _syntax(explicit=True, little=True)
IMPLICIT_LITTLE: Final = _syntax(explicit=False, little=True)
EXPLICIT_BIG: Final = _syntax(explicit=True, little=False)


def tag_text(tag: int) -> str:
    """Return a tag as it is printed, ``(gggg,eeee)``."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def damaged_text(tag: int) -> str:
    """Return what a message calls an element of a damaged file.

    Four bytes of a text may have been taken for its tag, a name's too; so only a tag that the
    standard has is told.
    """
    known = tag in ATTRIBUTES or tag >> 16 == 0xFFFE
    return tag_text(tag) if known else "an element that is not in the standard"
