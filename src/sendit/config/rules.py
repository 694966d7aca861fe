"""What several values of a configuration decide together."""

import ipaddress
import os
from collections.abc import Iterable, Iterator, Mapping, Set
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

from sendit.config.mounts import answers, is_network, resolved
from sendit.config.oidc import oidc_problems
from sendit.config.plugins import paths_of
from sendit.config.problems import Problem, unknown
from sendit.config.project import Project
from sendit.config.settings import Inbox, Settings
from sendit.errors import ConfigurationInvalid
from sendit.storage import registry as storage_registry

_TWO_NAMES = (
    "is another than in project {} of the same namespace, so its patients would get two names or "
    "shifts; allowed: the same in both"
)


def settings_problems(
    settings: Settings, *, faulty: Set[str], file: str, mounts: Path
) -> Iterator[Problem]:
    """Find what is wrong with settings each of which is right by itself.

    Parameters
    ----------
    settings
        What was read.
    faulty
        Top-level keys that could not be read; what depends on them is not judged.
    file
        Where the settings come from.
    mounts
        The list of mounted file systems, see ``mounts``.
    """
    if not faulty & {"mode", "broker"}:
        yield from _broker_problems(settings, file)
    if "web" not in faulty:
        yield from _web_problems(settings, file)
    if not faulty & {"web", "oidc"}:
        away = not is_loopback(settings.web.host) or bool(settings.web.allowed_hosts)
        yield from oidc_problems(settings.oidc, away=away, file=file)
    if "identity_service" not in faulty:
        yield from _identity_service_problems(settings, file)
    if "keys" not in faulty and settings.keys.site_file == settings.keys.field_file:
        yield Problem(file, "keys.field_file", "is the site key's file; each key needs its own")
    if not faulty & {"database", "work_dir"}:
        yield from _database_problems(settings, file, mounts)


def project_problems(project: Project, *, file: str) -> Iterator[Problem]:
    """Find what is wrong with a project as a whole."""
    yield from _target_name_problems(project, file)
    yield from _identified_problems(project, file)
    yield from _deid_problems(project, file)


def namespace_problems(
    projects: Mapping[str, Project], *, files: Mapping[str, str]
) -> Iterator[Problem]:
    """Find projects that share a namespace and would name its patients differently."""
    for (other, before), (name, project) in combinations(projects.items(), 2):
        one, two = project.identity, before.identity
        if one.namespace != two.namespace:
            continue
        if one.own_key != two.own_key:
            yield Problem(files[name], "identity.own_key", _TWO_NAMES.format(other))
        if one.kind == two.kind and one.rules() != two.rules():
            yield Problem(
                files[name],
                "identity",
                f"({one.rules()}) {_TWO_NAMES.format(other)}: {two.rules()}",
            )


def inbox_problems(settings: Settings, *, projects: Iterable[str], file: str) -> Iterator[Problem]:
    """Find inboxes that can never be used, whatever is mounted.

    Parameters
    ----------
    settings
        What was read; only inboxes and ``work_dir`` matter.
    projects
        The names of the projects.
    file
        Where the inboxes are configured.
    """
    names = set(projects)
    for number, inbox in _numbered(settings):
        key = f"inboxes[{number}]"
        if inbox.project not in names:
            text = f'"{inbox.project}" {unknown(inbox.project, names)}'
            its_file = settings.projects_dir / f"{inbox.project}.toml"
            yield Problem(file, f"{key}.project", f"{text}; its file would be {its_file}")
        if _contains(inbox.path, settings.work_dir):
            yield Problem(
                file,
                f"{key}.path",
                f"{inbox.path} holds work_dir; allowed: a folder that does not",
            )
    for (first, one), (second, other) in combinations(_numbered(settings), 2):
        if _overlap(one.path, other.path):
            yield Problem(
                file,
                f"inboxes[{second}].path",
                f"nests with inboxes[{first}].path; allowed: folders apart from each other",
            )


def unusable_inboxes(settings: Settings, *, file: str) -> Iterator[Problem]:
    """Find inboxes that are away, or from which originals cannot be moved."""
    for number, inbox in _numbered(settings):
        if text := _unusable(inbox.path):
            yield Problem(file, f"inboxes[{number}].path", text)


def place_problems(
    settings: Settings, projects: Mapping[str, Project], *, files: Mapping[str, str]
) -> Iterator[Problem]:
    """Find folder targets that lie where sendit itself moves and removes files."""
    ours = {
        **{f"inboxes[{number}].path": inbox.path for number, inbox in _numbered(settings)},
        **{f"{part} in work_dir": settings.work_dir / part for part in ("phi", "clean", "keys")},
    }
    for name, project in projects.items():
        for number, target in enumerate(project.targets, start=1):
            for key, path in paths_of(target.options):
                for what, place in ours.items():
                    if _overlap(path, place):
                        yield Problem(
                            files[name],
                            f"targets[{number}].{key}",
                            f"overlaps with {what} ({place}); allowed: a folder apart from it",
                        )


