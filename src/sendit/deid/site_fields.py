"""Which attributes a site rule means: one by name or tag, or many by a pattern.

The words are those of the ``deid`` recipe format: a keyword, a name, a tag with or without
signs, a private tag with its creator, a path of keywords joined by two underscores; or an
expander: ``contains:``, ``startswith:``, ``endswith:``, ``except:``, ``select:VR:`` and
``select:GROUP:``, ``all``.  The first four take a regular expression, whatever the case.

What is done with them is told in ``site_rules``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache

from sendit.deid.syntax import LONG_VRS, SHORT_VRS
from sendit.dictionary import ATTRIBUTES, REPEATERS, TAGS

JOINT = "__"
_EVERYTHING = frozenset(("all", "allfields"))
_TAG = re.compile(r"\(?(?:0x)?([0-9a-f]{4}),? ?([0-9a-f]{4})\)?", re.IGNORECASE)
_PRIVATE = re.compile(r'\(?([0-9a-f]{4}), ?"([^"]+)", ?([0-9a-f]{2})\)?', re.IGNORECASE)
_MISSPELT = {"manfacturer": 0x00080070, "manufacture": 0x00080070}
"""Manufacturer, as the recipe that comes with the ``deid`` package has it in three places."""
_VRS = frozenset(vr.decode("ascii") for vr in LONG_VRS | SHORT_VRS)


@dataclass(frozen=True, slots=True)
class Attribute:
    """One element as a rule sees it."""

    path: tuple[int, ...]
    """Tags from the outermost sequence down to the element itself."""
    vr: str
    creator: str = ""
    """Private creator of its block; empty for a public one."""

    @property
    def tag(self) -> int:
        """Return its own tag."""
        return self.path[-1]


class By(StrEnum):
    """How a selector chooses."""

    TAG = "tag"
    PRIVATE = "private"
    PATH = "path"
    MATCH = "match"
    EXCEPT = "except"
    VR = "vr"
    GROUP = "group"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Selector:
    """Chooses attributes; make one with ``selector_of``."""

    by: By
    text: str
    """As it was written; part of the recipe's digest."""
    tag: int = 0
    path: tuple[int, ...] = ()
    creator: str = ""
    pattern: re.Pattern[str] | None = field(default=None, compare=False)

    @property
    def is_exact(self) -> bool:
        """Whether one attribute is named, not a pattern given."""
        return self.by in (By.TAG, By.PRIVATE, By.PATH)

    def chooses(self, attribute: Attribute) -> bool:
        """Return whether the attribute is meant."""
        tag = attribute.tag
        match self.by:
            case By.TAG:
                return tag == self.tag
            case By.PATH:
                return attribute.path == self.path
            case By.PRIVATE:
                same = tag >> 16 == self.tag >> 16 and tag & 0xFF == self.tag & 0xFF
                return same and attribute.creator.casefold() == self.creator
            case By.VR:
                return attribute.vr == self.creator
            case By.GROUP:
                return tag >> 16 == self.tag
            case By.ALL:
                return True
            case By.MATCH | By.EXCEPT:
                pattern = self.pattern
                found = pattern is not None and any(map(pattern.search, _names(attribute)))
                return found is (self.by is By.MATCH)


def selector_of(text: str) -> Selector:
    """Read what a line of a recipe says about attributes.

    Raises
    ------
    ValueError
        Saying what cannot be understood.
    """
    if text.casefold() in _EVERYTHING:
        return Selector(By.ALL, text)
    expander, colon, expression = _split(text)
    if not colon:
        return _exact(text)
    match expander.casefold():
        case "contains":
            return Selector(By.MATCH, text, pattern=_compiled(expression))
        case "startswith":
            return Selector(By.MATCH, text, pattern=_compiled(f"^(?:{expression})"))
        case "endswith":
            return Selector(By.MATCH, text, pattern=_compiled(f"(?:{expression})$"))
        case "except":
            return Selector(By.EXCEPT, text, pattern=_compiled(expression))
        case "select":
            return _selected(text, expression)
        case _:
            raise ValueError(
                f'there is no expander "{expander}:"; allowed: contains: startswith: endswith: '
                "except: select: all"
            )


