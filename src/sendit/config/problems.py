"""Say what is wrong with a configuration so that its writer can mend it at once.

Every problem names the file, the key, what is wrong, and what is allowed; an unknown name
comes with the nearest known one.  A value of a secret is never shown.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sendit.errors import ConfigurationInvalid

Key = tuple[int | str, ...]
_NUMBERS = re.compile(r"([0-9]+)")
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    file: str
    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.text}" if self.key else f"{self.file}: {self.text}"


def refuse(problems: Iterable[Problem]) -> None:
    """Raise ``ConfigurationInvalid`` with all problems, if there are any.

    Raises
    ------
    sendit.errors.ConfigurationInvalid
        One problem a line.
    """
    if found := sorted(set(problems), key=_by_number):
        raise ConfigurationInvalid("\n".join(map(str, found)))


def _by_number(problem: Problem) -> tuple[tuple[bool, int, str], ...]:
    """Return the order of a problem: line 10 of a file stands behind line 9."""
    parts = _NUMBERS.split(f"{problem.file}: {problem.key}: {problem.text}")
    return tuple((part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)


def read_partly(
    model: type[_Model],
    document: Mapping[str, object],
    *,
    base: Path,
    instead: Mapping[str, object] | None = None,
) -> tuple[_Model, ValidationError | None]:
    """Check a document, and read it without its faulty tables if it has any.

    What is read in spite of a fault serves to look for further problems only.

    Parameters
    ----------
    model
        What the document should be.
    document
        What was written.
    base
        Relative paths count from here.
    instead
        Stands in for faulty keys that the model cannot do without.
    """
    context = {"base": base}
    try:
        return model.model_validate(document, context=context), None
    except ValidationError as error:
        faulty = faulty_keys(error)
        right = {key: value for key, value in document.items() if key not in faulty}
        for details in error.errors():
            if details["type"] == _UNKNOWN_KEY and details["loc"][0] in right:
                right = _without(right, details["loc"])
        return model.model_validate({**(instead or {}), **right}, context=context), error


def faulty_keys(error: ValidationError) -> set[int | str]:
    """Return the top-level keys without a value, for what stands there; not for names too many.

    A table with a key that nobody knows is read without that key, so that what else is wrong
    with it can be told at once.
    """
    return {
        details["loc"][0]
        for details in error.errors()
        if details["loc"] and (details["type"] != _UNKNOWN_KEY or len(details["loc"]) == 1)
    }


def _without(part: Any, loc: Sequence[int | str]) -> Any:  # a TOML value, of any type
    """Return a copy of a document without what stands at a place."""
    first, *rest = loc
    if isinstance(part, Mapping):
        if not rest:
            return {key: value for key, value in part.items() if key != first}
        return {k: _without(value, rest) if k == first else value for k, value in part.items()}
    if isinstance(part, list | tuple):
        return [
            _without(value, rest) if number == first else value for number, value in enumerate(part)
        ]
    return part


def problems_of(
    error: ValidationError,
    model: type[BaseModel],
    *,
    file: str,
    at: Key = (),
    sources: Mapping[Key, str] | None = None,
    also: Iterable[str] = (),
) -> Iterator[Problem]:
    """Translate what pydantic found.

    Parameters
    ----------
    error
        What validating a table against ``model`` raised.
    model
        Tells which names are known where.
    file
        Where the table stands.
    at
        Key of the table in that file.
    sources
        Files, or environment variables, of single keys that come from elsewhere.
    also
        Further names that the table itself may have.
    """
    for details in error.errors(include_url=False):
        # What is wrong with a table as a whole may name the key that is to be mended.
        key = (*at, *details["loc"], *details.get("ctx", {}).get("key", ()))
        source = (sources or {}).get(key)
        text = _text(details, model, () if len(details["loc"]) > 1 else tuple(also))
        yield Problem(source or file, "" if source else dotted(key), text)


def dotted(key: Key) -> str:
    """Write a key as a person would: ``inboxes[2].path`` for the second inbox's path."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += f".{part}" if text else part
    return text


def unknown(name: str, allowed: Iterable[str], *, all_names: bool = True) -> str:
    """Say that a name is not known, which one may be meant, and which are.

    Parameters
    ----------
    name
        What was written.
    allowed
        What could have been.
    all_names
        False where there are so many that the nearest one says more.
    """
    names = sorted(allowed)
    near = get_close_matches(name, names, n=1)
    meant = f'did you mean "{near[0]}"? ' if near else ""
    if near and not all_names:
        return f"is not known; {meant}".rstrip()
    return f"is not known; {meant}allowed: {', '.join(names) or 'none'}"


def _text(details: ErrorDetails, model: type[BaseModel], also: Sequence[str]) -> str:
    context: Mapping[str, Any] = details.get("ctx", {})
    match details["type"]:
        case kind if kind == _UNKNOWN_KEY:
            *table, name = details["loc"]
            return unknown(str(name), [*_names_at(model, table), *also])
        case "missing":
            return "is missing"
        case "literal_error":
            allowed = [
                word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")
            ]
            return f'"{details["input"]}" {unknown(str(details["input"]), allowed)}'
        case "too_short" if isinstance(details["input"], str):  # a secret
            return _WORDS["string_too_short"].format(**context)
        case kind if kind in _WORDS:
            return _WORDS[kind].format(**context)
    return details["msg"]


_UNKNOWN_KEY = "extra_forbidden"
_WORDS: Mapping[str, str] = {
    "int_type": "is not of the right type; allowed: a whole number",
    "int_parsing": "is not of the right type; allowed: a whole number",
    "bool_type": "is not of the right type; allowed: true, false",
    "string_type": "is not of the right type; allowed: text in quotes",
    "path_type": "is not of the right type; allowed: a path in quotes",
    "tuple_type": "is not of the right type; allowed: a list in [brackets]",
    "list_type": "is not of the right type; allowed: a list in [brackets]",
    "dict_type": "is not of the right type; allowed: a [table]",
    "model_type": "is not of the right type; allowed: a [table]",
    "model_attributes_type": "is not of the right type; allowed: a [table]",
    "greater_than_equal": "is too small; allowed: {ge} and more",
    "less_than_equal": "is too large; allowed: {le} and less",
    "too_short": "has too few entries; allowed: {min_length} or more",
    "too_long": "has too many entries; allowed: {max_length} or fewer",
    "string_pattern_mismatch": "has characters that it may not have; allowed: {pattern}",
    "string_too_short": "is too short; allowed: {min_length} characters or more",
}


def _names_at(model: type[BaseModel], key: Sequence[int | str]) -> Iterable[str]:
    """Return the names that the table at a key may have."""
    for part in key:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = None if field is None else _model_in(field.annotation)
        if inner is None:
            return ()
        model = inner
    return model.model_fields


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model in ``Model``, ``Model | None`` or ``tuple[Model, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