def _database_problems(settings: Settings, file: str, mounts: Path) -> Iterator[Problem]:
    path = settings.database.sqlite_file
    if path is not None and is_network(path, mounts=mounts):
        yield Problem(
            file,
            "database.url",
            "SQLite does not work on a network file system; "
            "allowed: a file on a local disk, or postgresql://",
        )


def _broker_problems(settings: Settings, file: str) -> Iterator[Problem]:
    if settings.mode == "celery" and find_spec("celery") is None:
        yield Problem(
            file,
            "mode",
            '"celery" needs more packages: pip install ".[site]" in the copy of the source; or use '
            '"pool"',
        )
    if settings.mode == "celery" and settings.broker.url is None:
        yield Problem(file, "broker.url", 'is missing; mode = "celery" needs redis://HOST/0')
    if settings.mode != "celery" and settings.broker.url is not None:
        yield Problem(
            file,
            "broker.url",
            f'has no use with mode = "{settings.mode}"; allowed: only with mode = "celery"',
        )


def _web_problems(settings: Settings, file: str) -> Iterator[Problem]:
    if is_loopback(settings.web.host):
        return
    if not settings.web.allowed_hosts:
        yield Problem(
            file,
            "web.allowed_hosts",
            "is missing; another host than loopback needs the names that the pages are asked by",
        )
    if settings.web.secret_key is None:
        yield Problem(
            file,
            "web.secret_key",
            "is missing; another host than loopback needs 32 characters or more, best in "
            "SENDIT_WEB_SECRET_KEY_FILE",
        )


def _identity_service_problems(settings: Settings, file: str) -> Iterator[Problem]:
    service = settings.identity_service
    names = ("certificate", "private_key")
    given = [name for name in names if getattr(service, name) is not None]
    for name in given:
        if not getattr(service, name).is_file():
            yield Problem(file, f"identity_service.{name}", "is not a file")
    if len(given) == 1 or (not given and not is_loopback(service.host)):
        for name in set(names) - set(given):
            yield Problem(
                file,
                f"identity_service.{name}",
                "is missing; TLS needs certificate and private_key, and another host than "
                "loopback needs TLS",
            )


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _unusable(path: Path) -> str:
    """Say why originals cannot be moved out of a folder; empty when they can.

    One whose file system hangs is no fault of the configuration; the others go on.
    """
    if not answers(path):
        return ""
    if not path.is_dir():
        return f"{path} is not a folder; make it, or mount its volume"
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return f"{path} cannot be written by this user; originals are moved out of it"
    return ""


def _numbered(settings: Settings) -> Iterator[tuple[int, Inbox]]:
    return enumerate(settings.inboxes, start=1)


def _overlap(one: Path, other: Path) -> bool:
    return _contains(one, other) or _contains(other, one)


def _contains(outer: Path, inner: Path) -> bool:
    """Say whether the inner path is the outer one or lies in it, links followed."""
    return resolved(inner).is_relative_to(resolved(outer))


def _target_name_problems(project: Project, file: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, target in enumerate(project.targets, start=1):
        key = f"targets[{number}].name"
        if target.name in seen:
            yield Problem(file, key, f'"{target.name}" is taken; give each target its own name')
        if target.name == "identity":
            yield Problem(file, key, '"identity" is reserved; choose another name')
        seen.add(target.name)


def _identified_problems(project: Project, file: str) -> Iterator[Problem]:
    for number, target in enumerate(project.targets, start=1):
        key = f"targets[{number}].accepts_identified"
        if target.accepts_identified and not storage_registry.accepts_identified(target.kind):
            yield Problem(file, key, f'is not possible with kind = "{target.kind}"; allowed: false')
        if not project.anonymize and not target.accepts_identified:
            yield Problem(
                file,
                key,
                "must be true for every target of a project with anonymize = false, "
                "since its images leave as they are",
            )


def _deid_problems(project: Project, file: str) -> Iterator[Problem]:
    """Find what goes not together, and what no part of the engine carries out yet."""
    deid = project.deid
    try:
        deid.site_rules()
    except ConfigurationInvalid as error:
        for line in str(error).splitlines():
            yield Problem(file, "deid.recipe", line)
        return
    try:
        project.recipe()
    except ConfigurationInvalid as error:
        for line in str(error).splitlines():
            key, _, text = line.partition(": ")
            yield Problem(file, f"deid.{key}", text)
    policies = deid.pixels.values() if isinstance(deid.pixels, Mapping) else [deid.pixels]
    if not set(policies) <= {None, "off"}:
        yield Problem(
            file, "deid.pixels", "needs an engine part that reads pixels; allowed for now: off"
        )
    if "off" not in policies and deid.pixels_off_reason is not None:
        yield Problem(file, "deid.pixels_off_reason", 'has no use without pixels = "off"')
    if deid.defacing == "hold":
        yield Problem(
            file,
            "deid.defacing",
            '"hold" needs an engine part that finds faces; allowed for now: off',
        )
    if project.accept.burned_in == "clean":
        yield Problem(
            file,
            "accept.burned_in",
            '"clean" needs an engine part that reads pixels; allowed for now: reject',
        )
