"""Read site rules written in the recipe format of the ``deid`` package.

::

    FORMAT dicom
    %labels                    ADD NAME TEXT: what the file says about itself; ADD RELEASE
                               REASON releases what would be held for it
    %filter whitelist          LABEL, criteria, coordinates: see ``site_filters``
    %fields NAME               FIELD lines: a list of attributes for ``fields:NAME``
    %header                    ADD, BLANK, JITTER, KEEP, REMOVE, REPLACE

As there, KEEP goes before ADD, REPLACE, JITTER, REMOVE and BLANK wherever the lines stand; of
two lines that do the same, the later one counts.  A ``#`` begins a comment.  ``func:`` and
``var:`` take names that are registered here (``site_rules``), nothing is imported or run.

Everything that is not understood or not supported is an error with its line, all at once:
other formats and sections, ``%values`` (identifiers are removed wherever they stand, without
being listed), unknown attributes, actions that the engine leaves to nobody.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from sendit.deid.private import SafeElement
from sendit.deid.site_fields import Selector, selector_of
from sendit.deid.site_filters import Area, Criterion, Label, area_of, criteria_of, shade_of
from sendit.deid.site_lines import check
from sendit.deid.site_rules import VARIABLES, Do, SiteAction, SiteRule, SiteRules, invalid

_ORDER = (Do.KEEP, Do.ADD, Do.REPLACE, Do.JITTER, Do.REMOVE, Do.BLANK)
_WORDS = re.compile(r"""(?:[^\s"']+|"[^"]*"|'[^']*')+""")
_SECTIONS = frozenset(("header", "labels", "filter", "fields"))
_FORMAT = re.compile(r"format\s+(\S+)", re.IGNORECASE)
_RECTANGLES = {
    "coordinates": (False, False),
    "keepcoordinates": (True, False),
    "ctpcoordinates": (False, True),
    "ctpkeepcoordinates": (True, True),
}
"""By the word of the line: whether the rectangle stays, whether it is width and height."""


@dataclass(slots=True)
class _Reading:
    """What was read so far."""

    name: str
    section: str = ""
    list_name: str = ""
    has_format: bool = False
    rules: list[tuple[int, SiteRule]] = field(default_factory=list)
    additions: dict[int, SiteAction] = field(default_factory=dict)
    labels: list[tuple[str, str]] = field(default_factory=list)
    filters: list["_Label"] = field(default_factory=list)
    fields: dict[str, list[Selector]] = field(default_factory=dict)
    private: list[SafeElement] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Label:
    list_name: str
    title: str
    source: str
    criteria: list[Criterion] = field(default_factory=list)
    areas: list[Area] = field(default_factory=list)


def read_recipe_text(text: str, *, name: str) -> SiteRules:
    """Return the site rules of a recipe.

    Parameters
    ----------
    text
        The recipe.
    name
        Its file's name, for errors and reports.

    Raises
    ------
    sendit.errors.ConfigurationInvalid
        With every problem, one a line, as ``NAME:LINE: problem``.
    """
    reading = _Reading(name)
    problems: list[str] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip().lstrip("\ufeff")
        if not line or line.startswith("#"):
            continue
        try:
            _line(reading, line, number)
        except ValueError as error:
            problems.append(f"{number}: {error}")
    if not reading.has_format:
        problems.insert(0, '1: "FORMAT dicom" is missing')
    if problems:
        raise invalid(name, problems)
    return _rules(reading)


def _rules(reading: _Reading) -> SiteRules:
    last_first = sorted(reading.rules, key=lambda pair: (_ORDER.index(pair[1].action.do), -pair[0]))
    filters = tuple(
        Label(shade_of(one.list_name), one.title, one.source, tuple(one.criteria), tuple(one.areas))
        for one in reading.filters
    )
    return SiteRules(
        reading.name,
        tuple(rule for _, rule in last_first),
        tuple(sorted(reading.additions.items(), key=lambda pair: pair[0])),
        filters,
        tuple(reading.private),
        labels=tuple(reading.labels),
        releases=tuple(text for key, text in reading.labels if key.upper() == "RELEASE"),
        notes=tuple(reading.notes),
    )


def _line(reading: _Reading, line: str, number: int) -> None:
    said = _FORMAT.fullmatch(line.partition("#")[0].strip())
    if said and not reading.section:
        if said.group(1).casefold() != "dicom":
            raise ValueError(f'the format "{said.group(1)}" is not supported; allowed: dicom')
        reading.has_format = True
    elif line.startswith("%"):
        _begin_section(reading, line)
    elif not reading.section:
        raise ValueError("the line stands in no section; begin one with %header or %filter")
    else:
        _IN_SECTION[reading.section](reading, line, number)


def _begin_section(reading: _Reading, line: str) -> None:
    words = line.partition("#")[0][1:].split()
    section = words[0].casefold() if words else ""
    reading.section = ""
    if section == "values":
        raise ValueError(
            "%values is not supported: identifiers are removed wherever they stand, "
            "without being listed"
        )
    if section not in _SECTIONS:
        raise ValueError(f'there is no section "%{section}"; allowed: %{", %".join(_SECTIONS)}')
    reading.list_name = " ".join(words[1:])
    if section in ("filter", "fields") and not reading.list_name:
        raise ValueError(f"%{section} needs a name")
    reading.section = section
    if section == "fields":
        reading.fields.setdefault(reading.list_name, [])


def _in_labels(reading: _Reading, line: str, number: int) -> None:
    del number
    words = line.split(maxsplit=2)
    if len(words) < 3 or words[0].upper() != "ADD":
        raise ValueError("a label is ADD, a name and a text")
    reading.labels.append((words[1], words[2]))


def _in_fields(reading: _Reading, line: str, number: int) -> None:
    del number
    words = _WORDS.findall(line.partition("#")[0])
    if len(words) != 2 or words[0].upper() != "FIELD":
        raise ValueError("a list of attributes has lines FIELD and an attribute")
    reading.fields[reading.list_name].append(selector_of(words[1]))


def _in_filter(reading: _Reading, line: str, number: int) -> None:
    word = line.split()[0].casefold()
    if word == "label":
        title = line.partition(" ")[2].partition("#")[0].strip()
        source = f"{reading.name}:{number}"
        reading.filters.append(_Label(reading.list_name, title, source))
        return
    if not reading.filters or reading.filters[-1].list_name != reading.list_name:
        raise ValueError("criteria stand under a LABEL")
    label = reading.filters[-1]
    if word in _RECTANGLES:
        keeps, from_ctp = _RECTANGLES[word]
        written = line[len(word) :].partition("#")[0].strip()
        label.areas.append(area_of(written, keeps=keeps, from_ctp=from_ctp))
    else:
        label.criteria.extend(criteria_of(line))


def _in_header(reading: _Reading, line: str, number: int) -> None:
    words = _WORDS.findall(line)
    try:
        do = Do(words[0].casefold())
    except ValueError:
        raise ValueError(
            f'there is no action "{words[0]}"; allowed: {", ".join(do.upper() for do in _ORDER)}'
        ) from None
    if len(words) < 2 or words[1].startswith("#"):
        raise ValueError(f"{do.upper()} needs an attribute")
    value = " ".join(words[2:]).partition("#")[0].strip()
    source = f"{reading.name}:{number}"
    if do in (Do.REMOVE, Do.BLANK) and words[1] in VARIABLES:
        reading.notes.append(f"{source}: {words[1]} is a variable, and never written")
        return
    for selector in _selectors(reading, words[1]):
        checked = check(do, selector, value, source)
        if checked.rule is not None:
            reading.rules.append((len(reading.rules), checked.rule))
        elif checked.addition is not None:
            reading.additions[checked.addition[0]] = checked.addition[1]
        elif checked.private is not None:
            reading.private.append(checked.private)
        else:
            reading.notes.append(f"{source}: {checked.note}")


def _selectors(reading: _Reading, written: str) -> list[Selector]:
    kind, colon, name = written.partition(":")
    if colon and kind.casefold() == "fields":
        if name not in reading.fields:
            raise ValueError(f'there is no list "%fields {name}" above')
        return reading.fields[name]
    if colon and kind.casefold() == "values":
        raise ValueError(
            "values: is not supported: identifiers are removed wherever they stand, "
            "without being listed"
        )
    return [selector_of(written)]


_IN_SECTION: dict[str, Callable[[_Reading, str, int], None]] = {
    "header": _in_header,
    "labels": _in_labels,
    "filter": _in_filter,
    "fields": _in_fields,
}
