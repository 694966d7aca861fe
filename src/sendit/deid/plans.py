"""From recipe to rules: what the walk does at each attribute of each place.

A place is a path of sequences, an encoding and a character set.  The plan of a place is
filled as attributes turn up, so an engine only ever knows the few hundred that its files
use, and from the second file on nothing is decided any more, only looked up.
"""

from dataclasses import dataclass
from typing import Final

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VR

from sendit.deid import actions
from sendit.deid.actions import Note, Rule
from sendit.deid.known import kind_by_tag
from sendit.deid.profile import FULL_DATES, MODIFIED_DATES, Decision, IodTypes, Profile, fitting
from sendit.deid.recipe import Recipe
from sendit.deid.walk import (
    BULK,
    CHARSET,
    ENTER,
    IMPLICIT_LITTLE,
    KEEP,
    LONG_VRS,
    REPORT,
    Mark,
    Plan,
    Syntax,
    tag_text,
)

PIXEL_TAGS: Final = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
STAMPS: Final = frozenset((0x00120062, 0x00120063, 0x00120064, 0x00280303))
"""Attributes that say what was done; always written anew."""
ROLES: Final = {
    0x00080016: "sop_class",
    0x00080018: "sop_instance",
    0x00080020: "study_date",
    0x00080060: "modality",
    0x00080050: "accession_number",
    0x00100010: "patient_name",
    0x00100020: "patient_id",
    0x0020000D: "study",
    0x0020000E: "series",
    0x00280301: "burned_in",
    0x00080008: "image_type",
    0x00280002: "samples",
    0x00280004: "photometric",
    0x00280008: "frames",
    0x00280010: "rows",
    0x00280011: "columns",
    0x00280100: "bits_allocated",
    0x00280101: "bits_stored",
    0x00280102: "high_bit",
    0x00280103: "representation",
}
"""Attributes of the outermost level that the engine reads for itself."""
PATIENT_NAMES: Final = frozenset((0x00100010, 0x00100020))
STUDY_NAMES: Final = frozenset((0x00080050, 0x00200010))
CLASS_UIDS: Final = frozenset(
    (
        *(0x00080016, 0x0008001A, 0x0008001B, 0x00080062, 0x00081150, 0x0008115A),
        *(0x0008010C, 0x00080117, 0x00080118, 0x0040DB06, 0x0040DB07),
    )
)
"""UIDs that name a class, a coding scheme or a context group: the same for everybody."""
PATIENT_AGE: Final = 0x00101010
CHARSET_TAG: Final = 0x00080005
TEXT_VRS: Final = frozenset((b"LO", b"SH", b"ST", b"LT", b"UT", b"UC", b"UR", b"AE"))
GATHERED_VRS: Final = frozenset(
    (b"PN", b"DA", b"DT", b"LO", b"SH", b"ST", b"LT", b"UT", b"UC", b"UN")
)
TERM_GROUPS: Final = frozenset((0x0020, 0x0028, 0x0054, 0x0070, 0x7FE0))
TERMS: Final = frozenset((0x00080060, 0x00080061, 0x00080068, 0x00185100, 0x0040A010, 0x0040A040))
CODE_PARENTS: Final = frozenset((0x00401101, 0x00080082))
"""Code sequences that name a person or a place, when they have to be there (action D)."""
CODE_DUMMIES: Final = {
    0x00080100: b"REMOVED ",
    0x00080102: b"99SENDIT",
    0x00080104: b"Removed ",
    0x00080119: b"REMOVED ",
    0x00080120: b"urn:removed ",
}
MAX_PLANS: Final = 3000


