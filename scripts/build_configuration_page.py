"""Rebuild ``docs/reference/configuration.md`` from the models that read the files.

::

    python scripts/build_configuration_page.py

A test fails when the page says something else than the models.
"""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from sendit.config.project import Project
from sendit.config.quantities import Size, format_duration, format_size
from sendit.config.section import Section, is_secret
from sendit.config.settings import Settings
from sendit.identity import registry as identity_registry
from sendit.storage import registry as storage_registry

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "configuration.md"

INTRODUCTION = """\
# Configuration

<!-- Made by scripts/build_configuration_page.py from the models; edit those. -->

One file for the installation, one for each study protocol. `sendit check` tells every problem of
every file at once, and tries every target.

`sendit.toml` is the file that `--config FILE` names, else the one that `SENDIT_CONFIG` names, else
`./sendit.toml`. Without a file the embedded default holds: every default below, one inbox
`sendit-data/inbox`, and one project `default` that delivers to the folder `sendit-data/out`. Beside
it lies a folder `projects`; the name of a file in it without `.toml` is the name of a project
(`a-z`, `0-9`, `-`).

Relative paths count from the folder of the file that they stand in. A size is a number and a unit:
`"2 GB"` is 2 × 10⁹ bytes, `"2 GiB"` is 2 × 2³⁰. A duration is `"10 s"`, `"5 min"`, `"2 h"`, `"7
days"`. An unknown key is an error.

A setting of `sendit.toml` that is no list can also be set in the environment, by `SENDIT_` and its
path in capitals: `SENDIT_LIMITS_BATCHES_AT_ONCE`. The environment wins over the file. Values marked
*secret* are also read from the file that a variable ending in `_FILE` names
(`SENDIT_DATABASE_URL_FILE`). Secret options of plug-ins are `SENDIT_<PROJECT>_<TARGET>_<KEY>` and
`SENDIT_<PROJECT>_IDENTITY_<KEY>`, with `_` for `-`. Another `SENDIT_` variable than these is an
error, but for `SENDIT_CONFIG`, `SENDIT_TEST_REQUIRE_ALL` and `SENDIT_TEST_DICOM`.

A batch keeps the project as it was when its folder was registered: editing the file changes nothing
that is on its way. Secrets are not kept; they are always today's.
"""

NAMES: Mapping[str, str] = {
    "inboxes": "[[inboxes]]",
    "oidc.roles": "[[oidc.roles]]",
    "targets": "[[targets]]",
}
COMPUTED: Mapping[tuple[str, ...], str] = {
    ("database", "url"): '`"sqlite:///<work_dir>/sendit.sqlite3"`',
    ("workers", "processes"): "number of CPUs",
    ("keys", "site_file"): '`"<work_dir>/keys/site.key"`',
    ("keys", "field_file"): '`"<work_dir>/keys/field.key"`',
    ("audit", "folder"): '`"<work_dir>/keys"`',
    ("title",): "the name",
    ("identity", "namespace"): "the project's name",
    ("targets", "name"): "the kind",
}
HIDDEN = {("name",), ("identity", "options"), ("targets", "options")}


def build_page() -> str:
    """Return the page."""
    parts = [INTRODUCTION, "## `sendit.toml`\n", *_tables(Settings)]
    parts += ["## `projects/NAME.toml`\n", *_tables(Project)]
    for title, registry in (
        ("Identity services", identity_registry),
        ("Targets", storage_registry),
    ):
        parts.append(f"## {title}\n")
        table = "`[identity]`" if registry is identity_registry else "`[[targets]]`"
        for kind in registry.BUILT_IN:
            parts.append(f'### `kind = "{kind}"`\n')
            parts.append(f"Further keys of {table}:\n")
            parts.append(_table(registry.options_model(kind), (kind,)))
    return "\n".join(parts)


def _tables(model: type[BaseModel]) -> Iterator[str]:
    """Describe a model: its own keys first, then each table in it."""
    yield _table(model, ())
    for name, field in model.model_fields.items():
        inner = _section(field)
        if inner is not None:
            yield f"### `{NAMES.get(name, f'[{name}]')}`\n"
            yield _table(inner, (name,))
            for deeper, one in inner.model_fields.items():
                within = _section(one)
                if within is not None:
                    yield f"### `{NAMES[f'{name}.{deeper}']}`\n"
                    yield _table(within, (name, deeper))


def _table(model: type[BaseModel], at: tuple[str, ...]) -> str:
    rows = ["| key | default | allowed | |", "|---|---|---|---|"]
    meanings = _meanings(model)
    for name, field in model.model_fields.items():
        key = (*at, name)
        if key in HIDDEN or _section(field) is not None:
            continue
        what = meanings.get(name, "").replace("\n", " ")
        secret = "*secret*; " if is_secret(field.annotation) else ""
        rows.append(f"| `{name}` | {_default(key, field)} | {secret}{_allowed(field)} | {what} |")
    return "\n".join(rows) + "\n"


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    """Return the text below each field; to have pydantic read it would slow every start."""
    found: dict[str, str] = {}
    for one in reversed(model.mro()):
        if issubclass(one, BaseModel) and one is not BaseModel:
            for field, text in pairwise(ast.walk(ast.parse(inspect.getsource(one)))):
                match field, text:
                    case (
                        ast.AnnAssign(target=ast.Name(id=name)),
                        ast.Expr(value=ast.Constant(value=str() as meaning)),
                    ):
                        found[name] = inspect.cleandoc(meaning)
    return found


def _section(field: FieldInfo) -> type[Section] | None:
    """Return the model of a table, or of the tables of a list."""
    for annotation in (field.annotation, *get_args(field.annotation)):
        if (
            isinstance(annotation, type)
            and issubclass(annotation, Section)
            and type(None) not in get_args(field.annotation)
        ):
            return annotation
    return None


def _default(key: tuple[str, ...], field: FieldInfo) -> str:
    if key in COMPUTED:
        return COMPUTED[key]
    if field.is_required():
        return "*required*"
    return _value(field.get_default(call_default_factory=True), size=_is_size(field))


def _value(value: Any, *, size: bool) -> str:
    if value is None:
        return "–"
    if isinstance(value, timedelta):
        return f'`"{format_duration(value)}"`'
    if size:
        return f'`"{format_size(value)}"`'
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(_value(item, size=False).strip('`') for item in value)}]`"
    if isinstance(value, int):
        return f"`{value}`"
    return f'`"{value}"`'


def _is_size(field: FieldInfo) -> bool:
    return field.annotation is int and set(get_args(Size)[1:]) <= set(field.metadata)


def _allowed(field: FieldInfo) -> str:
    return "a size" if _is_size(field) else " or ".join(dict.fromkeys(_kinds(field.annotation)))


def _kinds(annotation: Any) -> Iterator[str]:
    """Say in words what a type allows."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif origin is Literal:
        yield ", ".join(f"`{word}`" for word in get_args(annotation))
    elif origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from _kinds(part)
    elif origin is tuple:
        yield "list of " + next(_kinds(get_args(annotation)[0]))
    elif origin is not None:
        yield "a table"
    elif annotation is not type(None):
        yield _WORDS.get(annotation, "file")


_WORDS: Mapping[Any, str] = {
    bool: "`true`, `false`",
    int: "whole number",
    str: "text",
    Path: "path",
    timedelta: "a duration",
    SecretStr: "text",
}


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    sys.exit(PAGE.write_text(build_page(), encoding="utf-8") == 0)
