"""Take the values that a recipe lists out of one instance (``%values``).

The data set is walked once more, at every depth, in sequences and private elements that go as
well, since a name may stand only there.  Recipes without lists never come here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sendit.deid.element_values import WITHOUT_TEXT, texts_of
from sendit.deid.instance import Instance
from sendit.deid.passing_plans import CHARSET_TAG, PIXEL_TAGS, DiscardPlan, vr_of
from sendit.deid.places import MAX_PLANS, Place
from sendit.deid.private import creator_tag, is_creator
from sendit.deid.reading import read_data_set
from sendit.deid.site_fields import Attribute
from sendit.deid.site_lists import Listed, ValueList, taken
from sendit.deid.syntax import IMPLICIT_LITTLE, Syntax
from sendit.deid.walk_plan import BULK, ENTER, KEEP, REPORT, SWITCH, Mark, Plan


@dataclass(frozen=True, slots=True)
class _Chosen:
    """In the place of a rule: an element of which lists take the value."""

    vr: bytes
    syntax: Syntax
    charset: bytes
    lists: tuple[ValueList, ...]
    """With those of their lines that choose it."""


class Listing:
    """Takes values out of instances; remembers which attributes are chosen."""

    def __init__(self, lists: Sequence[ValueList]) -> None:
        self.lists = lists
        self._plans: dict[Place, _ListingPlan] = {}

    def of(self, instance: Instance) -> Listed:
        """Return what the lists take of one instance."""
        if len(self._plans) > MAX_PLANS:
            self._plans.clear()
        found: dict[str, set[str]] = {one.name: set() for one in self.lists}
        _, scan = read_data_set(instance.frame, lambda syntax: self.plan(Place((), syntax)))
        for segment in scan.segments:
            for chosen, _pos, start, stop in segment.found.events:
                if type(chosen) is _Chosen:
                    data = segment.data[start:stop]
                    values = texts_of(data, chosen.vr, chosen.syntax, chosen.charset)
                    for one in chosen.lists:
                        found[one.name].update(taken(one.picks, values))
        return tuple((name, frozenset(values)) for name, values in found.items())

    def plan(self, place: Place) -> "_ListingPlan":
        """Return the plan of a place, the same one each time."""
        plan = self._plans.get(place)
        if plan is None:
            plan = self._plans[place] = _ListingPlan(self, place)
        return plan


class _ListingPlan(Plan):
    """Reports what lists choose, enters every sequence, passes over the rest."""

    def __init__(self, listing: Listing, place: Place) -> None:
        super().__init__(place.syntax)
        self._listing = listing
        self._place = place
        self._discard = DiscardPlan(place.syntax)

    def slot_for(self, tag: int, vr: bytes) -> tuple[int, object, Plan | None]:
        """Decide about an attribute that is seen here for the first time."""
        if tag in PIXEL_TAGS:
            return (KEEP if self._place.path else BULK), Mark.SKIP, self._discard.child(b"OB")
        if tag == CHARSET_TAG or is_creator(tag):
            return SWITCH, Mark.SKIP, self._discard.child(vr)
        meant = vr_of(tag, vr) or vr or b"UN"
        if meant == b"SQ" and vr in (b"SQ", b"UN", b""):
            return ENTER, None, self._inside(tag, vr)
        if meant not in WITHOUT_TEXT and (lists := self._choosing(tag, meant)):
            chosen = _Chosen(meant, self.syntax, self._place.charset, lists)
            return REPORT, chosen, self._discard.child(vr)
        return KEEP, Mark.SKIP, self._discard.child(vr)

    def after(self, tag: int, value: bytes) -> "_ListingPlan":
        """Return the plan for what follows another character set or one more creator."""
        bare = value.strip(b" \0")
        if tag == CHARSET_TAG:
            return self._listing.plan(self._place._replace(charset=bare))
        creators = tuple(one for one in self._place.creators if one[0] >> 16 == tag >> 16)
        return self._listing.plan(self._place._replace(creators=(*creators, (tag, bare))))

    def _choosing(self, tag: int, vr: bytes) -> tuple[ValueList, ...]:
        creator = ""
        if tag >> 16 & 1:
            creator = dict(self._place.creators).get(creator_tag(tag), b"").decode("latin-1")
        attribute = Attribute((*self._place.path, tag), vr.decode("latin-1"), creator)
        choosing = []
        for one in self._listing.lists:
            picks = tuple(pick for pick in one.picks if pick.selector.chooses(attribute))
            if picks:
                choosing.append(ValueList(one.name, picks))
        return tuple(choosing)

    def _inside(self, tag: int, written_vr: bytes) -> "_ListingPlan":
        implicit = self.syntax.explicit and written_vr != b"SQ"
        syntax = IMPLICIT_LITTLE if implicit else self.syntax
        path = (*self._place.path, tag)
        return self._listing.plan(self._place._replace(path=path, syntax=syntax, creators=()))
