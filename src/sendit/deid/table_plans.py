"""What is done with a public attribute: what the table of PS3.15 says, or its VR.

DICOM: PS3.15 Table E.1-1.
"""

from sendit.deid import actions, report_items
from sendit.deid.answers import named_by, unless_answer
from sendit.deid.attributes import (
    CLASS_UIDS,
    CODE_MEANING,
    CODE_PARENTS,
    CODE_VALUE,
    CODES,
    CODING_SCHEME,
    CONCEPT_NAME,
    CONTENT_DATES,
    GEOMETRY,
    GRAPHIC_TEXT,
    KEPT_DEVICE,
    KEPT_PLACE,
    MAKERS,
    NUMERIC_VALUE,
    PATIENT_NAMES,
    PRECISE_VALUE,
    ROLES,
    SAMPLES,
    STUDY_NAMES,
    TERMS,
    TEXT_VALUE,
    TEXT_VRS,
    UNITS,
)
from sendit.deid.places import Decided
from sendit.deid.private_plans import PrivatePlan
from sendit.deid.profile import CLEAN_GRAPHICS, FULL_DATES, MODIFIED_DATES, Decision, fitting
from sendit.deid.rules import UNCHANGED, Act, Note, Rule
from sendit.deid.syntax import tag_text
from sendit.deid.walk_plan import ENTER, KEEP, REPORT, Plan
from sendit.terms import Reason


