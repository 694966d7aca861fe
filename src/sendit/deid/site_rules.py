"""The rules of a site: one frozen value, whichever language they were written in.

Rules come in the order in which they are asked: the first that chooses an attribute decides
about it, at any depth, before the table of PS3.15 does.  What a rule keeps or puts in is still
searched for identifiers, and the release check still looks at the result, so a rule can cost
data but not a leak.

Some attributes are not a site's to change, since the engine writes them: the patient's and the
study's new names, UIDs of the hierarchy, the markers of de-identification, the character set,
and what describes the pixels.  A pattern never reaches them; to name one is an error, except
where a rule asks for what happens anyway (``notes`` says so).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from itertools import takewhile

from sendit.deid.private import SafeElement
from sendit.deid.site_fields import Attribute, By, Selector
from sendit.deid.site_filters import Label
from sendit.deid.site_lists import ValueList
from sendit.dictionary import ATTRIBUTES
from sendit.errors import ConfigurationInvalid

GIVEN = frozenset(
    (
        *(0x00100010, 0x00100020, 0x00080050, 0x00200010),
        *(0x0020000D, 0x0020000E, 0x00080018, 0x00080016),
    )
)
"""Attributes that get new values from the identity service, the key or the original's class."""
WRITTEN = frozenset((0x00120062, 0x00120063, 0x00120064, 0x00280303, 0x00280301, 0x00080005))
_ANYWHERE = frozenset((0x00080005, 0x00080016))
"""Character set and class: without them an item of a sequence cannot be read either."""
BIRTH_DATES = frozenset((0x00100030, 0x00100033, 0x00100034))
"""No date of birth goes on, not even a moved one; a rule may only take it away."""
_PIXEL_TAGS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
_PIXEL_GROUP, _FIRST_WINDOW = 0x0028, 0x1050
_FILE_META = 8

VARIABLES = {
    "patient_pseudonym": "patient_pseudonym",
    "study_pseudonym": "study_pseudonym",
    "shift_days": "shift_days",
    "entity_id": "patient_pseudonym",
    "item_id": "study_pseudonym",
    "jitter": "shift_days",
}
"""Names behind ``var:`` and what they stand for; the last three are the original sendit's."""
_SHIFTED = frozenset(("item_timestamp", "entity_timestamp"))
"""The original sendit's words for the shifted date of the attribute itself."""
FUNCTIONS = {
    "uid": "uid",
    "generate_uid": "uid",
    "dicom_uuid": "uid",
    "pydicom_uuid": "uid",
    "basic_uuid": "uid",
    "shift": "shift",
    "jitter": "shift",
}
"""Names behind ``func:`` and what they do: a new UID by the site's key, or the patient's shift."""


class Do(StrEnum):
    """What a rule does."""

    KEEP = "keep"
    ADD = "add"
    REPLACE = "replace"
    JITTER = "jitter"
    REMOVE = "remove"
    BLANK = "blank"


class From(StrEnum):
    """Where the value of a rule comes from."""

    TEXT = "text"
    VARIABLE = "variable"
    FUNCTION = "function"
    DAYS = "days"


@dataclass(frozen=True, slots=True)
class Value:
    """What a rule puts in."""

    source: From
    text: str


@dataclass(frozen=True, slots=True)
class SiteAction:
    """What is done with an attribute, and which line says so."""

    do: Do
    value: Value | None
    source: str
    """File and line, ``irb.deid:12``."""

    @property
    def rule(self) -> str:
        """Return the rule's name in a report."""
        return f"site:{self.source}"


@dataclass(frozen=True, slots=True)
class SiteRule:
    """One line: what, with which attributes."""

    selector: Selector
    action: SiteAction
    holding: str = ""
    """Name of a list of values: the rule counts where the value contains one of them."""


