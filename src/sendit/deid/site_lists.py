"""Lists of values: what a recipe takes out of an instance, to look for it everywhere in it.

A list (``%values`` of the ``deid`` recipe format) has lines that pick: ``FIELD`` takes the
whole value of the attributes that it chooses, ``SPLIT`` its parts.  A rule on ``values:NAME``
concerns every element whose value contains one of them, whatever the case.  They are compared
as plain text; regular expressions, as which ``deid`` reads them, would make ``^`` and ``.`` of
a name mean something else.

Which elements there are to pick from is the matter of ``listing``; what is done with those
that contain a listed value, of ``plans``.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sendit.deid.site_fields import Selector, selector_of

Listed: TypeAlias = tuple[tuple[str, frozenset[str]], ...]
"""By the name of a list, the values that it took from one instance (identifying)."""

_SETTING = re.compile(r"""\s*(\w+)\s*=\s*("[^"]*"|'[^']*'|[^;"'\s]+)\s*(?:;|$)""")
_SPLITTERS = frozenset(("by", "splitval"))
"""The name in the program of the ``deid`` package, and the one in its documentation."""


@dataclass(frozen=True, slots=True)
class Pick:
    """One line of a list."""

    selector: Selector
    by: str = ""
    """What stands between the parts; empty: the value is taken whole."""
    least: int = 1
    """Characters of a part; shorter ones are left out."""

    def take(self, value: str) -> Iterator[str]:
        """Yield what is taken of one value."""
        for part in value.split(self.by) if self.by else (value,):
            text = part.strip(" \0")
            if len(text) >= self.least:
                yield text


@dataclass(frozen=True, slots=True)
class ValueList:
    """A named list."""

    name: str
    picks: tuple[Pick, ...] = ()


def pick_of(words: list[str]) -> Pick:
    """Read one line of a list, given as its words.

    Raises
    ------
    ValueError
        Saying what cannot be understood.
    """
    action = words[0].upper()
    if action not in ("FIELD", "SPLIT"):
        raise ValueError(f'a list of values has lines FIELD and SPLIT, not "{words[0]}"')
    if len(words) < 2:
        raise ValueError(f"{action} needs an attribute")
    selector, settings = selector_of(words[1]), " ".join(words[2:])
    if action == "SPLIT":
        return _split(selector, settings)
    if settings:
        raise ValueError('FIELD takes an attribute and nothing else; "by" is for SPLIT')
    return Pick(selector)


def patterns_of(listed: Listed) -> Mapping[str, re.Pattern[str]]:
    """Return, by the name of a list, what finds its values; lists without a value are left out."""
    return {
        name: re.compile("|".join(map(re.escape, sorted(values))), re.IGNORECASE)
        for name, values in listed
        if values
    }


def taken(picks: Iterable[Pick], values: Iterable[str]) -> Iterator[str]:
    """Yield what the lines of a list take of some values."""
    for value in values:
        for pick in picks:
            yield from pick.take(value)


def _split(selector: Selector, settings: str) -> Pick:
    by, least, at = " ", 1, 0
    while at < len(settings):
        found = _SETTING.match(settings, at)
        if found is None:
            raise ValueError('SPLIT takes by="^";minlength=4, both if you like')
        name, value, at = found[1].casefold(), found[2].strip("\"'"), found.end()
        if name in _SPLITTERS and value:
            by = value
        elif name == "minlength" and value.isascii() and value.isdigit() and int(value):
            least = int(value)
        else:
            raise ValueError(
                f'SPLIT cannot do "{found[0].strip()}"; allowed: by="^" (what stands between the '
                "parts) and minlength=4 (a number from 1 on)"
            )
    return Pick(selector, by, least)