class TablePlan(PrivatePlan):
    """A plan that decides about public attributes by the options and the table."""

    def _released(self, tag: int, vr: bytes) -> Rule:
        """Return the rule of what a person has looked at and let go as it is."""
        note = Note(self._prefix + tag_text(tag), "K", "released")
        rule = self._rule(tag, vr, note, actions.keep_noted)
        rule.fixed = (None, note)
        return rule

    def _conceptual(self, tag: int, vr: bytes) -> Rule | None:
        """Return the rule of what means something else in each item, by what stands before it."""
        note = Note(self._prefix + tag_text(tag), "", "")
        if tag == CODE_VALUE and self._parent == CONCEPT_NAME:
            rule = self._rule(tag, vr, note, report_items.note_concept)
        elif tag == CODE_VALUE and self._parent == UNITS:
            rule = self._rule(tag, vr, note, report_items.note_unit)
        elif tag == CODING_SCHEME and self._parent not in CODE_PARENTS:
            rule = self._rule(tag, vr, note, actions.note_scheme)
        elif tag == CODE_MEANING and self._parent not in CODE_PARENTS:
            released = Reason.NUMBER_HIT in self._places.recipe.releases
            act = actions.clean_own_meaning if released else actions.hold_named_meaning
            rule = self._rule(tag, vr, note, act)
            rule.required = True
        elif tag == NUMERIC_VALUE:
            note = note._replace(action="D", rule="age-over-89")
            rule = self._rule(tag, vr, note, report_items.cap_subject_age)
        elif tag == PRECISE_VALUE:
            note = note._replace(action="D", rule="age-over-89")
            rule = self._rule(tag, vr, note, report_items.cap_precise_age)
        elif tag in CONTENT_DATES and (decision := self._decide(tag, vr)) is not None:
            note = note._replace(action=decision.action, rule=decision.rule)
            treat = report_items.unless_birth(self._action(tag, vr, decision.action))
            rule = self._rule(tag, vr, note, treat)
        elif tag == TEXT_VALUE:
            _, told, _ = self._public(tag, vr, self._discard)
            if type(told) is not Rule or told.fixed is not None:
                return None
            rule = told
            about_age = report_items.unless_birth(report_items.unless_age(rule.act))
            concepts = named_by(self._places.profile.options)
            rule.act = unless_answer(about_age, concepts=concepts)
        else:
            return None
        rule.conceptual = True
        return rule

    def _by_table(self, tag: int, meant: bytes, vr: bytes, discard: Plan) -> Decided:
        """Do what the options and the table of PS3.15 say."""
        if tag in self._places.recipe.released_bodies and self._required(tag) == 2:
            return REPORT, self._released(tag, meant), discard
        if meant == b"SQ":
            if vr not in (b"SQ", b"UN", b""):
                return REPORT, self._removal(tag, vr, "X", "repair:not-a-sequence"), discard
            return self._sequence(tag, vr, self._decide(tag, meant))
        conceptual = self._conceptual(tag, meant)
        if conceptual is not None:
            return REPORT, conceptual, discard
        return self._public(tag, meant, discard)

    def _public(self, tag: int, vr: bytes, discard: Plan) -> Decided:
        decision = self._decide(tag, vr)
        if decision is None:
            return self._kept(tag, vr, discard)
        if decision.action == "X":
            return REPORT, self._removal(tag, vr, "X", decision.rule), discard
        note = Note(self._prefix + tag_text(tag), decision.action, decision.rule)
        rule = self._rule(tag, vr, note, self._action(tag, vr, decision.action))
        # What names a device or a place is a number or an address, and kept as such.
        if rule.act is actions.search and decision.rule in (KEPT_DEVICE, KEPT_PLACE):
            is_device = decision.rule == KEPT_DEVICE
            rule.act = actions.search_device if is_device else actions.search_place
        if decision.action == "K" and rule.act is actions.keep_noted:
            rule.fixed = (None, note)
        return REPORT, rule, discard

    def _sequence(self, tag: int, written_vr: bytes, decision: Decision | None) -> Decided:
        if decision is None or decision.action not in ("X", "Z"):
            # D, C and K, too: the items are cleaned one by one, so the tree stays what it was.
            return ENTER, None, self._inside(tag, written_vr)
        rule = self._removal(tag, b"SQ", decision.action, decision.rule)
        if decision.action == "Z":
            rule.fixed = (rule.element(b""), rule.note)
        # What goes is still read: names that stand only here may stand in a text elsewhere.
        return ENTER, rule, self._gathering.inside(written_vr)

    def _kept(self, tag: int, vr: bytes, discard: Plan) -> Decided:
        """Keep what no table speaks of, but for identifiers in text."""
        note = Note(self._prefix + tag_text(tag), "", "")
        if tag in MAKERS:
            return REPORT, self._rule(tag, vr, note, actions.search_maker), discard
        if vr in TEXT_VRS and tag not in CODES:
            return REPORT, self._rule(tag, vr, note, actions.search), discard
        if vr == b"CS" and tag not in TERMS:
            return REPORT, self._rule(tag, vr, note, actions.search_codes), discard
        if vr == b"TM":
            return REPORT, self._rule(tag, vr, note, actions.keep_time), discard
        if vr == b"AS":
            return REPORT, self._rule(tag, vr, note, actions.cap_age), discard
        if vr in (b"DS", b"IS"):
            rule = self._rule(tag, vr, note, actions.keep_number)
            # Positions differ in each slice, and to look is as fast as to remember.
            rule.conceptual = tag >> 16 in GEOMETRY
            return REPORT, rule, discard
        if vr == b"OB" or (vr == b"OW" and tag >> 16 not in SAMPLES):
            return REPORT, self._rule(tag, vr, note, actions.mask_names), discard
        if tag in ROLES and not self._place.path:
            rule = self._rule(tag, vr, note, actions.keep)
            rule.fixed = UNCHANGED
            return REPORT, rule, discard
        return KEEP, None, discard

    def _decide(self, tag: int, vr: bytes) -> Decision | None:
        """Return what is done with a public attribute, or None if it stays untouched."""
        required = self._required(tag)
        if self._parent in CODE_PARENTS and tag in CODES:
            return Decision("D", "basic")
        known_iod = self._places.types.known
        decision = self._places.profile.decide(tag, required=required, known_iod=known_iod)
        if decision is None:
            return self._unlisted(tag, vr, required)
        if tag == GRAPHIC_TEXT and CLEAN_GRAPHICS in self._places.profile.options:
            return Decision("C", f"option:{CLEAN_GRAPHICS}")
        if decision.action == "C" and vr in (b"DA", b"DT"):
            return Decision("shift", decision.rule)
        if decision.action == "C" and vr == b"TM":
            return Decision("K", decision.rule)
        return decision

    def _unlisted(self, tag: int, vr: bytes, required: int) -> Decision | None:
        """Decide about an attribute that the table is silent on, by its VR."""
        options = self._places.profile.options
        if vr == b"UI" and tag not in CLASS_UIDS and "retain-uids" not in options:
            return Decision("U", "unlisted-uid")
        if vr in (b"DA", b"DT") and FULL_DATES not in options:
            if MODIFIED_DATES in options:
                return Decision("shift", "unlisted-date")
            return Decision(fitting("X/Z/D", required=required, known_iod=True), "unlisted-date")
        if vr == b"PN":
            return Decision(fitting("Z/D", required=required, known_iod=True), "unlisted-name")
        return None

    def _action(self, tag: int, vr: bytes, action: str) -> Act:
        if tag in PATIENT_NAMES and not self._place.path:
            return actions.patient_pseudonym
        if tag in STUDY_NAMES and not self._place.path:
            return actions.study_pseudonym
        if action == "K" and vr == b"AS":
            return actions.cap_age
        if action == "K" and vr == b"TM":
            return actions.keep_time
        if action == "K" and vr in (b"DS", b"IS"):
            return actions.keep_number
        if action in ("C", "K") and vr in TEXT_VRS:
            return actions.clean if action == "C" else actions.search
        if action in ("C", "K") and vr == b"CS":
            return actions.search_codes
        return {
            "Z": actions.empty,
            "D": actions.replace_by_dummy,
            "C": actions.empty,
            "U": actions.replace_uids if vr == b"UI" else actions.empty,
            "K": actions.keep_noted,
            "shift": actions.shift_dates,
        }[action]
