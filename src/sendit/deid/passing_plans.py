"""Plans for what is walked but not decided upon: to find its end, or the names in it.

DICOM: PS3.5 6.2.2 (UN), 7.5 (sequences), A.4 (fragments).
"""

from dataclasses import dataclass
from typing import Final

from sendit.deid.known import kind_by_tag
from sendit.deid.syntax import IMPLICIT_LITTLE, LONG_VRS, Syntax
from sendit.deid.walk_plan import ENTER, KEEP, REPORT, SWITCH, Mark, Plan
from sendit.dictionary import ATTRIBUTES

PIXEL_TAGS: Final = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
CHARSET_TAG: Final = 0x00080005
GATHERED_VRS: Final = frozenset(
    (b"PN", b"DA", b"DT", b"LO", b"SH", b"ST", b"LT", b"UT", b"UC", b"UN")
)


class DiscardPlan(Plan):
    """Reports nothing; enters what has no length, to find its end."""

    def __init__(self, syntax: Syntax) -> None:
        super().__init__(syntax)
        self._fragments: FragmentPlan | None = None
        self._implicit: DiscardPlan | None = None

    def slot_for(self, tag: int, vr: bytes) -> tuple[int, object, Plan | None]:
        """Keep; a child for the case that the length is not defined."""
        del tag
        return KEEP, Mark.SKIP, self.child(vr)

    def child(self, vr: bytes) -> Plan:
        """Return the plan for what stands inside an element of this VR without a length."""
        if vr in (b"OB", b"OW"):
            if self._fragments is None:
                self._fragments = FragmentPlan(self.syntax)
            return self._fragments
        if vr == b"UN" and self.syntax.explicit:
            # PS3.5 6.2.2: what is inside UN is always implicit VR little endian.
            if self._implicit is None:
                self._implicit = DiscardPlan(IMPLICIT_LITTLE)
            return self._implicit
        return self


class FragmentPlan(Plan):
    """Pixel data inside a sequence (an icon): its items are bytes, not elements."""

    opaque = True

    def slot_for(self, tag: int, vr: bytes) -> tuple[int, object, Plan | None]:
        """Keep, with nothing inside: what stands in fragments are no elements."""
        del tag, vr
        return KEEP, Mark.SKIP, None


@dataclass(frozen=True, slots=True)
class Gathered:
    """In the place of a rule: an element inside something that goes, which may name somebody."""

    tag: int
    vr: bytes
    charset: bytes


class GatheringPlan(Plan):
    """Reports what may name somebody inside a sequence that goes."""

    def __init__(self, syntax: Syntax, charset: bytes) -> None:
        super().__init__(syntax)
        self._charset = charset
        self._discard = DiscardPlan(syntax)
        self._implicit: GatheringPlan | None = None
        self._others: dict[bytes, GatheringPlan] = {charset: self}

    def slot_for(self, tag: int, vr: bytes) -> tuple[int, object, Plan | None]:
        """Report names and texts, enter sequences, pass over the rest."""
        if tag in PIXEL_TAGS or vr in (b"OB", b"OW"):
            return KEEP, Mark.SKIP, self._discard.child(b"OB")
        if tag == CHARSET_TAG:
            return SWITCH, Mark.SKIP, None
        meant = vr_of(tag, vr) or vr or b"UN"
        inner = self.inside(vr)
        if meant == b"SQ" and vr in (b"SQ", b""):
            return ENTER, None, inner
        if gathers(tag, meant):
            return REPORT, Gathered(tag, meant, self._charset), inner
        return KEEP, Mark.SKIP, inner

    def inside(self, written_vr: bytes) -> "GatheringPlan":
        """Return the plan for the items of an element of this VR."""
        if not self.syntax.explicit or written_vr == b"SQ":
            return self
        if self._implicit is None:
            self._implicit = GatheringPlan(IMPLICIT_LITTLE, self._charset)
        return self._implicit

    def after(self, tag: int, value: bytes) -> "GatheringPlan":
        """Return the plan for what follows another character set."""
        del tag
        charset = value.strip(b" \0")
        found = self._others.get(charset)
        if found is None:
            found = self._others[charset] = GatheringPlan(self.syntax, charset)
            found._others = self._others
        return found


def gathers(tag: int, vr: bytes) -> bool:
    """Return whether values of an attribute may say who somebody is."""
    return vr in GATHERED_VRS or tag in kind_by_tag()


def vr_of(tag: int, written: bytes) -> bytes:
    """Return the VR that an attribute is taken to have; empty if nobody knows it.

    The dictionary wins over what was written when it is a sequence or when nothing (implicit VR)
    or UN was written, and over a VR of another kind; where it leaves a choice, what was written
    wins.
    """
    entry = ATTRIBUTES.get(tag)
    if entry is None:
        # The dictionary of repeating groups is left alone: all of them are retired, and some
        # (1010,xxxx) would lend a meaning to almost anything.
        return b""
    known = entry[0].encode("ascii")
    if b" or " in known:
        if written and written != b"UN":
            return written
        return b"OW" if b"OW" in known else known[:2]
    if not written or written == b"UN" or known == b"SQ":
        return known
    if (known in LONG_VRS) != (written in LONG_VRS):
        # The header's form follows the VR that is written into it.
        return written
    return known
