"""Compare a result with its original: what had to change did, what may not change did not.

Level by level: each value of the original is paired with what stands at its place in the result,
each item with its item.  What a value may become is said in ``release_changes``, what may be
gone in ``release_losses``.

Values that stand unchanged in slice after slice are judged once: sets of elements are
subtracted from each other, and only what is new is looked at.
"""

from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from sendit.deid.release_changes import Changes, Movement, Pair, Pairs
from sendit.deid.release_content import Creators, Level, tag_name, vr_of
from sendit.deid.release_looked import MOST_HELD_BYTES, OVERHEAD, Looked
from sendit.deid.release_losses import Losses
from sendit.deid.release_table import Profile, place_of, required_types
from sendit.errors import Rejected
from sendit.terms import Reason

_OURS = frozenset((0x00080005, 0x00120062, 0x00120063, 0x00120064, 0x00280301, 0x00280303))
_OF_PIXELS = frozenset(
    (
        *(0x00280002, 0x00280004, 0x00280006, 0x00280034, 0x00280106, 0x00280107),
        *(0x00280108, 0x00280109, 0x00282110, 0x00282112, 0x00282114),
    )
)


@dataclass(slots=True)
class _Judged:
    """Elements at one path that were judged before."""

    may_stay: Looked = field(default_factory=Looked, repr=False)
    may_go: Looked = field(default_factory=Looked, repr=False)
    gone: set[int] = field(default_factory=set)
    """The tags of what went from one file or another."""
    may_become: Pairs = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class _Iod:
    """What objects of one SOP Class must have, and what was judged in them."""

    types: Mapping[str, str]
    judged: dict[tuple[str, Creators], _Judged] = field(
        default_factory=lambda: defaultdict(_Judged), repr=False
    )
    """By path and private creators."""


class Comparison:
    """Compares the files of one batch, one pair after another.

    Parameters
    ----------
    touched
        Attributes that a site rule keeps, removes or sets; they are not compared.
    by_value
        Those of which site rules take away single values; None: no rule looks at values.
    pixels_changed
        Whether what describes the pixels may be another than before.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        touched: Set[int],
        by_value: Set[int] | None = None,
        pixels_changed: bool,
    ) -> None:
        self._profile = profile
        self._touched = touched | _OURS | (_OF_PIXELS if pixels_changed else frozenset())
        self._changes = Changes(profile, touched=self._touched, by_value=by_value)
        self._losses = Losses(profile, touched=self._touched, by_value=by_value)
        self._iods: dict[str, _Iod] = {}
        self._held_bytes = 0

    def compare(self, original: Level, result: Level, *, sop_class: str) -> Movement:
        """Refuse what changed and may not, and what stayed and may not.

        Raises
        ------
        sendit.errors.Rejected
            With ``IDENTIFIER_LEFT``, ``VALUE_LOST`` or ``IOD_BROKEN``.
        """
        if self._held_bytes > MOST_HELD_BYTES:
            self._iods.clear()
            self._held_bytes = 0
        iod = self._iods.get(sop_class)
        if iod is None:
            iod = self._iods[sop_class] = _Iod(required_types(sop_class))
        movement = Movement()
        self._level(original, result, "", iod, movement)
        return movement

    def keep(self, moved: Movement) -> None:
        """Hold the results to come to what UIDs became in one that may leave."""
        self._changes.keep(moved)
        for pairs, pair in moved.judged:
            pairs[pair] = None
            self._held_bytes += _cost(pair)

    def _level(self, original: Level, result: Level, path: str, iod: _Iod, moved: Movement) -> None:
        types, judged = iod.types, iod.judged[path, original.creators_set()]
        # In the order of tags: what is found first must not depend on how a set is laid out.
        for element in sorted(judged.may_stay.new_in(result) & original.elements()):
            self._changes.check_staying(element, path)
            judged.may_stay.add(element)
            self._held_bytes += OVERHEAD + len(element[1])
        by_tag = result.by_tag()
        new = judged.may_go.new_in(original)
        if not judged.gone.isdisjoint(by_tag):
            # What went from one file may stand in another, and be another value there.
            there = judged.gone & by_tag.keys()
            new |= {leaf for leaf in original.leaves if leaf[0] >> 16 in there}
        changed = sorted(new - result.elements())
        if changed:
            self._losses.check_private(changed, original, by_tag, path)
            for element in changed:
                key, value = element
                now = by_tag.get(key >> 16)
                if now is not None:
                    pair, pairs = (element, now), judged.may_become
                    known = pair in pairs
                    days = pairs[pair] if known else self._judge(pair, pairs, path, types, moved)
                    moved.add(days, path, key >> 16)
                elif self._losses.may_go(key, value, path, types):
                    judged.may_go.add(element)
                    judged.gone.add(key >> 16)
                    self._held_bytes += OVERHEAD + len(value)
                else:
                    self._losses.refuse(key, path, types)
        if original.sequences:
            self._sequences(original, result, path, iod, moved)

    def _judge(
        self, pair: Pair, pairs: Pairs, path: str, types: Mapping[str, str], moved: Movement
    ) -> int | None:
        """Return by how many days a date was moved, if the change may be; and remember it."""
        days = self._changes.check(pair, path, types, moved)
        if vr_of(pair[1][0]) == "UI":
            moved.judged.append((pairs, pair))
        else:
            pairs[pair] = days
            self._held_bytes += _cost(pair)
        return days

    def _sequences(
        self, original: Level, result: Level, path: str, iod: _Iod, moved: Movement
    ) -> None:
        types = iod.types
        by_tag = {key >> 16: items for key, items in result.sequences}
        for key, items in original.sequences:
            tag = key >> 16
            now = by_tag.get(tag)
            action = self._profile.action(tag)
            if now and self._stays_whole(tag, action, path, types):
                raise Rejected(Reason.IDENTIFIER_LEFT, f"{path}{tag_name(tag)} unchanged")
            if now is None or (not now and items):
                self._losses.check_sequence(tag, items, path, types)
            elif len(now) != len(items):
                if action in ("", "K", "C") and not tag >> 16 & 1 and tag not in self._touched:
                    raise Rejected(Reason.VALUE_LOST, f"{path}{tag_name(tag)} items")
            else:
                deeper = f"{path}{tag_name(tag)}/"
                for one, other in zip(items, now, strict=True):
                    self._level(one, other, deeper, iod, moved)

    def _stays_whole(self, tag: int, action: str, path: str, types: Mapping[str, str]) -> bool:
        """Return whether a sequence that has to go is there, though no IOD wants it."""
        wanted = types.get(place_of(path, tag), "3")[0] in "12"
        return action == "X" and not wanted and tag not in self._touched


def _cost(pair: Pair) -> int:
    """Return how many bytes it takes to remember what one value became."""
    return OVERHEAD + sum(len(value) for _, value in pair)