class Plans:
    """Every plan and rule of one engine for one SOP Class."""

    def __init__(self, recipe: Recipe, sop_class_uid: str) -> None:
        self.recipe = recipe
        self.profile = Profile(recipe.options)
        self.types = IodTypes(sop_class_uid)
        self.rules: list[Rule] = []
        self._plans: dict[tuple[tuple[int, ...], Syntax, bytes], DeidPlan] = {}
        self._discard: dict[Syntax, DiscardPlan] = {}
        self._gathering: dict[tuple[Syntax, bytes], GatheringPlan] = {}

    def root(self, syntax: Syntax) -> "DeidPlan":
        """Return the plan of the outermost level."""
        return self.plan((), syntax, b"")

    def plan(self, path: tuple[int, ...], syntax: Syntax, charset: bytes) -> "DeidPlan":
        """Return the plan of a place, the same one each time."""
        place = (path, syntax, charset)
        found = self._plans.get(place)
        if found is None:
            found = self._plans[place] = DeidPlan(self, path, syntax, charset)
        return found

    def discard(self, syntax: Syntax) -> "DiscardPlan":
        """Return the plan for what is walked only to find its end."""
        found = self._discard.get(syntax)
        if found is None:
            found = self._discard[syntax] = DiscardPlan(syntax)
        return found

    def gathering(self, syntax: Syntax, charset: bytes) -> "GatheringPlan":
        """Return the plan for what goes but may hold names."""
        found = self._gathering.get((syntax, charset))
        if found is None:
            found = self._gathering[syntax, charset] = GatheringPlan(self, syntax, charset)
        return found

    @property
    def overgrown(self) -> bool:
        """Whether adversarial nesting has made so many places that starting anew is better."""
        return len(self._plans) > MAX_PLANS


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


@dataclass(frozen=True, slots=True)
class Gathered:
    """In the place of a rule: an element inside something that goes, which may name somebody."""

    tag: int
    vr: bytes
    charset: bytes


class GatheringPlan(Plan):
    """Reports what may name somebody inside a sequence that goes."""

    def __init__(self, plans: Plans, syntax: Syntax, charset: bytes) -> None:
        super().__init__(syntax)
        self._plans = plans
        self._charset = charset

    def slot_for(self, tag: int, vr: bytes) -> tuple[int, object, Plan | None]:
        """Report names and texts, enter sequences, pass over the rest."""
        meant = vr_of(tag, vr) or vr or b"UN"
        if tag in PIXEL_TAGS or vr in (b"OB", b"OW"):
            return KEEP, Mark.SKIP, self._plans.discard(self.syntax).child(b"OB")
        implicit = self.syntax.explicit and vr != b"SQ"
        inner = self._plans.gathering(IMPLICIT_LITTLE if implicit else self.syntax, self._charset)
        if meant == b"SQ" and vr in (b"SQ", b""):
            return ENTER, None, inner
        if tag == CHARSET_TAG:
            return CHARSET, Mark.SKIP, None
        if gathers(tag, meant):
            return REPORT, Gathered(tag, meant, self._charset), inner
        return KEEP, Mark.SKIP, inner

    def with_charset(self, value: bytes) -> "GatheringPlan":
        """Return the plan for what follows another character set."""
        return self._plans.gathering(self.syntax, value.strip(b" \0"))


