"""One instance as it was walked, and what the engine itself reads of it.

Everything here identifies, so nothing of it shows in a ``repr``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from sendit.deid.answers import PERSONS
from sendit.deid.attributes import CODE_VALUE, TEXT_VALUE
from sendit.deid.charsets import decode
from sendit.deid.holds import Traits
from sendit.deid.knowledge import Gathering
from sendit.deid.known import MAX_VALUE, kind_by_tag
from sendit.deid.part10 import Frame
from sendit.deid.passing_plans import PIXEL_TAGS, Gathered
from sendit.deid.pixels.native import Shape
from sendit.deid.plans import Plans
from sendit.deid.rules import Context, Rule
from sendit.deid.segments import Scan
from sendit.deid.walk_plan import Event, Stretch
from sendit.errors import Unreadable
from sendit.terms import Reason

DATES: Final = (b"DA", b"DT")
NAME: Final = b"PN"
MAX_GATHERED: Final = 5000
"""Different values of one instance that may name somebody; each is looked for in every text."""

_Gathered: TypeAlias = dict[tuple[int, bytes, bytes, bytes], None]


@dataclass(slots=True)
class Instance:
    """An instance on its way through the engine."""

    frame: Frame = field(repr=False)
    scan: Scan = field(repr=False)
    plans: Plans = field(repr=False)
    values: Mapping[str, bytes] = field(repr=False)
    """Raw values of the outermost level, by role."""
    charset: bytes
    context: Context | None = field(default=None, repr=False)
    """Who the patient becomes; set once it was found."""
    as_utf8: bool = False
    """Whether texts are written in UTF-8, since the declared character set is wrong."""

    def text(self, role: str) -> str:
        """Return a value as text, empty if there is none."""
        return decode(self.values.get(role, b""), self.charset)

    def number(self, role: str) -> int:
        """Return a number as it is encoded, 0 if there is none."""
        value = self.values.get(role, b"")
        return int.from_bytes(value[:2], "little" if self.frame.syntax.little else "big")

    @property
    def has_pixels(self) -> bool:
        """Return whether there is pixel data."""
        return any(
            segment.bulk is not None and segment.bulk.slot.tag in PIXEL_TAGS
            for segment in self.scan.segments
        )

    @property
    def repairs(self) -> tuple[str, ...]:
        """Return what was mended in reading."""
        return (*self.frame.repairs, *self.scan.repairs)

    def traits(self) -> Traits:
        """Return what decides whether the instance is held; terms in the case they should have."""
        return Traits(
            sop_class_uid=self.text("sop_class"),
            modality=self.text("modality").upper(),
            transfer_syntax_uid=self.frame.transfer_syntax_uid,
            image_type=tuple(part.strip() for part in self.text("image_type").upper().split("\\")),
            burned_in=self.text("burned_in").upper(),
            has_pixels=self.has_pixels,
            known_class=self.plans.types.known,
        )

    def shape(self) -> Shape | None:
        """Return the shape of the pixels, None if the header does not tell it."""
        frames = self.text("frames")
        shape = Shape(
            rows=self.number("rows"),
            columns=self.number("columns"),
            samples=self.number("samples"),
            frames=int(frames) if frames.isascii() and frames.isdigit() else 1,
            bits_allocated=self.number("bits_allocated"),
            bits_stored=self.number("bits_stored"),
            high_bit=self.number("high_bit"),
            is_signed=self.number("representation") == 1,
            photometric=self.text("photometric"),
        )
        return shape if shape.length else None


def own_values(found: Scan) -> tuple[dict[str, bytes], bytes]:
    """Return the raw values that the engine itself needs, by role, and their character set."""
    values: dict[str, bytes] = {}
    charset = b""
    for segment in found.segments:
        some, met = _own_values(segment.data, segment.found.events)
        values.update(some)
        charset = charset if met is None else met
    return values, charset


def _own_values(data: bytes, events: Sequence[Event]) -> tuple[dict[str, bytes], bytes | None]:
    values: dict[str, bytes] = {}
    charset = None
    for rule, _pos, start, stop in events:
        if type(rule) is Rule:
            if rule.role:
                values[rule.role] = data[start:stop]
                charset = rule.charset
        elif type(rule) is Stretch:
            some, met = rule.once(_own_values_of)
            values.update(some)
            charset = charset if met is None else met
    return values, charset


def _own_values_of(stretch: Stretch) -> tuple[dict[str, bytes], bytes | None]:
    return _own_values(stretch.data, stretch.events)


def gather(found: Scan) -> Gathering:
    """Return every value that may name somebody; of a date only the day.

    Raises
    ------
    sendit.errors.Unreadable
        With ``TOO_LARGE`` when there are too many to be looked for.
    """
    gathered: _Gathered = {}
    concept = b""
    for segment in found.segments:
        concept = _gather(segment.data, segment.found.events, gathered, concept)
    if len(gathered) > MAX_GATHERED:
        raise Unreadable(Reason.TOO_LARGE, f"names more than {MAX_GATHERED} persons, ids and days")
    return tuple(gathered)


def _gather(data: bytes, events: Sequence[Event], gathered: _Gathered, concept: bytes) -> bytes:
    """Add what may name somebody; return the concept that was named last."""
    kinds = kind_by_tag()
    for rule, _pos, start, stop in events:
        if type(rule) is Gathered or (type(rule) is Rule and rule.gathers):
            vr = rule.vr
            if vr in DATES:
                gathered[rule.tag, vr, b"", data[start : start + 8]] = None
            elif 0 < stop - start <= MAX_VALUE:
                value = data[start:stop]
                if vr == NAME or b"^" in value or rule.tag in kinds:
                    gathered[rule.tag, vr, rule.charset, value] = None
                elif rule.tag == CODE_VALUE:
                    concept = value.strip(b" \0")
                elif rule.tag == TEXT_VALUE and concept in PERSONS:
                    gathered[rule.tag, NAME, rule.charset, value] = None
        elif type(rule) is Stretch:
            gathered.update(rule.once(_gathered_of))
    return concept


def _gathered_of(stretch: Stretch) -> _Gathered:
    gathered: _Gathered = {}
    _gather(stretch.data, stretch.events, gathered, b"")
    return gathered
