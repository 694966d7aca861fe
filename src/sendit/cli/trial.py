"""Try everything that the configuration names, so that a fault is found before a study is.

The configuration's own problems are found when it is loaded; here its keys, recipes,
targets, identity services and the broker of a site are used for a moment.  Nothing is left
behind.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from django.core import checks

from sendit.cli.hints import shown
from sendit.cli.work_check import broker
from sendit.config import Configuration, Project
from sendit.config.places import hung_places
from sendit.errors import SenditError
from sendit.pipeline.preparation import (
    prepare_to_try,
    zone_here,
)
from sendit.pipeline.zones import zone_of_targets
from sendit.records import provider
from sendit.records.installation import Keys
from sendit.records.ledger import DatabaseLedger
from sendit.records.own_keys import key_of_names
from sendit.storage import proves_content
from sendit.terms import Zone

REAL_TIME = (
    "studies are sent on as they come. Who sees when one arrives, and guesses that it was taken "
    "shortly before, has the patient's shift by a subtraction. Set hold_releases to some weeks, "
    'or send = "manual", unless the data are old when they come.'
)
ONLY_A_UID = (
    "its proof is that it has a UID, and no ledger is kept of images that are not de-identified: a "
    "corrected study counts as delivered even if the older one stays there. Set proof = "
    '"retrieve", if the peer can.'
)
NO_INBOX = (
    "none is named, so no folder is taken in and no study is sent. Add [[inboxes]] with a path and "
    "a project to {file}, or remove that file to use the default."
)
NO_PROJECT = " There is no project yet, either: each is a file NAME.toml in {folder}."
SENT_FROM_OUT = (
    "Tried from here; it is sent from where the workers of zone out run: if that is another place, "
    'run "sendit check" there.'
)


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing that was tried."""

    what: str
    problem: str | None
    """What is wrong and what to do about it; None when it works."""
    warning: str | None = None
    """What works, and yet should be thought about."""


def try_everything(configuration: Configuration) -> Iterator[Trial]:
    """Yield what was tried, in the order of what depends on what."""
    for found in checks.run_checks():
        if found.is_serious():
            hint = f" {found.hint}" if found.hint else ""
            yield Trial(f"Django {found.id}", f"{found.msg}{hint}")
    hung = hung_places(configuration)
    yield Trial("mounted file systems", " ".join(hung) or None)
    if configuration.source is not None and not configuration.settings.inboxes:
        yield Trial("inboxes", None, _no_inbox(configuration, configuration.source))
    if configuration.unusable_inboxes:
        yield Trial("inboxes", " ".join(configuration.unusable_inboxes))
    here = zone_here(configuration)
    keys: list[Keys | None] = []
    what = "volumes, database and keys" if here is Zone.PHI else "results and database"
    yield _try(what, lambda: keys.append(prepare_to_try(configuration)))
    if configuration.settings.mode == "celery":
        yield _try("broker", lambda: broker(configuration))
    for project in configuration.projects.values():
        yield _try(f"project {project.name}: recipe", project.recipe)
        if keys and keys[0] is not None:
            yield _try_identity(configuration, project, keys[0])
            yield from _warn_of_identity(project)
        if here is Zone.PHI or zone_of_targets(project) is here:
            yield from _try_targets(configuration, project, here=here)
            yield from _warn_of_corrections(project)


def _no_inbox(configuration: Configuration, file: Path) -> str:
    folder = shown(configuration.settings.projects_dir)
    more = "" if configuration.projects else NO_PROJECT.format(folder=folder)
    return NO_INBOX.format(file=shown(file)) + more


def _try_targets(configuration: Configuration, project: Project, *, here: Zone) -> Iterator[Trial]:
    from_elsewhere = configuration.settings.mode == "celery" and zone_of_targets(project) != here
    for target in project.targets:
        trial = _try(
            f"project {project.name}: target {target.name}",
            lambda target=target: target.reach().probe(),  # type: ignore[misc]
        )
        if trial.problem and from_elsewhere:
            trial = replace(trial, problem=f"{trial.problem} {SENT_FROM_OUT}")
        yield trial


def _warn_of_corrections(project: Project) -> Iterator[Trial]:
    """Yield targets that tell no correction from what they hold, where no ledger does either."""
    for target in () if project.anonymize else project.targets:
        if not proves_content(target.build()):
            yield Trial(f"project {project.name}: target {target.name}", None, ONLY_A_UID)


def _warn_of_identity(project: Project) -> Iterator[Trial]:
    """Yield what gives away who somebody is, or gives somebody a second name."""
    what = f"project {project.name}: dates"
    if gives_the_shift_away(project):
        yield Trial(what, None, REAL_TIME)
    earlier = provider.earlier_namespace(project)
    if earlier is not None and earlier != project.identity.namespace:
        yield Trial(
            f"project {project.name}: namespace",
            None,
            f'it was "{earlier}" before: patients who come again get other names and days.',
        )


def gives_the_shift_away(project: Project) -> bool:
    """Say whether shifted dates leave as soon as a study comes."""
    shifted = "retain-longitudinal-modified-dates" in project.recipe().options
    at_once = project.send == "auto" and project.hold_releases is None
    return project.anonymize and bool(project.targets) and shifted and at_once


def _try_identity(configuration: Configuration, project: Project, keys: Keys) -> Trial:
    def ask() -> None:
        provider.require_same(project)
        identity, settings = project.identity, configuration.settings
        service = project.identity_service(
            keys.site,
            own_key=key_of_names(settings, identity.namespace, identity),
            ledger=DatabaseLedger(),
        )
        probe = getattr(service, "probe", None)  # only a service that may fail has one
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
