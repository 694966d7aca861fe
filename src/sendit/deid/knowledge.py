"""What the originals of one instance give away, and the cleaner that looks for it.

Identifiers come from every element of the instance that may hold one, private ones and those
that go included, from the names of the batch's folders and files, and from what was read of
every header of the batch beforehand (``Identities``).  Nothing is carried
over from one instance to the next, so what becomes of an instance does not depend on what
came before it; that the answers are remembered only makes it fast.
"""

from collections.abc import Sequence
from typing import Final

from sendit.deid.charsets import decode
from sendit.deid.descriptions import descriptions_in
from sendit.deid.identities import Identities, Identity
from sendit.deid.known import Kind, Known, collect, collect_identities
from sendit.deid.recipe import Recipe
from sendit.deid.text import Cleaner
from sendit.deid.vocabulary import load_vocabulary

MAX_REMEMBERED: Final = 256

Gathering = tuple[tuple[int, bytes, bytes, bytes], ...]
"""(tag, VR, charset, value) of every element that may name somebody."""


class Knowledge:
    """Makes and keeps cleaners for the instances of one batch (identifying)."""

    def __init__(
        self, recipe: Recipe, identities: Identities, *, extra_known: Sequence[str]
    ) -> None:
        self._kept = kept_kinds(recipe)
        self._dates = recipe.dates
        described = descriptions_in(identities.known, load_vocabulary())
        named = collect((), extra=extra_known, descriptions=described)
        self._base = collect_identities(identities) | named
        self._known: dict[Gathering, Known] = {}
        self._cleaners: dict[tuple[Known, int], Cleaner] = {}

    def __repr__(self) -> str:
        return "Knowledge(…)"

    def known(self, gathering: Gathering) -> Known:
        """Return the identifiers of one instance."""
        found = self._known.get(gathering)
        if found is None:
            values = [
                (tag, vr.decode("ascii"), decode(value, charset))
                for tag, vr, charset, value in gathering
            ]
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            found = self._known[gathering] = (collect(values) | self._base).without(self._kept)
        return found

    def cleaner(self, known: Known, identity: Identity) -> Cleaner:
        """Return the cleaner for an instance with these identifiers."""
        key = (known, identity.shift_days)
        found = self._cleaners.get(key)
        if found is None:
            if len(self._cleaners) >= MAX_REMEMBERED:
                self._cleaners.clear()
            days = {"MODIFIED": identity.shift_days, "UNMODIFIED": 0}.get(self._dates)
            found = self._cleaners[key] = Cleaner(known, shift_days=days)
        return found


def kept_kinds(recipe: Recipe) -> frozenset[Kind]:
    """Return the kinds of identifiers that an option of the recipe keeps."""
    kept = set()
    if "retain-institution-identity" in recipe.options:
        kept |= {Kind.INSTITUTION}
    if "retain-device-identity" in recipe.options:
        kept |= {Kind.DEVICE}
    return frozenset(kept)
