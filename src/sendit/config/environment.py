"""Lay the environment over the files: ``SENDIT_`` and the key path in capitals.

What the environment says wins.  Only secrets are also read from a file that a variable
ending in ``_FILE`` names.  A ``SENDIT_`` variable that stands for nothing is a problem, since
it is most likely a typing error in something that matters.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from sendit.config.problems import Key, Problem, unknown
from sendit.config.section import Section, is_secret

PREFIX = "SENDIT_"
RESERVED = ("SENDIT_CONFIG", "SENDIT_TEST_REQUIRE_ALL", "SENDIT_TEST_DICOM")
FILE = "environment"
# int() alone reads digits of every script, and what a file may not hold nobody expects here.
_WHOLE_NUMBER = re.compile(r"\s*-?[0-9]{1,19}\s*")


@dataclass(frozen=True, slots=True)
class Slot:
    """One value that the environment can set."""

    key: Key
    """Path in ``sendit.toml``; for a plug-in (project, target or ``identity``, option)."""
    annotation: object
    plugin: bool = False

    @property
    def secret(self) -> bool:
        """Whether it may come from a file and is never shown."""
        return is_secret(self.annotation)

    @property
    def variable(self) -> str:
        """The name of its variable."""
        return PREFIX + "_".join(map(str, self.key)).upper().replace("-", "_")


@dataclass(frozen=True, slots=True)
class Given:
    """One value that the environment does set."""

    slot: Slot
    value: object = field(repr=False)
    variable: str

    @property
    def place(self) -> str:
        """What a message calls it."""
        return f"{FILE}: {self.variable}"


def slots_of(model: type[BaseModel], at: Key = ()) -> Iterator[Slot]:
    """List what can be set of a model and the tables in it; lists cannot."""
    for name, info in model.model_fields.items():
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            yield from slots_of(inner, (*at, name))
        elif getattr(inner, "__origin__", None) is not tuple:
            yield Slot((*at, name), inner)


def read_environment(
    environ: Mapping[str, str], *, settings: Sequence[Slot], plugins: Sequence[Slot], cwd: Path
) -> tuple[Sequence[Given], Sequence[Problem]]:
    """Find the values of the slots in the environment.

    Parameters
    ----------
    environ
        The environment.
    settings, plugins
        What can be set.
    cwd
        A relative ``…_FILE`` counts from here.
    """
    by_variable: dict[str, list[Slot]] = {}
    for slot in (*settings, *plugins):
        by_variable.setdefault(slot.variable, []).append(slot)
    found: dict[Slot, Given] = {}
    problems: list[Problem] = []
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in RESERVED:
            continue
        try:
            given = _read(variable, environ[variable], by_variable=by_variable, cwd=cwd)
        except ValueError as error:
            problems.append(Problem(FILE, variable, str(error)))
            continue
        if given.slot in found:
            problems.append(
                Problem(FILE, variable, f"is set twice, also as {found[given.slot].variable}")
            )
        found[given.slot] = given
    return tuple(found.values()), problems


def _read(
    variable: str, text: str, *, by_variable: Mapping[str, Sequence[Slot]], cwd: Path
) -> Given:
    """Return the value of one variable.

    Raises
    ------
    ValueError
        With what is wrong, in words that do not show the value.
    """
    if not text:
        raise ValueError("is empty; unset it, or give it a value")
    if variable in by_variable:
        slot = _only(by_variable[variable])
        return Given(slot, _typed(slot, text), variable)
    stem = variable.removesuffix("_FILE")
    if stem == variable or stem not in by_variable:
        raise ValueError(unknown(variable, _known(by_variable), all_names=False))
    slot = _only(by_variable[stem])
    if not slot.secret:
        raise ValueError(f"only secrets are read from files; set {stem}")
    return Given(slot, _content(cwd / text), variable)


def _known(by_variable: Mapping[str, Sequence[Slot]]) -> Iterator[str]:
    yield from RESERVED
    for variable, slots in by_variable.items():
        yield variable
        if slots[0].secret:
            yield f"{variable}_FILE"


def _only(slots: Sequence[Slot]) -> Slot:
    if len(slots) > 1:
        keys = " and ".join(".".join(map(str, slot.key)) for slot in slots)
        raise ValueError(f"could mean {keys}; rename a project or a target")
    return slots[0]


def _typed(slot: Slot, text: str) -> object:
    """Return numbers and truth values as TOML would have them; the model checks the rest."""
    kinds = {slot.annotation, *get_args(slot.annotation)}
    if bool in kinds and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if int in kinds and _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    return text


def _content(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"the file {path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"the file {path} is not UTF-8") from None
    if not text:
        raise ValueError(f"the file {path} is empty")
    return text