@dataclass(frozen=True)
class SiteRules:
    """Everything that a site's file says."""

    name: str
    """The file's name, for reports."""
    rules: tuple[SiteRule, ...] = ()
    """In the order in which they are asked."""
    additions: tuple[tuple[int, SiteAction], ...] = ()
    """Tag and value of what every result has at its outermost level."""
    filters: tuple[Label, ...] = ()
    private: tuple[SafeElement, ...] = ()
    """Private elements that the site vouches for."""
    labels: tuple[tuple[str, str], ...] = ()
    """What the file says about itself."""
    releases: tuple[str, ...] = ()
    """Reasons for which an instance is not held."""
    notes: tuple[str, ...] = field(default=())
    """Lines that ask for what is done anyway."""
    lists: tuple[ValueList, ...] = ()
    """What is taken out of each instance, for rules that look at the value."""

    def action_for(self, path: tuple[int, ...], vr: str, *, creator: str = "") -> SiteAction | None:
        """Return what the site wants with an attribute, None if it says nothing.

        Parameters
        ----------
        path
            Tags from the outermost sequence down to the element.
        vr
            Its VR.
        creator
            Its private creator, for a private one.
        """
        return next(
            (r.action for r in self._of(Attribute(path, vr, creator)) if not r.holding), None
        )

    def conditions_for(
        self, path: tuple[int, ...], vr: str, *, creator: str = ""
    ) -> tuple[SiteRule, ...]:
        """Return the rules that are asked before ``action_for`` and look at the value."""
        rules = self._of(Attribute(path, vr, creator))
        return tuple(takewhile(lambda rule: bool(rule.holding), rules))

    @cached_property
    def touched(self) -> frozenset[int]:
        """Return every public tag that a rule reaches; the release check compares them not."""
        tags = {tag for tag, _ in self.additions}
        return frozenset(tags | self._reached(rule for rule in self.rules if not rule.holding))

    @cached_property
    def touched_by_value(self) -> frozenset[int] | None:
        """Return every public tag of which a rule takes some values; None: no rule does."""
        rules = [rule for rule in self.rules if rule.holding]
        return frozenset(self._reached(rules)) if rules else None

    def _reached(self, rules: Iterable[SiteRule]) -> set[int]:
        asked = tuple(rules)
        return {
            tag
            for tag, entry in ATTRIBUTES.items()
            if any(self._reaches(rule, tag, entry[0][:2]) for rule in asked)
        }

    @cached_property
    def added(self) -> Mapping[int, SiteAction]:
        """Return the additions by tag."""
        return dict(self.additions)

    def _of(self, attribute: Attribute) -> Iterator[SiteRule]:
        """Yield the rules that choose an attribute, in the order in which they are asked."""
        if is_protected(attribute):
            return
        is_birth = attribute.tag in BIRTH_DATES
        for rule in self.rules:
            if is_birth and rule.action.do not in (Do.REMOVE, Do.BLANK):
                continue
            if rule.selector.chooses(attribute):
                yield rule

    def digest_text(self) -> str:
        """Return everything that changes results, as text that does not depend on chance."""
        content: dict[str, object] = {
            "rules": [_plain_rule(rule) for rule in self.rules],
            "additions": [[tag, *_plain(action)] for tag, action in self.additions],
            "filters": [_plain_label(label) for label in self.filters],
            "private": [asdict(element) for element in self.private],
        }
        if self.lists:
            content["lists"] = [
                [one.name, [[pick.selector.text, pick.by, pick.least] for pick in one.picks]]
                for one in self.lists
            ]
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    @staticmethod
    def _reaches(rule: SiteRule, tag: int, vr: str) -> bool:
        selector = rule.selector
        if selector.by is By.PATH:
            return tag == selector.tag
        attribute = Attribute((tag,), vr)
        return not is_protected(attribute) and selector.chooses(attribute)


def is_protected(attribute: Attribute) -> bool:
    """Return whether the engine alone says what becomes of an attribute."""
    tag, outermost = attribute.tag, len(attribute.path) == 1
    if tag >> 16 < _FILE_META or tag in _PIXEL_TAGS or tag in _ANYWHERE:
        return True
    if outermost and (tag in GIVEN or tag in WRITTEN):
        return True
    # At any depth: the spacing of multi-frame images stands in a sequence.
    return tag >> 16 == _PIXEL_GROUP and tag & 0xFFFF < _FIRST_WINDOW


def value_of(text: str) -> Value:
    """Read the value of a rule: a text, ``var:NAME`` or ``func:NAME``.

    Raises
    ------
    ValueError
        When nothing is registered under the name.
    """
    kind, colon, name = text.partition(":")
    if colon and kind == "var":
        if name in _SHIFTED:
            return Value(From.FUNCTION, "shift")
        if name not in VARIABLES:
            raise ValueError(f'there is no "var:{name}"; allowed: {_listed("var:", VARIABLES)}')
        return Value(From.VARIABLE, VARIABLES[name])
    if colon and kind in ("func", "deid_func"):
        if name not in FUNCTIONS:
            raise ValueError(f'there is no "func:{name}"; allowed: {_listed("func:", FUNCTIONS)}')
        return Value(From.FUNCTION, FUNCTIONS[name])
    if not text.isascii():
        raise ValueError("a value has to be of ASCII characters: every character set has them")
    return Value(From.TEXT, text)


def invalid(name: str, problems: Iterable[str]) -> ConfigurationInvalid:
    """Return the error that lists the problems of a file, each with its line."""
    return ConfigurationInvalid("\n".join(f"{name}:{problem}" for problem in problems))


def _listed(prefix: str, names: Iterable[str]) -> str:
    return ", ".join(f"{prefix}{name}" for name in names)


def _plain_rule(rule: SiteRule) -> list[str | None]:
    plain: list[str | None] = [rule.selector.text, *_plain(rule.action)]
    return [*plain, rule.holding] if rule.holding else plain


def _plain(action: SiteAction) -> Iterator[str | None]:
    yield action.do
    yield action.value.source if action.value else None
    yield action.value.text if action.value else None


def _plain_label(label: Label) -> list[object]:
    criteria = [[one.verb, one.tag, one.value, one.joined_by_or] for one in label.criteria]
    return [label.shade, criteria, [asdict(area) for area in label.areas]]
