"""Places of attributes, and what the plans of all places have in common.

A place is a path of sequences, an encoding, a character set and the private creators in
force.  What is decided there is told in ``private_plans``, ``table_plans`` and ``plans``.
"""

from abc import ABC, abstractmethod
from typing import Final, NamedTuple, TypeAlias

from sendit.deid import actions
from sendit.deid.attributes import ROLES, TEXT_VALUE, TEXT_VRS
from sendit.deid.blocks import Creator, InBlock
from sendit.deid.passing_plans import CHARSET_TAG, DiscardPlan, GatheringPlan, gathers
from sendit.deid.private import SafePrivate
from sendit.deid.profile import IodTypes, Profile
from sendit.deid.recipe import Recipe
from sendit.deid.rules import Act, Note, Rule
from sendit.deid.syntax import IMPLICIT_LITTLE, Syntax, tag_text
from sendit.deid.walk_plan import Plan
from sendit.errors import Unreadable
from sendit.terms import Reason

MAX_PLANS: Final = 5000
MAX_ATTRIBUTES: Final = 50_000
"""Attributes, at all places, of which an engine has to decide what to do in one file."""


class Place(NamedTuple):
    """Where an attribute stands."""

    path: tuple[int, ...]
    syntax: Syntax
    charset: bytes = b""
    creators: tuple[tuple[int, bytes], ...] = ()
    """Private creators of one group that were met so far: tag and value."""
    as_utf8: bool = False
    """Whether texts are written in UTF-8, since the declared character set is wrong."""


class Places(ABC):
    """Every place that one engine meets in one SOP Class, its plan and rules."""

    def __init__(self, recipe: Recipe, sop_class_uid: str) -> None:
        self.recipe = recipe
        self.profile = Profile(recipe.options)
        self.types = IodTypes(sop_class_uid)
        self.safe_private = safe_private_of(recipe)
        self.rules: list[Rule] = []
        self._plans: dict[Place, PlacedPlan] = {}
        self._met = 0
        self._passing: dict[tuple[Syntax, bytes], tuple[DiscardPlan, GatheringPlan]] = {}

    @abstractmethod
    def new_plan(self, place: Place) -> "PlacedPlan":
        """Return the plan of a place that is seen for the first time."""

    def plan(self, place: Place) -> "PlacedPlan":
        """Return the plan of a place, the same one each time."""
        found = self._plans.get(place)
        if found is None:
            if len(self._plans) > 2 * MAX_PLANS:
                raise Unreadable(Reason.TOO_LARGE, f"has attributes at over {MAX_PLANS} places")
            found = self._plans[place] = self.new_plan(place)
        return found

    def meet(self) -> None:
        """Count an attribute that is met at a place for the first time.

        Raises
        ------
        sendit.errors.Unreadable
            With ``TOO_LARGE``: no device and no report has so many.
        """
        self._met += 1
        if self._met > MAX_ATTRIBUTES:
            raise Unreadable(
                Reason.TOO_LARGE, f"has more than {MAX_ATTRIBUTES // 2} different attributes"
            )

    def passing(self, syntax: Syntax, charset: bytes) -> tuple[DiscardPlan, GatheringPlan]:
        """Return the plans for what goes: to find its end, or to find names in it, too."""
        found = self._passing.get((syntax, charset))
        if found is None:
            found = DiscardPlan(syntax), GatheringPlan(syntax, charset)
            self._passing[syntax, charset] = found
        return found

    @property
    def overgrown(self) -> bool:
        """Whether adversarial files have brought so much that starting anew is better."""
        return len(self._plans) > MAX_PLANS or self._met > MAX_ATTRIBUTES // 2


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


class PlacedPlan(Plan):
    """The plan of one place under one recipe: how its rules are made."""

    def __init__(self, places: Places, place: Place) -> None:
        super().__init__(place.syntax)
        self._places = places
        self._place = place
        self._parent = place.path[-1] if place.path else 0
        self._prefix = "".join(f"{tag_text(tag)}/" for tag in place.path)
        self._discard, self._gathering = places.passing(place.syntax, place.charset)

    def after(self, tag: int, value: bytes) -> "PlacedPlan":
        """Return the plan of the same place under another character set or one creator more."""
        if tag == CHARSET_TAG:
            return self._places.plan(self._place._replace(charset=value.strip(b" \0")))
        creators = tuple(one for one in self._place.creators if one[0] >> 16 == tag >> 16)
        safe = self._places.safe_private
        if safe is not None and safe.knows(value.decode("latin-1")):
            creators = (*creators, (tag, value.strip(b" \0")))
        return self._places.plan(self._place._replace(creators=creators))

    def _required(self, tag: int) -> int:
        return self._places.types.required(self._parent, tag)

    def _inside(self, tag: int, written_vr: bytes) -> "PlacedPlan":
        implicit = self.syntax.explicit and written_vr != b"SQ"
        syntax = IMPLICIT_LITTLE if implicit else self.syntax
        path = (*self._place.path, tag)
        return self._places.plan(self._place._replace(path=path, syntax=syntax, creators=()))

    def _block(self, creator: int) -> int:
        """Return what tells one private block from those of other levels."""
        return len(self._place.path) << 32 | creator

    def _removal(self, tag: int, vr: bytes, action: str, name: str) -> Rule:
        note = Note(self._prefix + tag_text(tag), action, name)
        rule = self._rule(tag, vr, note, actions.keep)
        rule.fixed = (b"", None if name == "stamp" else note)
        return rule

    def _rule(self, tag: int, vr: bytes, note: Note, act: Act) -> Rule:
        rules = self._places.rules
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
