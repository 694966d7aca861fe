"""The engine: de-identifies DICOM instances; usable alone, without Django or a database.

What comes out is told by the recipe, who becomes whom by ``Identities``; ``Engine`` is the
worker's form of it, ``deidentify_file`` and ``deidentify_dataset`` the plain functions.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from sendit.deid.engine import Engine
from sendit.deid.identities import Identities, Identity, KnownValue, normal_id
from sendit.deid.recipe import Recipe
from sendit.deid.release import check_release, known_of
from sendit.deid.report import Report, Totals
from sendit.deid.screen import (
    Accept,
    Header,
    known_modality,
    read_header,
    screen,
)
from sendit.deid.site_file import read_site_rules
from sendit.deid.site_rules import SiteRules

if TYPE_CHECKING:
    from sendit.deid.one import deidentify_dataset, deidentify_file

__all__ = [
    "Accept",
    "Engine",
    "Header",
    "Identities",
    "Identity",
    "KnownValue",
    "Recipe",
    "Report",
    "SiteRules",
    "Totals",
    "check_release",
    "deidentify_dataset",
    "deidentify_file",
    "known_modality",
    "known_of",
    "normal_id",
    "read_header",
    "read_site_rules",
    "screen",
]


def __getattr__(name: str) -> object:
    """Import the plain functions when they are asked for: they bring pydicom's Datasets."""
    if name in ("deidentify_dataset", "deidentify_file"):
        return getattr(import_module("sendit.deid.one"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
