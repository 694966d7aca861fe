"""From recipe to rules: what the walk does at each attribute of each place.

A place is a path of sequences, an encoding, a character set and the private creators in
force.  The plan of a place is filled as attributes turn up, so an engine only ever knows the
few hundred that its files use, and from the second file on nothing is decided any more, only
looked up.

What an action does is told in ``actions.py``, what is done with private elements in
``private.py``.
"""

from dataclasses import replace
from typing import Final, NamedTuple, TypeAlias

from sendit.deid import actions
from sendit.deid.blocks import Creator, InBlock
from sendit.deid.element_values import WITHOUT_TEXT
from sendit.deid.passing_plans import (
    CHARSET_TAG,
    PIXEL_TAGS,
    DiscardPlan,
    GatheringPlan,
    gathers,
    vr_of,
)
from sendit.deid.private import Decision as PrivateDecision
from sendit.deid.private import Fate, SafePrivate, creator_tag, is_creator
from sendit.deid.profile import (
    CLEAN_GRAPHICS,
    FULL_DATES,
    MODIFIED_DATES,
    Decision,
    IodTypes,
    Profile,
    fitting,
)
from sendit.deid.recipe import Recipe
from sendit.deid.rules import UNCHANGED, Act, Note, Rule
from sendit.deid.site_rules import Do, SiteAction
from sendit.deid.site_values import act_of, can_stand, where_listed
from sendit.deid.syntax import IMPLICIT_LITTLE, Syntax, tag_text
from sendit.deid.walk import BULK, ENTER, KEEP, REPORT, SWITCH, Plan
from sendit.terms import Reason

STAMPS: Final = frozenset((0x00120062, 0x00120063, 0x00120064, 0x00280303))
"""Attributes that say what was done; always written anew."""
ROLES: Final = {
    0x00080005: "charset",
    0x00080008: "image_type",
    0x00080016: "sop_class",
    0x00080018: "sop_instance",
    0x00080020: "study_date",
    0x00080050: "accession_number",
    0x00080060: "modality",
    0x00100010: "patient_name",
    0x00100020: "patient_id",
    0x0020000D: "study",
    0x0020000E: "series",
    0x00280002: "samples",
    0x00280004: "photometric",
    0x00280008: "frames",
    0x00280010: "rows",
    0x00280011: "columns",
    0x00280100: "bits_allocated",
    0x00280101: "bits_stored",
    0x00280102: "high_bit",
    0x00280103: "representation",
    0x00280301: "burned_in",
}
"""Attributes of the outermost level that the engine reads for itself."""
PATIENT_NAMES: Final = frozenset((0x00100010, 0x00100020))
STUDY_NAMES: Final = frozenset((0x00080050, 0x00200010))
CLASS_UIDS: Final = frozenset(
    (
        *(0x00080016, 0x0008001A, 0x0008001B, 0x00080062, 0x00081150, 0x0008115A),
        *(0x00083002, 0x0040DB06, 0x0040DB07),
    )
)
"""UIDs that name a class: the same for everybody."""
CODE_VALUE: Final = 0x00080100
CODING_SCHEME: Final = 0x00080102
CODE_MEANING: Final = 0x00080104
CONCEPT_NAME: Final = 0x0040A043
CONTENT_DATES: Final = frozenset((0x0040A120, 0x0040A121))
NUMERIC_VALUE: Final = 0x0040A30A
TEXT_VALUE: Final = 0x0040A160
"""What a TEXT item of a report says; such an item may not be without (PS3.3 C.17.3.2)."""
GRAPHIC_TEXT: Final = 0x00700006
"""Text of a presentation state; Table E.1-1 speaks of the sequence around it only."""
MAKERS: Final = frozenset((0x00080070, 0x00081090, 0x00181020))
"""Manufacturer, model and software: full of numbers and dates that are nobody's."""
TEXT_VRS: Final = frozenset((b"LO", b"SH", b"ST", b"LT", b"UT", b"UC", b"UR", b"AE"))
SAMPLES: Final = frozenset((0x0028, 0x5400, 0x7FE0))
"""Groups of words that are samples or tables of them."""
GEOMETRY: Final = frozenset((0x0020, 0x0028, 0x0054, 0x0070, 0x7FE0))
"""Groups of numbers that differ from slice to slice."""
TERMS: Final = frozenset((0x00080060, 0x00080061, 0x00080068, 0x00185100, 0x0040A010, 0x0040A040))
"""Code strings that hold a defined term."""
CODES: Final = frozenset((0x00080100, 0x00080102, 0x00080104, 0x00080119, 0x00080120))
"""What makes a coded term; searched by the release check, not rewritten (but for the meaning
of a site's own code)."""
CODE_PARENTS: Final = frozenset((0x00401101, 0x00080082))
"""Code sequences that name a person or a place, when they have to be there (action D)."""
KEPT_IDENTITIES: Final = frozenset(
    ("option:retain-device-identity", "option:retain-institution-identity")
)
MAX_PLANS: Final = 5000


