"""Which kinds of identity service there are: the built-in ones and those of entry points.

A package adds a kind with an entry point of the group ``sendit.identity`` that names its
class.  Only a configured plug-in is imported.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import ClassVar, Protocol

from pydantic import BaseModel

from sendit.errors import ConfigurationInvalid
from sendit.identity.base import IdentityContext, IdentityService

GROUP = "sendit.identity"
BUILT_IN: Mapping[str, str] = {
    "keyed": "sendit.identity.keyed:Keyed",
    "ledger": "sendit.identity.ledger:Ledger",
    "rest": "sendit.identity.rest:Rest",
    "table": "sendit.identity.table:Table",
}


class IdentityPlugin(Protocol):
    """The class of a plug-in: makes an ``IdentityService`` from its options."""

    options_model: ClassVar[type[BaseModel]]

    def __call__(self, options: BaseModel, context: IdentityContext, /) -> IdentityService:
        """Make the service; nothing is read or asked yet."""


def kinds() -> Sequence[str]:
    """Return the names that ``kind`` may have, in order."""
    return sorted({*BUILT_IN, *entry_points(group=GROUP).names})


def options_model(kind: str) -> type[BaseModel]:
    """Return the model of the options of one kind."""
    return _plugin(kind).options_model


def read_options(kind: str, options: Mapping[str, object], *, base: Path) -> BaseModel:
    """Check the options of a service; relative paths count from ``base``.

    Raises
    ------
    pydantic.ValidationError
        With every problem of the options.
    """
    return options_model(kind).model_validate(dict(options), context={"base": base})


def create(kind: str, options: BaseModel, *, context: IdentityContext) -> IdentityService:
    """Make a service from options that were read before."""
    return _plugin(kind)(options, context)


def build(
    kind: str, options: Mapping[str, object], *, context: IdentityContext, base: Path = Path()
) -> IdentityService:
    """Make a service from options as a file holds them."""
    return create(kind, read_options(kind, options, base=base.absolute()), context=context)


def _plugin(kind: str) -> IdentityPlugin:
    """Import the class of one kind; a built-in name cannot be taken by an entry point."""
    try:
        if kind in BUILT_IN:
            module, _, name = BUILT_IN[kind].partition(":")
            plugin: IdentityPlugin = getattr(import_module(module), name)
        else:
            plugin = entry_points(group=GROUP)[kind].load()
    except KeyError:
        raise ConfigurationInvalid(
            f'There is no identity service of kind "{kind}"; allowed: {", ".join(kinds())}'
        ) from None
    except (ImportError, AttributeError) as error:
        raise ConfigurationInvalid(
            f'The identity plug-in "{kind}" cannot be loaded ({type(error).__name__}: {error}); '
            "install what it needs or choose another kind"
        ) from error
    return plugin
