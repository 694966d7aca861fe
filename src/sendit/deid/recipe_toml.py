"""Read site rules written in TOML.

::

    release = ["OPAQUE_PRIVATE"]      # reasons for which nothing is held

    [[rule]]
    attribute = "PatientComments"     # keyword, tag or expander, as in ``site_fields``
    do = "remove"                     # keep, add, replace, jitter, remove, blank
    value = "…"                       # for add, replace and jitter: a text, var:NAME, func:NAME

    [[filter]]
    list = "black"                    # white, gray or black
    name = "dose reports"
    when = ["contains ImageType SECONDARY + equals Modality CT", "|| missing ImageType"]
    blank = [[0, 0, 512, 110]]        # left, top, right, bottom
    keep = []

    [[private]]                       # private elements that the site vouches for
    group = "0033"
    creator = "ACME 1.0"
    element = "07"
    vr = "FL"

Of two rules that fit, the first counts.  Unknown keys, attributes and names are errors with
the line of the table they stand in, all at once.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from sendit.deid.private import SafeElement
from sendit.deid.site_fields import selector_of
from sendit.deid.site_filters import Area, Criterion, Label, Shade, area_of, criteria_of
from sendit.deid.site_lines import Checked, check
from sendit.deid.site_rules import Do, SiteAction, SiteRule, SiteRules, invalid

Table = Mapping[str, Any]  # whatever TOML holds

T = TypeVar("T")

_TABLES = ("rule", "filter", "private")
_HEADER = re.compile(r"\s*\[\[\s*(\w+)\s*\]\]")
_HEX = re.compile(r"[0-9a-fA-F]+")
_WORD, _BYTE = 4, 2


def read_recipe_toml(text: str, *, name: str) -> SiteRules:
    """Return the site rules of a TOML file.

    Raises
    ------
    sendit.errors.ConfigurationInvalid
        With every problem, one a line, as ``NAME:LINE: problem``.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise invalid(name, [f" {error}"]) from None
    problems = [
        (1, f'there is no "{key}"; allowed: {_allowed((*_TABLES, "release"))}')
        for key in document
        if key not in (*_TABLES, "release")
    ]
    checked = list(_read(document, "rule", _rule, name, text, problems))
    labels = tuple(_read(document, "filter", _label, name, text, problems))
    private = list(_read(document, "private", _private, name, text, problems))
    releases = document.get("release", [])
    if not isinstance(releases, list) or not all(isinstance(one, str) for one in releases):
        problems.append((1, "release has to be a list of reasons"))
    if problems:
        raise invalid(name, (f"{line}: {problem}" for line, problem in sorted(problems)))
    rules: list[SiteRule] = [one.rule for one in checked if one.rule is not None]
    additions: dict[int, SiteAction] = {}
    for one in checked:
        if one.addition is not None:
            additions.setdefault(*one.addition)
        if one.private is not None:
            private.append(one.private)
    notes = tuple(one.note for one in checked if one.note)
    return SiteRules(
        name,
        tuple(rules),
        tuple(sorted(additions.items(), key=lambda pair: pair[0])),
        labels,
        tuple(private),
        releases=tuple(releases),
        notes=notes,
    )


def _read(
    document: Table,
    kind: str,
    reader: Callable[[Table, str], T],
    name: str,
    text: str,
    problems: list[tuple[int, str]],
) -> Iterator[T]:
    tables = document.get(kind, [])
    lines = [
        number
        for number, line in enumerate(text.splitlines(), 1)
        if (match := _HEADER.match(line)) and match.group(1) == kind
    ]
    if not isinstance(tables, list) or len(lines) != len(tables):
        problems.append((1, f'"{kind}" is a list of tables: [[{kind}]]'))
        return
    for table, line in zip(tables, lines, strict=True):
        try:
            yield reader(table, f"{name}:{line}")
        except ValueError as error:
            problems.append((line, str(error)))


def _rule(table: Table, source: str) -> Checked:
    _check_keys(table, required=("attribute", "do"), optional=("value",))
    word = _text(table, "do")
    if word not in tuple(Do):
        raise ValueError(f'do: there is no "{word}"; allowed: {_allowed(Do)}')
    checked = check(Do(word), selector_of(_text(table, "attribute")), _value(table), source)
    if checked.note:
        return Checked(note=f"{source}: {checked.note}")
    return checked


def _label(table: Table, source: str) -> Label:
    _check_keys(table, required=("list", "name"), optional=("when", "blank", "keep"))
    shade = _text(table, "list")
    if shade not in tuple(Shade):
        raise ValueError(f'list: there is no "{shade}"; allowed: {_allowed(Shade)}')
    when = table.get("when", [])
    lines = [when] if isinstance(when, str) else when
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise ValueError("when: has to be a text or a list of texts")
    criteria: list[Criterion] = [one for line in lines for one in criteria_of(line)]
    areas = (*_areas(table, "blank", keeps=False), *_areas(table, "keep", keeps=True))
    if not criteria and not areas:
        raise ValueError("a filter needs when, blank or both")
    return Label(Shade(shade), _text(table, "name"), source, tuple(criteria), areas)


def _areas(table: Table, key: str, *, keeps: bool) -> tuple[Area, ...]:
    rows = table.get(key, [])
    if not isinstance(rows, list):
        raise ValueError(f"{key}: has to be a list of rectangles")
    found = []
    for row in rows:
        written = row if isinstance(row, str) else ",".join(map(str, row))
        found.append(area_of(written, keeps=keeps, from_ctp=False))
    return tuple(found)


def _private(table: Table, source: str) -> SafeElement:
    _check_keys(table, required=("group", "creator", "element", "vr"), optional=())
    group, element = _hex(table, "group", _WORD), _hex(table, "element", _BYTE)
    if not group & 1:
        raise ValueError("group: a private group is odd")
    return SafeElement(group, _text(table, "creator"), element, _text(table, "vr").upper(), source)


def _hex(table: Table, key: str, digits: int) -> int:
    text = _text(table, key)
    if len(text) != digits or not _HEX.fullmatch(text):
        raise ValueError(f"{key}: has to be {digits} hexadecimal digits")
    return int(text, 16)


def _check_keys(table: Table, *, required: tuple[str, ...], optional: tuple[str, ...]) -> None:
    for key in required:
        if key not in table:
            raise ValueError(f'"{key}" is missing')
    for key in table:
        if key not in (*required, *optional):
            raise ValueError(
                f'there is no key "{key}"; allowed: {_allowed((*required, *optional))}'
            )


def _text(table: Table, key: str) -> str:
    value = table[key]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key}: has to be a text")
    return value


def _value(table: Table) -> str:
    value = table.get("value", "")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("value: has to be a text or a number")
    return str(value)


def _allowed(words: tuple[str, ...] | type[Do] | type[Shade]) -> str:
    return ", ".join(words)
