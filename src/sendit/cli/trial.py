"""Try everything that the configuration names, so that a fault is found before a study is.

The configuration's own problems are found when it is loaded; here its keys, recipes,
targets and identity services are used for a moment.  Nothing is left behind.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.core import checks

from sendit.config import Configuration, Project
from sendit.errors import SenditError
from sendit.pipeline.preparation import prepare
from sendit.records.installation import Keys


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing that was tried."""

    what: str
    problem: str | None
    """What is wrong and what to do about it; None when it works."""


def try_everything(configuration: Configuration) -> Iterator[Trial]:
    """Yield what was tried, in the order of what depends on what."""
    for found in checks.run_checks():
        if found.is_serious():
            hint = f" {found.hint}" if found.hint else ""
            yield Trial(f"Django {found.id}", f"{found.msg}{hint}")
    keys: list[Keys] = []
    yield _try("volumes, database and keys", lambda: keys.append(prepare(configuration)))
    for project in configuration.projects.values():
        yield _try(f"project {project.name}: recipe", project.recipe)
        if keys:
            yield _try_identity(project, keys[0])
        for target in project.targets:
            yield _try(
                f"project {project.name}: target {target.name}",
                lambda target=target: target.build().probe(),  # type: ignore[misc]
            )


def _try_identity(project: Project, keys: Keys) -> Trial:
    def ask() -> None:
        service = project.identity_service(keys.site)
        probe = getattr(service, "probe", None)  # only a service that is far away has one
        if probe is not None:
            probe()

    return _try(f"project {project.name}: identity service {project.identity.kind}", ask)


def _try(what: str, do: Callable[[], object]) -> Trial:
    try:
        do()
    except SenditError as error:
        return Trial(what, str(error))
    except OSError as error:
        return Trial(what, f"{os.strerror(error.errno or 0)}: {error.filename}")
    return Trial(what, None)
