"""Filters of a site: which instances are let through, flagged, or have places to blank.

A filter is a list of labels in white, gray or black; a label is a set of criteria on top-level
attributes and, if it likes, rectangles.  Labels are asked in the order of the file.  The first
white one that fits lets the instance through, the first other one flags it: it is excluded
(``LISTED``), unless its rectangles can be blanked.

Criteria are joined from left to right, line after line: ``+`` is and, ``||`` is or.  Reading
them is left to ``recipe_text`` and ``recipe_toml``.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sendit.deid.site_fields import tag_of, unknown

Values = Callable[[int], Sequence[str] | None]
"""Values of a top-level attribute by tag; None when it is not there."""

_VERBS = "notcontains contains notequals equals missing present empty"
_JOINT = re.compile(rf"\s*(\|\||\+)\s*(?=(?:{'|'.join(_VERBS.split())})\b)", re.IGNORECASE)
_CORNERS = 4


class Shade(StrEnum):
    """What a filter list says about what fits."""

    WHITE = "white"
    GRAY = "gray"
    BLACK = "black"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One question about one attribute."""

    verb: str
    tag: int
    value: str = ""
    joined_by_or: bool = False
    """Joined to what stands before by ``||`` instead of ``+``."""
    pattern: re.Pattern[str] | None = field(default=None, compare=False)

    def holds(self, values: Values) -> bool:
        """Return the answer for one instance."""
        found = values(self.tag)
        match self.verb:
            case "missing":
                return found is None
            case "present":
                return found is not None
            case "empty":
                return found is not None and not any(value.strip() for value in found)
            case "equals" | "notequals":
                return self._equals(found or ()) is (self.verb == "equals")
            case _:
                return self._contains(found or ()) is (self.verb == "contains")

    def _equals(self, found: Sequence[str]) -> bool:
        wanted = self.value.casefold().strip()
        return any(value.casefold().strip() == wanted for value in (*found, "\\".join(found)))

    def _contains(self, found: Sequence[str]) -> bool:
        pattern = self.pattern
        return pattern is not None and any(
            pattern.search(value) for value in (*found, "\\".join(found))
        )


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle in pixels; right and bottom are exclusive."""

    left: int = 0
    top: int = 0
    right: int = -1
    """-1: to the edge of the picture."""
    bottom: int = -1
    keeps: bool = False
    """Stays as it is, although an earlier rectangle covers it."""
    from_regions: bool = False
    """Stands for the Sequence of Ultrasound Regions (0018,6011)."""


@dataclass(frozen=True, slots=True)
class Label:
    """A named set of criteria of one list."""

    shade: Shade
    name: str
    source: str
    """File and line."""
    criteria: tuple[Criterion, ...] = ()
    areas: tuple[Area, ...] = ()

    def fits(self, values: Values) -> bool:
        """Return whether the criteria hold; a label with rectangles alone always fits."""
        answer = True
        for index, criterion in enumerate(self.criteria):
            holds = criterion.holds(values)
            if index == 0:
                answer = holds
            else:
                answer = (answer or holds) if criterion.joined_by_or else (answer and holds)
        return answer


def judge(labels: Sequence[Label], values: Values) -> Label | None:
    """Return the first label that fits, None if none does."""
    return next((label for label in labels if label.fits(values)), None)


def shade_of(name: str) -> Shade:
    """Return what a list of this name means; unknown names flag, as the deid format has it."""
    word = name.casefold()
    if word.startswith("white"):
        return Shade.WHITE
    return Shade.BLACK if word.startswith("black") else Shade.GRAY


def criteria_of(line: str) -> tuple[Criterion, ...]:
    """Read one line of criteria.

    Raises
    ------
    ValueError
        Saying what cannot be understood.
    """
    text, by_or = line.strip(), False
    if text.startswith(("+", "||")):
        by_or = text.startswith("||")
        text = text.lstrip("+|").strip()
    parts = _JOINT.split(text)
    found = [_criterion(parts[0], by_or=by_or)]
    for sign, part in zip(parts[1::2], parts[2::2], strict=True):
        found.append(_criterion(part, by_or=sign == "||"))
    return tuple(found)


def area_of(text: str, *, keeps: bool, from_ctp: bool) -> Area:
    """Read the rectangle of a ``coordinates`` line: ``left,top,right,bottom``.

    With ``from_ctp`` the last two are width and height.
    """
    written = text.replace(" ", "")
    if written.casefold() == "all":
        if not keeps:
            raise ValueError(
                "all blanks the whole picture, and nothing here blanks pixels; leave the line out, "
                "and the label out if it has no criteria, or it excludes every image"
            )
        return Area(keeps=keeps)
    if written == "from:SequenceOfUltrasoundRegions":
        return Area(keeps=keeps, from_regions=True)
    parts = written.split(",")
    if len(parts) != _CORNERS or not all(part.isdigit() for part in parts):
        raise ValueError(
            "a rectangle is four numbers (left,top,right,bottom), all, or "
            "from:SequenceOfUltrasoundRegions"
        )
    left, top, right, bottom = map(int, parts)
    if from_ctp:
        right, bottom = left + right, top + bottom
    if right <= left or bottom <= top:
        raise ValueError("the rectangle is empty: left,top,right,bottom")
    return Area(left, top, right, bottom, keeps=keeps)


def _criterion(text: str, *, by_or: bool) -> Criterion:
    verb, _, rest = text.partition(" ")
    verb = verb.casefold()
    if verb not in _VERBS.split():
        raise ValueError(f'there is no criterion "{verb}"; allowed: {", ".join(_VERBS.split())}')
    name, _, value = rest.strip().partition(" ")
    tag = tag_of(name)
    if tag is None:
        raise ValueError(unknown(name))
    value = value.strip()
    if verb in ("missing", "present", "empty"):
        if value:
            raise ValueError(f'"{verb}" takes an attribute and nothing else')
        return Criterion(verb, tag, joined_by_or=by_or)
    if not value:
        raise ValueError(f'"{verb}" takes an attribute and a value')
    pattern = None
    if verb.endswith("contains"):
        try:
            pattern = re.compile(value, re.IGNORECASE)
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from None
    return Criterion(verb, tag, value, joined_by_or=by_or, pattern=pattern)