class Place(NamedTuple):
    """Where an attribute stands."""

    path: tuple[int, ...]
    syntax: Syntax
    charset: bytes = b""
    creators: tuple[tuple[int, bytes], ...] = ()
    """Private creators of one group that were met so far: tag and value."""
    as_utf8: bool = False
    """Whether texts are written in UTF-8, since the declared character set is wrong."""


class Plans:
    """Every plan and rule of one engine for one SOP Class."""

    def __init__(self, recipe: Recipe, sop_class_uid: str) -> None:
        self.recipe = recipe
        self.profile = Profile(recipe.options)
        self.types = IodTypes(sop_class_uid)
        self.safe_private = safe_private_of(recipe)
        self.rules: list[Rule] = []
        self._plans: dict[Place, DeidPlan] = {}
        self._passing: dict[tuple[Syntax, bytes], tuple[DiscardPlan, GatheringPlan]] = {}

    def plan(self, place: Place) -> "DeidPlan":
        """Return the plan of a place, the same one each time."""
        found = self._plans.get(place)
        if found is None:
            found = self._plans[place] = DeidPlan(self, place)
        return found

    def passing(self, syntax: Syntax, charset: bytes) -> tuple[DiscardPlan, GatheringPlan]:
        """Return the plans for what goes: to find its end, or to find names in it, too."""
        found = self._passing.get((syntax, charset))
        if found is None:
            found = DiscardPlan(syntax), GatheringPlan(syntax, charset)
            self._passing[syntax, charset] = found
        return found

    @property
    def overgrown(self) -> bool:
        """Whether adversarial nesting has made so many places that starting anew is better."""
        return len(self._plans) > MAX_PLANS


def safe_private_of(recipe: Recipe) -> SafePrivate | None:
    """Return which private elements a recipe keeps; None if it keeps none."""
    if "retain-safe-private" not in recipe.options and not recipe.safe_private:
        return None
    return SafePrivate(
        recipe.safe_private,
        shipped="retain-safe-private" in recipe.options,
        releases_opaque=Reason.OPAQUE_PRIVATE in recipe.releases,
    )


Decided: TypeAlias = tuple[int, Rule | Creator | InBlock | None, Plan | None]
"""Kind, rule (or what stands in its place) and child plan."""


