"""From recipe to rules: what the walk does at each attribute of each place.

The plan of a place is filled as attributes turn up, so an engine only ever knows the
few hundred that its files use, and from the second file on nothing is decided any more, only
looked up.  Here stands the order in which an attribute is asked about, and what the rules of the
site do; the rest is told in ``table_plans`` (public attributes), ``private_plans`` and
``places``.

What an action does is told in ``actions.py``.
"""

from dataclasses import replace

from sendit.deid import actions
from sendit.deid.attributes import ALWAYS_THERE, CODE_VALUE, STAMPS, TEXT_VALUE
from sendit.deid.element_values import WITHOUT_TEXT
from sendit.deid.passing_plans import CHARSET_TAG, PIXEL_TAGS, Gathered, vr_of
from sendit.deid.places import Decided, Place, Places
from sendit.deid.private import creator_tag
from sendit.deid.profile import Decision, fitting
from sendit.deid.rules import Note, Rule
from sendit.deid.site_rules import Do, SiteAction
from sendit.deid.site_values import act_of, can_stand, where_listed
from sendit.deid.stretches import Stretches
from sendit.deid.syntax import tag_text
from sendit.deid.table_plans import TablePlan
from sendit.deid.walk_plan import BULK, ENTER, KEEP, REPORT, SWITCH, Plan


class DeidPlan(TablePlan):
    """The plan of one place under one recipe."""

    def slot_for(self, tag: int, vr: bytes) -> Decided:
        """Decide about an attribute that is seen here for the first time."""
        self._places.meet()
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

    def _by_site(self, tag: int, vr: bytes, written_vr: bytes, discard: Plan) -> Decided | None:
        """Do what a rule of the site says; None if it says nothing that can be done here."""
        site = self._places.recipe.site
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
        if action == "D" and vr == b"UI":
            action = "U"  # no UID is a dummy: references to the same one stay together
        note = Note(self._prefix + tag_text(tag), action, wish.rule)
        return self._rule(tag, vr, note, self._action(tag, vr, action))

    def _where_listed(self, tag: int, vr: bytes, decided: Decided) -> Decided:
        """Put rules of the site that look at the value before what was decided otherwise."""
        site = self._places.recipe.site
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


class Plans(Places):
    """Every plan and rule of one engine for one SOP Class."""

    def new_plan(self, place: Place) -> DeidPlan:
        """Return the plan of a place that is seen for the first time."""
        plan = DeidPlan(self, place)
        if place == Place((), place.syntax, as_utf8=place.as_utf8):
            site = self.recipe.site
            added = () if site is None else (tag for tag, _ in site.additions)
            plan.memory = Stretches(_lasts, (*STAMPS, *ALWAYS_THERE, *added))
        return plan


def _lasts(rule: object) -> bool:
    """Return whether what is done at an element depends on nothing that stands before it.

    Concepts, units and coding schemes give a meaning to what stands behind them.
    """
    if type(rule) is Rule and rule.conceptual:
        return rule.act is actions.keep_number
    return not (type(rule) is Gathered or type(rule) is Rule) or rule.tag not in (
        CODE_VALUE,
        TEXT_VALUE,
    )