def tag_of(text: str) -> int | None:
    """Return the tag that a keyword, a name or a written tag means, None if nobody knows it."""
    match = _TAG.fullmatch(text)
    if match:
        return int(match.group(1) + match.group(2), 16)
    tag = TAGS.get(text)
    return tag if tag is not None else _by_name().get(text.casefold())


def unknown(name: str) -> str:
    """Return the message about a name that no attribute has."""
    near = get_close_matches(name, (entry[4] for entry in ATTRIBUTES.values()), 1)
    return f'there is no attribute "{name}"' + (f'; did you mean "{near[0]}"?' if near else "")


def _split(text: str) -> tuple[str, str, str]:
    """Split at the first colon outside quotes: creators have colons, too."""
    quoted = False
    for index, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif char == ":" and not quoted:
            return text[:index], ":", text[index + 1 :]
    return text, "", ""


def _exact(text: str) -> Selector:
    private = _PRIVATE.fullmatch(text)
    if private:
        group, creator, element = private.groups()
        tag = int(group, 16) << 16 | int(element, 16)
        return Selector(By.PRIVATE, text, tag=tag, creator=creator.strip().casefold())
    tags = []
    for part in text.split(JOINT):
        tag_found = tag_of(part)
        if tag_found is None:
            raise ValueError(unknown(part))
        tags.append(tag_found)
    if len(tags) > 1:
        return Selector(By.PATH, text, tag=tags[-1], path=tuple(tags))
    return Selector(By.TAG, text, tag=tags[0])


def _selected(text: str, expression: str) -> Selector:
    kind, _, value = expression.partition(":")
    if kind.casefold() == "vr" and value.upper() in _VRS:
        return Selector(By.VR, text, creator=value.upper())
    if kind.casefold() == "group" and re.fullmatch("(?:0x)?[0-9a-fA-F]{4}", value):
        return Selector(By.GROUP, text, tag=int(value, 16))
    raise ValueError('"select:" takes VR: and a VR, or GROUP: and four hexadecimal digits')


def _compiled(expression: str) -> re.Pattern[str]:
    if not expression:
        raise ValueError("an expander needs an expression behind its colon")
    try:
        return re.compile(expression, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from None


def _names(attribute: Attribute) -> Iterator[str]:
    """Yield everything that a pattern may match."""
    tag = attribute.tag
    yield f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    yield f"{tag:08X}"
    entry = ATTRIBUTES.get(tag)
    if entry is not None:
        yield entry[4]
        yield entry[2]
        if len(attribute.path) > 1:
            yield JOINT.join(_keyword(one) for one in attribute.path)
    if attribute.creator:
        private = f'{tag >> 16:04X},"{attribute.creator}",{tag & 0xFF:02X}'
        yield private
        yield f"({private})"


def _keyword(tag: int) -> str:
    entry = ATTRIBUTES.get(tag)
    return entry[4] if entry is not None else f"{tag:08X}"


@lru_cache(maxsize=1)
def _by_name() -> dict[str, int]:
    """Return tags by name, also as keywords were written before 2011 (``PatientsName``).

    An attribute of a repeating group (``OverlayDescription``) stands for the first one.
    """
    found = {
        keyword.casefold(): int(mask.replace("x", "0"), 16)
        for mask, (_, _, _, _, keyword) in REPEATERS.items()
        if keyword
    }
    found |= _MISSPELT
    found |= {re.sub(r"\W", "", e[2]).casefold(): tag for tag, e in ATTRIBUTES.items()}
    return found | {entry[2].casefold(): tag for tag, entry in ATTRIBUTES.items()}
