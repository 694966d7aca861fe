"""Which kinds of target there are: the built-in ones and those of entry points.

A package adds a kind with an entry point of the group ``sendit.storage`` that names its
class.  Only a configured plug-in is imported, so its SDK need not be installed otherwise.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import ClassVar, Protocol

from pydantic import BaseModel

from sendit.errors import ConfigurationInvalid
from sendit.storage.base import Target

GROUP = "sendit.storage"
BUILT_IN: Mapping[str, str] = {
    "folder": "sendit.storage.folder:Folder",
    "dicom": "sendit.storage.dicom:Dicom",
    "dicomweb": "sendit.storage.dicomweb:DicomWeb",
    "orthanc": "sendit.storage.orthanc:Orthanc",
    "gcs": "sendit.storage.gcs:Gcs",
    "s3": "sendit.storage.s3:S3",
}

EXTRAS = frozenset({"gcs", "s3"})
"""Built-in kinds that need packages of an extra of the same name."""


class TargetPlugin(Protocol):
    """The class of a plug-in: makes a ``Target`` from its own options."""

    options_model: ClassVar[type[BaseModel]]

    def __call__(self, options: BaseModel, /) -> Target:
        """Make the target; nothing is touched or asked yet."""


def kinds() -> Sequence[str]:
    """Return the names that ``kind`` may have, in order."""
    return sorted({*BUILT_IN, *entry_points(group=GROUP).names})


def options_model(kind: str) -> type[BaseModel]:
    """Return the model of the options of one kind."""
    return _plugin(kind).options_model


def accepts_identified(kind: str) -> bool:
    """Say whether targets of this kind can take images that were not de-identified."""
    return hasattr(_plugin(kind), "send_identified")


def read_options(kind: str, options: Mapping[str, object], *, base: Path) -> BaseModel:
    """Check the options of one target; relative paths count from ``base``.

    Raises
    ------
    pydantic.ValidationError
        With every problem of the options.
    """
    return options_model(kind).model_validate(dict(options), context={"base": base})


def create(kind: str, options: BaseModel) -> Target:
    """Make a target from options that were read before."""
    return _plugin(kind)(options)


def build(kind: str, options: Mapping[str, object], *, base: Path) -> Target:
    """Make a target from options as a file holds them."""
    return create(kind, read_options(kind, options, base=base))


def _plugin(kind: str) -> TargetPlugin:
    """Import the class of one kind; a built-in name cannot be taken by an entry point."""
    try:
        if kind in BUILT_IN:
            module, _, name = BUILT_IN[kind].partition(":")
            plugin: TargetPlugin = getattr(import_module(module), name)
        else:
            plugin = entry_points(group=GROUP)[kind].load()
    except KeyError:
        raise ConfigurationInvalid(
            f'There is no target of kind "{kind}"; allowed: {", ".join(kinds())}'
        ) from None
    except (ImportError, AttributeError) as error:
        needs = "what it needs"
        if kind in EXTRAS:
            needs += f', in the copy of the source, with: pip install ".[{kind}]"'
        raise ConfigurationInvalid(
            f'The target plug-in "{kind}" cannot be loaded ({type(error).__name__}: {error}); '
            f"install {needs}; or choose another kind"
        ) from error
    return plugin
