"""Read site rules written in the recipe format of the ``deid`` package.

::

    FORMAT dicom
    %labels                    ADD NAME TEXT: what the file says about itself; ADD RELEASE
                               REASON releases what would be held for it
    %filter whitelist          LABEL, criteria, coordinates: see ``site_filters``
    %fields NAME               FIELD lines: a list of attributes for ``fields:NAME``
    %values NAME               FIELD and SPLIT lines: a list of values for ``values:NAME``
    %header                    ADD, BLANK, JITTER, KEEP, REMOVE, REPLACE

As there, KEEP goes before ADD, REPLACE, JITTER, REMOVE and BLANK wherever the lines stand; of
two lines that do the same, the later one counts.  A ``#`` begins a comment.  ``func:`` and
``var:`` take names that are registered here (``site_rules``), nothing is imported or run.

Lists may stand before or behind the lines that use them.  Everything that is not understood
or not supported is an error with its line, all at once: other formats and sections, unknown
attributes, actions that the engine leaves to nobody.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from sendit.deid.private import SafeElement
from sendit.deid.site_fields import Selector, selector_of
from sendit.deid.site_filters import Area, Criterion, Label, area_of, criteria_of, shade_of
from sendit.deid.site_lines import check
from sendit.deid.site_lists import Pick, ValueList, pick_of
from sendit.deid.site_rules import VARIABLES, Do, SiteAction, SiteRule, SiteRules, invalid

_ORDER = (Do.KEEP, Do.ADD, Do.REPLACE, Do.JITTER, Do.REMOVE, Do.BLANK)
_WORDS = re.compile(r"""(?:[^\s"']+|"[^"]*"|'[^']*')+""")
_SECTIONS = ("header", "labels", "filter", "fields", "values")
_NAMED = frozenset(("filter", "fields", "values"))
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
    values: dict[str, list[Pick]] = field(default_factory=dict)
    header: list[tuple[int, str]] = field(default_factory=list)
    """Number and text of the lines of ``%header``; read last, when all lists are known."""
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
    lines = [(at, raw.strip().lstrip("\ufeff")) for at, raw in enumerate(text.splitlines(), 1)]
    written = [(number, line) for number, line in lines if line and not line.startswith("#")]
    problems = _read(reading, written, _line)
    problems += _read(reading, reading.header, _in_header)
    if not reading.has_format:
        problems.append((1, '"FORMAT dicom" is missing'))
    if problems:
        raise invalid(name, (f"{number}: {problem}" for number, problem in sorted(problems)))
    return _rules(reading)


def _read(
    reading: _Reading,
    lines: Iterable[tuple[int, str]],
    reader: Callable[[_Reading, str, int], None],
) -> list[tuple[int, str]]:
    """Read each line; return the number of every line that cannot be read, and why."""
    problems = []
    for number, line in lines:
        try:
            reader(reading, line, number)
        except ValueError as error:
            problems.append((number, str(error)))
    return problems


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
        lists=tuple(
            ValueList(name, tuple(picks))
            for name, picks in reading.values.items()
            if any(rule.holding == name for _, rule in reading.rules)
        ),
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
    if section not in _SECTIONS:
        raise ValueError(f'there is no section "%{section}"; allowed: %{", %".join(_SECTIONS)}')
    reading.list_name = " ".join(words[1:])
    if section in _NAMED and not reading.list_name:
        raise ValueError(f"%{section} needs a name")
    reading.section = section
    if section == "fields":
        reading.fields.setdefault(reading.list_name, [])
    elif section == "values":
        reading.values.setdefault(reading.list_name, [])


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


def _in_values(reading: _Reading, line: str, number: int) -> None:
    del number
    words = _WORDS.findall(line)
    comment = next((at for at, word in enumerate(words) if word.startswith("#")), len(words))
    reading.values[reading.list_name].append(pick_of(words[:comment]))


def _keep_for_later(reading: _Reading, line: str, number: int) -> None:
    reading.header.append((number, line))


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
    written, holding, value = _holding(reading, do, words[1], value)
    for selector in _selectors(reading, written):
        checked = check(do, selector, value, source)
        if checked.rule is not None:
            rule = replace(checked.rule, holding=holding)
            reading.rules.append((len(reading.rules), rule))
        elif checked.addition is not None:
            reading.additions[checked.addition[0]] = checked.addition[1]
        elif checked.private is not None:
            reading.private.append(checked.private)
        else:
            reading.notes.append(f"{source}: {checked.note}")


def _selectors(reading: _Reading, written: str) -> list[Selector]:
    kind, colon, name = written.partition(":")
    if colon and kind.casefold() == "fields":
        if not reading.fields.get(name):
            raise ValueError(_no_list("fields", name, reading.fields, "FIELD"))
        return reading.fields[name]
    return [selector_of(written)]


def _holding(reading: _Reading, do: Do, written: str, value: str) -> tuple[str, str, str]:
    """Return attributes, the list of which their value has to hold one ("": any), and the value.

    ``REMOVE values:NAME`` is ``REMOVE ALL values:NAME``.
    """
    kind, colon, name = written.partition(":")
    if colon and kind.casefold() == "values":
        written = "ALL"
    else:
        kind, colon, name = value.partition(":")
        if not colon or kind not in ("values", "fields"):
            return written, "", value
        if kind == "fields" or do not in (Do.REMOVE, Do.BLANK):
            raise ValueError(
                f"{do.upper()} cannot put in {value}: a list says what is looked for; "
                f"REMOVE and BLANK take one behind their attribute, {do.upper()} in its place"
            )
        value = ""
    if do in (Do.KEEP, Do.ADD):
        raise ValueError(
            f"{do.upper()} takes attributes, not values; allowed with values: are REMOVE, BLANK, "
            "REPLACE and JITTER"
        )
    if not reading.values.get(name):
        raise ValueError(_no_list("values", name, reading.values, "FIELD or SPLIT"))
    return written, name, value


def _no_list(section: str, name: str, lists: Mapping[str, object], lines: str) -> str:
    """Return the message about a list that is missing or has no lines."""
    if name in lists:
        return f'the list "%{section} {name}" is empty; give it lines with {lines}'
    there = f"; there are: {', '.join(lists)}" if lists else ""
    return f'there is no list "%{section} {name}"{there}'


_IN_SECTION: dict[str, Callable[[_Reading, str, int], None]] = {
    "header": _keep_for_later,
    "labels": _in_labels,
    "filter": _in_filter,
    "fields": _in_fields,
    "values": _in_values,
}