class DeidPlan(Plan):
    """The plan of one place under one recipe."""

    def __init__(self, plans: Plans, place: Place) -> None:
        super().__init__(place.syntax)
        self._plans = plans
        self._place = place
        self._parent = place.path[-1] if place.path else 0
        self._prefix = "".join(f"{tag_text(tag)}/" for tag in place.path)
        self._discard, self._gathering = plans.passing(place.syntax, place.charset)

    def after(self, tag: int, value: bytes) -> "DeidPlan":
        """Return the plan of the same place under another character set or one creator more."""
        if tag == CHARSET_TAG:
            return self._plans.plan(self._place._replace(charset=value.strip(b" \0")))
        creators = tuple(one for one in self._place.creators if one[0] >> 16 == tag >> 16)
        safe = self._plans.safe_private
        if safe is not None and safe.knows(value.decode("latin-1")):
            creators = (*creators, (tag, value.strip(b" \0")))
        return self._plans.plan(self._place._replace(creators=creators))

    def slot_for(self, tag: int, vr: bytes) -> Decided:
        """Decide about an attribute that is seen here for the first time."""
        group = tag >> 16
        discard = self._discard.child(vr)
        if group & 1:
            return self._where_listed(tag, vr, self._private(tag, vr))
        if tag & 0xFFFF == 0:
            return REPORT, self._removal(tag, vr, "", "repair:group-length"), discard
        if group < 8:
            return REPORT, self._removal(tag, vr, "X", "repair:misplaced-group"), discard
        if tag in STAMPS and not self._place.path:
            return REPORT, self._removal(tag, vr, "", "stamp"), discard
        if tag in PIXEL_TAGS:
            kind = KEEP if self._place.path else BULK
            return kind, None, self._discard.child(b"OB")
        if group >> 8 in (0x50, 0x60):
            return REPORT, self._removal(tag, vr, "X", "basic"), discard
        meant = vr_of(tag, vr)
        if not meant:
            return REPORT, self._removal(tag, vr, "X", "unknown-attribute"), discard
        if tag == CHARSET_TAG:
            return (
                SWITCH,
                self._rule(
                    tag, meant, Note(self._prefix + tag_text(tag), "", ""), actions.settle_charset
                ),
                None,
            )
        wished = self._by_site(tag, meant, vr, discard)
        return self._where_listed(tag, meant, wished or self._by_table(tag, meant, vr, discard))

    def _by_table(self, tag: int, meant: bytes, vr: bytes, discard: Plan) -> Decided:
        """Do what the options and the table of PS3.15 say."""
        if tag in self._plans.recipe.released_bodies and self._required(tag) == 2:
            return REPORT, self._released(tag, meant), discard
        if meant == b"SQ":
            if vr not in (b"SQ", b"UN", b""):
                return REPORT, self._removal(tag, vr, "X", "repair:not-a-sequence"), discard
            return self._sequence(tag, vr, self._decide(tag, meant))
        conceptual = self._conceptual(tag, meant)
        if conceptual is not None:
            return REPORT, conceptual, discard
        return self._public(tag, meant, discard)

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
            rule = self._rule(tag, vr, note, actions.note_concept)
        elif tag == CODING_SCHEME and self._parent not in CODE_PARENTS:
            rule = self._rule(tag, vr, note, actions.note_scheme)
        elif tag == CODE_MEANING and self._parent not in CODE_PARENTS:
            rule = self._rule(tag, vr, note, actions.clean_own_meaning)
            rule.required = True
        elif tag == NUMERIC_VALUE:
            note = note._replace(action="D", rule="age-over-89")
            rule = self._rule(tag, vr, note, actions.cap_subject_age)
        elif tag in CONTENT_DATES and (decision := self._decide(tag, vr)) is not None:
            note = note._replace(action=decision.action, rule=decision.rule)
            act = actions.unless_birth(self._action(tag, vr, decision.action))
            rule = self._rule(tag, vr, note, act)
        else:
            return None
        rule.conceptual = True
        return rule

    def _by_site(self, tag: int, vr: bytes, written_vr: bytes, discard: Plan) -> Decided | None:
        """Do what a rule of the site says; None if it says nothing that can be done here."""
        site = self._plans.recipe.site
        if site is None:
            return None
        added = None if self._place.path else site.added.get(tag)
        wish = added or site.action_for((*self._place.path, tag), vr.decode("ascii"))
        if wish is None:
            return None
        if wish.value is not None:
            act = act_of(wish.value, vr)
            if act is None:
                return None
            note = Note(self._prefix + tag_text(tag), "D", wish.rule)
            return REPORT, self._rule(tag, vr, note, act), discard
        if wish.do is Do.KEEP:
            return self._kept_by_site(tag, vr, written_vr, wish.rule, discard)
        if vr == b"SQ":
            return self._sequence(tag, written_vr, Decision(self._taking(tag, wish), wish.rule))
        return REPORT, self._taken_by_site(tag, vr, wish), discard

    def _taking(self, tag: int, wish: SiteAction) -> str:
        """Return how a value goes: as the site asks, as far as the object can do without."""
        code = "Z/D" if wish.do is Do.BLANK else "X/Z/D"
        return fitting(code, required=self._required(tag), known_iod=True)

    def _taken_by_site(self, tag: int, vr: bytes, wish: SiteAction) -> Rule:
        action = self._taking(tag, wish)
        if action == "X":
            return self._removal(tag, vr, "X", wish.rule)
        note = Note(self._prefix + tag_text(tag), action, wish.rule)
        return self._rule(tag, vr, note, self._action(tag, vr, action))

    def _where_listed(self, tag: int, vr: bytes, decided: Decided) -> Decided:
        """Put rules of the site that look at the value before what was decided otherwise."""
        site = self._plans.recipe.site
        kind, otherwise, child = decided
        if site is None or not site.lists or vr in WITHOUT_TEXT or kind not in (KEEP, REPORT):
            return decided
        if otherwise is not None and type(otherwise) is not Rule:
            return decided
        is_private = bool(tag >> 16 & 1)
        if (is_private and otherwise is not None and otherwise.drops) or (
            not self._place.path and tag in site.added
        ):
            return decided
        creator = dict(self._place.creators).get(creator_tag(tag), b"") if is_private else b""
        found = site.conditions_for(
            (*self._place.path, tag), vr.decode("latin-1"), creator=creator.decode("latin-1")
        )
        choices = [
            (one.holding, self._chosen(tag, vr, one.action))
            for one in found
            if one.action.do is not Do.JITTER or vr in (b"DA", b"DT")
        ]
        if not choices:
            return decided
        act = where_listed(choices, otherwise)
        if otherwise is None:
            rule = self._rule(tag, vr, Note(self._prefix + tag_text(tag), "", ""), act)
        else:
            rule = replace(otherwise, act=act, fixed=None)
        return REPORT, rule, child

    def _chosen(self, tag: int, vr: bytes, wish: SiteAction) -> Rule:
        """Return what is done with a listed value; where its replacement cannot stand, it goes."""
        act = None if wish.value is None else act_of(wish.value, vr)
        if act is None or (wish.value is not None and not can_stand(wish.value, vr)):
            return self._taken_by_site(tag, vr, wish)
        note = Note(self._prefix + tag_text(tag), "D", wish.rule)
        return self._rule(tag, vr, note, act)

    def _kept_by_site(
        self, tag: int, vr: bytes, written_vr: bytes, name: str, discard: Plan
    ) -> Decided:
        """Keep what the table would change, as far as an attribute of its VR may stay."""
        if vr == b"SQ":
            return ENTER, None, self._inside(tag, written_vr)
        decision = self._unlisted(tag, vr, self._required(tag)) or Decision("K", name)
        note = Note(self._prefix + tag_text(tag), decision.action, name)
        rule = self._rule(tag, vr, note, self._action(tag, vr, decision.action))
        if rule.act is actions.keep_noted:
            rule.fixed = (None, note)
        return REPORT, rule, discard

    def _public(self, tag: int, vr: bytes, discard: Plan) -> Decided:
        decision = self._decide(tag, vr)
        if decision is None:
            return self._kept(tag, vr, discard)
        if decision.action == "X":
            return REPORT, self._removal(tag, vr, "X", decision.rule), discard
        note = Note(self._prefix + tag_text(tag), decision.action, decision.rule)
        rule = self._rule(tag, vr, note, self._action(tag, vr, decision.action))
        if rule.act is actions.search and decision.rule in KEPT_IDENTITIES:
            # What names a device or a place is a number or an address, and kept as such.
            rule.act = actions.search_known
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
        known_iod = self._plans.types.known
        decision = self._plans.profile.decide(tag, required=required, known_iod=known_iod)
        if decision is None:
            return self._unlisted(tag, vr, required)
        if tag == GRAPHIC_TEXT and CLEAN_GRAPHICS in self._plans.profile.options:
            return Decision("C", f"option:{CLEAN_GRAPHICS}")
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

    def _private(self, tag: int, vr: bytes) -> Decided:
        """Keep a private element that is known to be safe, cleaned by its VR; remove the others."""
        safe = self._plans.safe_private
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

    def _safe_private(
        self, tag: int, vr: bytes, decision: PrivateDecision, gone: Decided
    ) -> Decided:
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
        options = self._plans.profile.options
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
            rule = self._private_rule(tag, vr, note, actions.keep_noted)
            rule.fixed = (None, note)
        return REPORT, rule, discard

    def _private_rule(self, tag: int, vr: bytes, note: Note, act: Act) -> Rule:
        rule = self._rule(tag, vr, note, act)
        rule.block = self._block(creator_tag(tag))
        return rule

    def _block(self, creator: int) -> int:
        """Return what tells one private block from those of other levels."""
        return len(self._place.path) << 32 | creator

    def _required(self, tag: int) -> int:
        return self._plans.types.required(self._parent, tag)

    def _inside(self, tag: int, written_vr: bytes) -> "DeidPlan":
        implicit = self.syntax.explicit and written_vr != b"SQ"
        syntax = IMPLICIT_LITTLE if implicit else self.syntax
        path = (*self._place.path, tag)
        return self._plans.plan(self._place._replace(path=path, syntax=syntax, creators=()))

    def _removal(self, tag: int, vr: bytes, action: str, name: str) -> Rule:
        note = Note(self._prefix + tag_text(tag), action, name)
        rule = self._rule(tag, vr, note, actions.keep)
        rule.fixed = (b"", None if name == "stamp" else note)
        return rule

    def _rule(self, tag: int, vr: bytes, note: Note, act: Act) -> Rule:
        rules = self._plans.rules
        rule = Rule(
            *(len(rules), tag, vr, self.syntax, self._place.charset, note, act),
            as_utf8=self._place.as_utf8,
            role="" if self._place.path else ROLES.get(tag, ""),
            gathers=gathers(tag, vr),
            # In sequences not every macro is known: a text that was there is never left empty.
            required=tag == TEXT_VALUE
            or self._required(tag) == 2
            or (bool(self._place.path) and vr in TEXT_VRS),
        )
        rules.append(rule)
        return rule
