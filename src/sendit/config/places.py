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


def hung_places(configuration: Configuration) -> list[str]:
    """Say of each place that does not answer what it is, and what to do."""
    asked = list(places(configuration))
    hung = silent_mounts({place.path for place in asked})
    return [
        hangs(place.what, place.path, hung[place.path]) for place in asked if place.path in hung
    ]
