"""The engine: de-identifies DICOM instances; usable alone, without Django or a database.

What comes out is told by the recipe, who becomes whom by ``Identities``; ``Engine`` is the
worker's form of it, ``deidentify_file`` and ``deidentify_dataset`` the plain functions.
"""

from sendit.deid.engine import Engine
from sendit.deid.identities import Identities, Identity, KnownValue, normal_id
from sendit.deid.one import deidentify_dataset, deidentify_file
from sendit.deid.recipe import Recipe
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
    "deidentify_dataset",
    "deidentify_file",
    "known_modality",
    "normal_id",
    "read_header",
    "read_site_rules",
    "screen",
]
