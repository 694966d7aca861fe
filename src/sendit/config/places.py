"""The folders of other machines that an installation uses, and which of them do not answer.

One that hangs keeps back the projects that use it, and nobody else.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sendit.config.load import Configuration
from sendit.config.mounts import hangs, silent_mounts
from sendit.config.plugins import paths_of
from sendit.config.project import Project
from sendit.config.settings import Settings


@dataclass(frozen=True, slots=True)
class Place:
    """A folder or file that is configured, and by what name an operator knows it."""

    what: str
    path: Path


def places_of(project: Project) -> Iterator[Place]:
    """Return what the plug-ins of a project use."""
    for target in project.targets:
        for _, path in paths_of(target.options):
            yield Place(f"target {target.name} of project {project.name}", path)
    for _, path in paths_of(project.identity.options):
        yield Place(f"identity service of project {project.name}", path)


def places(configuration: Configuration) -> Iterator[Place]:
    """Return the inboxes, and what the plug-ins of every project use."""
    for inbox in configuration.settings.inboxes:
        yield Place("inbox", inbox.path)
    for project in configuration.projects.values():
        yield from places_of(project)


def own_places(settings: Settings) -> Iterator[Place]:
    """Return what sendit itself cannot do without: nobody works while one of them hangs."""
    work_dir = settings.work_dir
    for folder in (work_dir, work_dir / "phi", work_dir / "clean"):
        yield Place("working folder", folder)
    yield Place("site key", settings.keys.site_file)
    yield Place("field key", settings.keys.field_file)
    yield Place("folder of the audit log's end", settings.audit.folder)
    if settings.database.sqlite_file is not None:
        yield Place("database", settings.database.sqlite_file)


def hung_own_places(settings: Settings) -> list[str]:
    """Say of each of them that does not answer what it is, and what to do; one line a mount."""
    asked = list(own_places(settings))
    hung = silent_mounts({place.path for place in asked})
    lines = {
        hung[place.path].point: hangs(place.what, place.path, hung[place.path])
        for place in reversed(asked)
        if place.path in hung
    }
    return [lines[point] for point in sorted(lines)]


def hung_places(configuration: Configuration) -> list[str]:
    """Say of each place that does not answer what it is, and what to do."""
    asked = list(places(configuration))
    hung = silent_mounts({place.path for place in asked})
    return [
        hangs(place.what, place.path, hung[place.path]) for place in asked if place.path in hung
    ]