class DeidPlan(Plan):
    """The plan of one place under one recipe."""

    def __init__(self, plans: Plans, path: tuple[int, ...], syntax: Syntax, charset: bytes) -> None:
        super().__init__(syntax)
        self._plans = plans
        self._path = path
        self._charset = charset
        self._prefix = "".join(f"{tag_text(tag)}/" for tag in path)

    def with_charset(self, value: bytes) -> "DeidPlan":
        """Return the plan of the same place under another character set."""
        return self._plans.plan(self._path, self.syntax, value.strip(b" \0"))

    def slot_for(self, tag: int, vr: bytes) -> tuple[int, Rule | None, Plan | None]:
        """Decide about an attribute that is seen here for the first time."""
        group = tag >> 16
        discard = self._plans.discard(self.syntax).child(vr)
        if group & 1:
            rule = self._removal(tag, vr, "private", "private")
            if vr == b"SQ":
                return ENTER, rule, self._gathering(vr)
            return REPORT, rule, discard
        if tag & 0xFFFF == 0:
            return REPORT, self._removal(tag, vr, "", "repair:group-length"), discard
        if group < 8:
            return REPORT, self._removal(tag, vr, "X", "repair:misplaced-group"), discard
        if tag in STAMPS and not self._path:
            return REPORT, self._removal(tag, vr, "", "stamp"), discard
        if tag in PIXEL_TAGS:
            return (
                (KEEP if self._path else BULK),
                None,
                self._plans.discard(self.syntax).child(b"OB"),
            )
        meant = vr_of(tag, vr)
        if not meant:
            return REPORT, self._removal(tag, vr, "X", "unknown-attribute"), discard
        if tag == CHARSET_TAG:
            return CHARSET, self._rule(tag, meant, Note("", "", ""), actions.keep), None
        if meant == b"SQ" and vr not in (b"SQ", b"UN", b""):
            return REPORT, self._removal(tag, vr, "X", "repair:not-a-sequence"), discard
        return self._public(tag, meant, vr, discard)

    def _public(
        self, tag: int, vr: bytes, written_vr: bytes, discard: Plan
    ) -> tuple[int, Rule | None, Plan | None]:
        decision = self._decide(tag, vr)
        if vr == b"SQ":
            return self._sequence(tag, written_vr, decision)
        if decision is None:
            return self._kept(tag, vr, discard)
        if decision.action == "X":
            return REPORT, self._removal(tag, vr, "X", decision.rule), discard
        note = Note(self._prefix + tag_text(tag), decision.action, decision.rule)
        rule = self._rule(tag, vr, note, self._action(tag, vr, decision.action))
        if decision.action == "K" and rule.act is actions.keep_noted:
            rule.fixed = (None, note)
        return REPORT, rule, discard

    def _sequence(
        self, tag: int, written_vr: bytes, decision: Decision | None
    ) -> tuple[int, Rule | None, Plan]:
        if decision is None or decision.action not in ("X", "Z"):
            # D, C and K, too: the items are cleaned one by one, so the tree stays what it was.
            return ENTER, None, self._inside(tag, written_vr)
        rule = self._removal(tag, b"SQ", decision.action, decision.rule)
        if decision.action == "Z":
            rule.fixed = (rule.element(b""), rule.note)
        # What goes is still read: names that stand only here may stand in a text elsewhere.
        return ENTER, rule, self._gathering(written_vr)

    def _kept(self, tag: int, vr: bytes, discard: Plan) -> tuple[int, Rule | None, Plan]:
        """Keep what no table speaks of, but for identifiers in text."""
        note = Note(self._prefix + tag_text(tag), "", "")
        is_code = tag in CODE_DUMMIES
        if vr in TEXT_VRS and not is_code:
            return REPORT, self._rule(tag, vr, note, actions.search), discard
        if vr == b"CS" and searched_code_string(tag):
            return REPORT, self._rule(tag, vr, note, actions.search_codes), discard
        if tag in ROLES and not self._path:
            rule = self._rule(tag, vr, note, actions.keep)
            rule.fixed = actions.UNCHANGED
            return REPORT, rule, discard
        return KEEP, None, discard

    def _decide(self, tag: int, vr: bytes) -> Decision | None:
        """Return what is done with a public attribute, or None if it stays untouched."""
        parent = self._path[-1] if self._path else 0
        types = self._plans.types
        required = self._required(tag)
        if parent in CODE_PARENTS and tag in CODE_DUMMIES:
            return Decision("D", "basic")
        decision = self._plans.profile.decide(tag, required=required, known_iod=types.known)
        if decision is None:
            return self._unlisted(tag, vr, required)
        if decision.action == "C" and vr in (b"DA", b"DT"):
            return Decision("shift", decision.rule)
        if decision.action == "C" and vr == b"TM":
            return Decision("K", decision.rule)
        return decision

    def _unlisted(self, tag: int, vr: bytes, required: int) -> Decision | None:
        """Decide about an attribute that the table is silent on, by its VR."""
        options = self._plans.profile.options
        if vr == b"UI" and tag not in CLASS_UIDS and "retain-uids" not in options:
            return Decision("U", "unlisted-uid")
        if vr in (b"DA", b"DT") and FULL_DATES not in options:
            if MODIFIED_DATES in options:
                return Decision("shift", "unlisted-date")
            return Decision(fitting("X/Z/D", required=required, known_iod=True), "unlisted-date")
        if vr == b"PN":
            return Decision(fitting("Z/D", required=required, known_iod=True), "unlisted-name")
        return None

    def _action(self, tag: int, vr: bytes, action: str) -> actions.Act:
        if tag in PATIENT_NAMES and not self._path:
            return actions.patient_pseudonym
        if tag in STUDY_NAMES and not self._path:
            return actions.study_pseudonym
        if action == "K" and tag == PATIENT_AGE:
            return actions.cap_age
        if vr in TEXT_VRS and action in ("C", "K"):
            return actions.clean if action == "C" else actions.search
        if vr == b"CS" and action in ("C", "K"):
            return actions.search_codes
        if action == "C":
            return actions.empty
        return {
            "Z": actions.empty,
            "D": actions.replace_by_dummy,
            "U": actions.replace_uids if vr == b"UI" else actions.empty,
            "K": actions.keep_noted,
            "shift": actions.shift_dates,
        }[action]

    def _required(self, tag: int) -> int:
        return self._plans.types.required(self._path[-1] if self._path else 0, tag)

    def _gathering(self, written_vr: bytes) -> "GatheringPlan":
        implicit = self.syntax.explicit and written_vr != b"SQ"
        syntax = IMPLICIT_LITTLE if implicit else self.syntax
        return self._plans.gathering(syntax, self._charset)

    def _inside(self, tag: int, written_vr: bytes) -> "DeidPlan":
        implicit = self.syntax.explicit and written_vr != b"SQ"
        syntax = IMPLICIT_LITTLE if implicit else self.syntax
        return self._plans.plan((*self._path, tag), syntax, self._charset)

    def _removal(self, tag: int, vr: bytes, action: str, name: str) -> Rule:
        note = Note(self._prefix + tag_text(tag), action, name)
        rule = self._rule(tag, vr, note, actions.keep)
        rule.fixed = (b"", None if name == "stamp" else note)
        return rule

    def _rule(
        self,
        tag: int,
        vr: bytes,
        note: Note,
        act: actions.Act,
    ) -> Rule:
        rules = self._plans.rules
        rule = Rule(
            *(len(rules), tag, vr, self.syntax, self._charset, note, act),
            role="" if self._path else ROLES.get(tag, ""),
            gathers=gathers(tag, vr),
            required=self._required(tag) == 2,
        )
        rules.append(rule)
        return rule


def gathers(tag: int, vr: bytes) -> bool:
    """Return whether values of an attribute may say who somebody is."""
    return vr in GATHERED_VRS or tag in kind_by_tag()


def searched_code_string(tag: int) -> bool:
    """Return whether people can write into a code string; most hold a defined term."""
    return tag >> 16 not in TERM_GROUPS and tag not in TERMS


def vr_of(tag: int, written: bytes) -> bytes:
    """Return the VR that an attribute is taken to have; empty if nobody knows it.

    The dictionary wins over what was written when it is a sequence or when nothing (implicit VR)
    or UN was written, and over a VR of another kind; where it leaves a choice, what was written
    wins.
    """
    entry = DicomDictionary.get(tag)
    try:
        known = (entry[0] if entry is not None else dictionary_VR(tag)).encode("ascii")
    except KeyError:
        return b""
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
