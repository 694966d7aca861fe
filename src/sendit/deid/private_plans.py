"""What is done with a private element: kept where it is known to be safe, removed otherwise.

Which ones are safe is told in ``private``.

DICOM: PS3.15 E.3.10 (Retain Safe Private Option).
"""

from sendit.deid import actions
from sendit.deid.attributes import TEXT_VRS
from sendit.deid.blocks import Creator, InBlock
from sendit.deid.places import Decided, PlacedPlan
from sendit.deid.private import Decision, Fate, creator_tag, is_creator
from sendit.deid.profile import FULL_DATES, MODIFIED_DATES
from sendit.deid.rules import Act, Note, Rule
from sendit.deid.syntax import NUMBER_SIZES, tag_text
from sendit.deid.walk_plan import ENTER, REPORT, SWITCH


class PrivatePlan(PlacedPlan):
    """A plan that decides about private elements."""

    def _private(self, tag: int, vr: bytes) -> Decided:
        """Keep a private element that is known to be safe, cleaned by its VR; remove the others."""
        safe = self._places.safe_private
        removal = self._removal(tag, vr, "private", "private")
        gone: Decided = (REPORT, removal, self._discard.child(vr))
        if vr == b"SQ":
            gone = ENTER, removal, self._gathering.inside(vr)
        if safe is None:
            return gone
        if is_creator(tag):
            return SWITCH, Creator(self._block(tag), removal.note), self._discard.child(vr)
        creator = dict(self._place.creators).get(creator_tag(tag), b"").decode("latin-1")
        decision = safe.decide(tag, vr.decode("ascii"), creator)
        if decision.fate is Fate.REMOVE:
            return gone
        return self._safe_private(tag, vr, decision, gone)

    def _safe_private(self, tag: int, vr: bytes, decision: Decision, gone: Decided) -> Decided:
        note = Note(self._prefix + tag_text(tag), "K", "option:retain-safe-private")
        meant = decision.vr.encode("ascii")
        discard = self._discard.child(vr)
        if decision.fate is Fate.HOLD:
            return REPORT, self._private_rule(tag, vr, note, actions.hold_opaque), discard
        if decision.parser is not None:
            act = actions.rebuild_with(decision.parser)
            return REPORT, self._private_rule(tag, vr, note, act), discard
        if meant == b"SQ":
            return ENTER, InBlock(self._block(creator_tag(tag)), note), self._inside(tag, vr)
        if meant == b"PN":
            return gone
        options = self._places.profile.options
        if meant == b"UI" and "retain-uids" not in options:
            rule = self._private_rule(tag, vr, note._replace(action="U"), actions.replace_uids)
        elif meant in (b"DA", b"DT") and FULL_DATES not in options:
            if MODIFIED_DATES not in options:
                return gone
            rule = self._private_rule(tag, vr, note._replace(action="shift"), actions.shift_dates)
            rule.role = "datetime" if meant == b"DT" else ""
        elif meant == b"CS":
            rule = self._private_rule(tag, vr, note, actions.search_codes)
        elif meant in TEXT_VRS:
            rule = self._private_rule(tag, vr, note, actions.search)
        elif meant in (b"DS", b"IS", b"TM"):
            act = actions.keep_time if meant == b"TM" else actions.keep_number
            rule = self._private_rule(tag, vr, note, act)
        else:
            # Whatever is declared, what stands there may be something else.
            act = actions.keep_binary(NUMBER_SIZES.get(meant, 1))
            rule = self._private_rule(tag, vr, note, act)
        return REPORT, rule, discard

    def _private_rule(self, tag: int, vr: bytes, note: Note, act: Act) -> Rule:
        rule = self._rule(tag, vr, note, act)
        rule.block = self._block(creator_tag(tag))
        return rule
