"""Read the tables that belong to a plug-in: some keys are ours, the rest is its own model's."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from sendit.config.problems import Key, Problem, dotted, problems_of, unknown
from sendit.config.section import is_secret
from sendit.errors import ConfigurationInvalid
from sendit.identity import registry as identity_registry
from sendit.storage import registry as storage_registry


@dataclass(frozen=True, slots=True)
class Registry:
    """Where the kinds of one sort of plug-in are looked up."""

    built_in: Collection[str]
    """Those that are known without looking through all installed packages."""
    kinds: Callable[[], Sequence[str]]
    options_model: Callable[[str], type[BaseModel]]


IDENTITY = Registry(
    identity_registry.BUILT_IN, identity_registry.kinds, identity_registry.options_model
)
STORAGE = Registry(
    storage_registry.BUILT_IN, storage_registry.kinds, storage_registry.options_model
)


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that came from the environment instead of the file."""

    value: str
    source: str
    """What to call the place in a message."""


class NoOptions(BaseModel, extra="allow", frozen=True):
    """Stands in for options that could not be read, so that the rest is still checked."""


def read_plugin(
    table: Mapping[str, object],
    *,
    ours: Iterable[str],
    registry: Registry,
    base: Path,
    secrets: Mapping[str, Secret],
    file: str,
    at: Key,
) -> tuple[dict[str, object], Sequence[Problem]]:
    """Split a table into our keys and ``options``, a model of the kind's own.

    Parameters
    ----------
    table
        As it stands in the file, ``kind`` among its keys.
    ours
        The keys that are not the plug-in's.
    registry
        Knows the kinds.
    base
        Relative paths count from here.
    secrets
        Options that come from the environment; they win over the table's.
    file, at
        Where the table stands.
    """
    known = set(ours) - {"options"}
    mine = {key: value for key, value in table.items() if key in known}
    theirs = {key: value for key, value in table.items() if key not in known}
    kind = mine.get("kind")
    if kind is None:
        return {**mine, "options": NoOptions()}, ()
    try:
        if str(kind) not in registry.built_in and kind not in registry.kinds():
            problem = Problem(
                file, dotted((*at, "kind")), f'"{kind}" {unknown(str(kind), registry.kinds())}'
            )
            return {**mine, "options": NoOptions()}, (problem,)
        model = registry.options_model(str(kind))
    except ConfigurationInvalid as error:
        return {**mine, "options": NoOptions()}, (Problem(file, dotted((*at, "kind")), str(error)),)
    given = theirs | {key: secret.value for key, secret in secrets.items()}
    sources = {(*at, key): secret.source for key, secret in secrets.items()}
    try:
        options = model.model_validate(given, context={"base": base})
    except ValidationError as error:
        found = problems_of(error, model, file=file, at=at, sources=sources, also=known)
        return {**mine, "options": NoOptions()}, tuple(found)
    return {**mine, "options": options}, ()


def secret_keys(model: type[BaseModel]) -> Iterator[str]:
    """Name the options that are secrets."""
    for name, field in model.model_fields.items():
        if is_secret(field.annotation):
            yield name


def paths_of(options: BaseModel) -> Iterator[tuple[str, Path]]:
    """Return the options that are paths on this machine, by key."""
    for key in type(options).model_fields:
        value = getattr(options, key)
        if isinstance(value, Path):
            yield key, value


def without_secrets(options: BaseModel) -> dict[str, object]:
    """Return the options as a file would hold them, without the secret ones."""
    return options.model_dump(mode="json", exclude=set(secret_keys(type(options))))
