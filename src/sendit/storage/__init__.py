"""Plug-ins that keep the de-identified studies."""

from sendit.storage.base import (
    IdentifiedInstance,
    IdentifiedPackage,
    IdentifiedTarget,
    MountedTarget,
    Package,
    PackagedInstance,
    PackagedStudy,
    PreparableTarget,
    Progress,
    Receipt,
    Target,
    no_progress,
)

__all__ = [
    "IdentifiedInstance",
    "IdentifiedPackage",
    "IdentifiedTarget",
    "MountedTarget",
    "Package",
    "PackagedInstance",
    "PackagedStudy",
    "PreparableTarget",
    "Progress",
    "Receipt",
    "Target",
    "no_progress",
]
