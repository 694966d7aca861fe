"""Find and read the configuration: ``sendit.toml``, ``projects/*.toml``, the environment.

Everything is read and checked before anything is refused, so that one look shows all
problems.  Nothing is made or changed here, and no network is asked.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import SecretStr

from sendit.config.environment import Given, Slot, read_environment, slots_of
from sendit.config.mounts import MOUNTS, answers
from sendit.config.oidc import oidc_project_problems
from sendit.config.plugins import IDENTITY, STORAGE, Registry, Secret, secret_keys
from sendit.config.problems import Key, Problem, faulty_keys, problems_of, read_partly, refuse
from sendit.config.project import Project, Secrets, read_project
from sendit.config.rules import (
    inbox_problems,
    namespace_problems,
    place_problems,
    project_problems,
    settings_problems,
    unusable_inboxes,
)
from sendit.config.settings import Settings
from sendit.deid.files import absolute
from sendit.errors import ConfigurationInvalid, UsageError

DEFAULT_FILE = "sendit.toml"
_SITE_RULES = frozenset({"rule", "filter", "private", "release"})
"""What a file of site rules holds, and a project never."""
_MISPLACED = (
    "holds site rules, and every .toml file here is a project; move it into another folder and "
    'name it so in deid.recipe ("../rules/NAME.toml")'
)
DEFAULT_WORK_DIR = "sendit-data"
DEFAULT_PROJECT = "default"
_HANGS = "does not answer: its file system hangs; mend its server, or keep the file on this machine"

Document = dict[str, Any]
"""A parsed TOML file: values of any type, until the models have seen them."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that was configured, checked."""

    settings: Settings
    projects: Mapping[str, Project]
    """By name."""
    source: Path | None
    """The file; None when the embedded default is used."""
    unusable_inboxes: tuple[str, ...] = ()
    """What is wrong with inboxes that are away: who takes studies in refuses, others go on."""


@dataclass(frozen=True, slots=True)
class _Source:
    """One document with what is needed to talk about it."""

    document: Document
    file: str
    base: Path


def load(
    config: Path | None, *, environ: Mapping[str, str], cwd: Path, mounts: Path = MOUNTS
) -> Configuration:
    """Read the configuration.

    Parameters
    ----------
    config
        The file that was asked for, if one was.
    environ
        The environment; ``SENDIT_CONFIG`` names the file when ``config`` does not.
    cwd
        Working folder: ``sendit.toml`` is looked for here, and relative paths of the command
        line, the environment and the embedded default count from it.
    mounts
        The list of mounted file systems, see ``mounts``.

    Raises
    ------
    sendit.errors.ConfigurationInvalid
        With every problem, one a line.
    sendit.errors.UsageError
        When the file that was asked for is not there.
    """
    path = find(config, environ=environ, cwd=cwd)
    problems: list[Problem] = []
    away: list[Problem] = []
    if path is None:
        main, sources = _embedded(environ, cwd)
        broken: set[str] = set()
    else:
        document = _parse(path, file := _label(path, cwd), problems)
        refuse(problems)
        main = _Source(document, file, path.parent)
        sources, broken = _project_sources(main, environ, cwd, problems)
    given, more = read_environment(
        environ,
        settings=tuple(slots_of(Settings)),
        plugins=tuple(_plugin_slots(sources)),
        cwd=cwd,
    )
    problems += more
    projects = _read_projects(sources, given, problems)
    files = {name: source.file for name, source in sources.items()}
    problems += namespace_problems(projects, files=files)
    settings, faulty = _read_settings(main, given, problems)
    problems += settings_problems(settings, faulty=faulty, file=main.file, mounts=mounts)
    if not faulty & {"inboxes", "work_dir"}:
        problems += inbox_problems(settings, projects=sources.keys() | broken, file=main.file)
        # At a site pages and workers run where no inbox is mounted; the watcher tells.
        if path is not None and settings.mode != "celery":
            away += unusable_inboxes(settings, file=main.file)
        problems += place_problems(settings, projects, files=files)
    if "oidc" not in faulty:
        names = sources.keys() | broken
        problems += oidc_project_problems(settings.oidc, projects=names, file=main.file)
    if problems:
        refuse([*problems, *away])
    return Configuration(
        settings, MappingProxyType(projects), path, tuple(str(problem) for problem in away)
    )


def find(config: Path | None, *, environ: Mapping[str, str], cwd: Path) -> Path | None:
    """Return the file to read, or None for the embedded default.

    Raises
    ------
    sendit.errors.UsageError
        When the file that was asked for is not there.
    sendit.errors.ConfigurationInvalid
        When its file system does not answer.
    """
    asked = config or (Path(environ["SENDIT_CONFIG"]) if environ.get("SENDIT_CONFIG") else None)
    if asked is None:
        usual = cwd / DEFAULT_FILE
        return usual if usual.is_file() else None
    try:
        path = absolute(asked, base=cwd)
    except ValueError as error:
        raise UsageError(f"The path of the configuration file {error}.") from None
    if not answers(path):
        raise ConfigurationInvalid(f"{path}: {_HANGS}")
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise UsageError(
            f"The configuration file {path} {what}. Name another with --config or "
            "SENDIT_CONFIG, or leave both out to use the default."
        )
    return path


def load_project(path: Path) -> Project:
    """Read one project file, without the environment and the rest of an installation.

    Raises
    ------
    sendit.errors.ConfigurationInvalid
        With every problem, one a line.
    sendit.errors.UsageError
        When the file is not there.
    """
    if not path.is_file():
        raise UsageError(f"The project file {path} does not exist.")
    problems: list[Problem] = []
    file = str(path)
    document = _parse(path, file, problems)
    refuse(problems)
    project, found = read_project(
        document, name=path.stem, file=file, base=path.parent.absolute(), secrets={}
    )
    refuse([*found, *project_problems(project, file=file)])
    return project


def make_default_folders(configuration: Configuration) -> None:
    """Make the inbox of the embedded default, if that is in use.

    For the commands that run the pipeline; a configured installation names inboxes that are
    there.
    """
    if configuration.source is None:
        for inbox in configuration.settings.inboxes:
            inbox.path.mkdir(parents=True, exist_ok=True)


def _embedded(environ: Mapping[str, str], cwd: Path) -> tuple[_Source, dict[str, _Source]]:
    """Return the documents that hold when there is no file."""
    work_dir = cwd / (environ.get("SENDIT_WORK_DIR") or DEFAULT_WORK_DIR)
    main: Document = {"inboxes": [{"path": str(work_dir / "inbox"), "project": DEFAULT_PROJECT}]}
    project: Document = {
        "title": "Embedded default",
        "deid": {"defacing": "off"},
        "targets": [{"name": "out", "kind": "folder", "path": str(work_dir / "out")}],
    }
    name = "embedded default"
    return _Source(main, name, cwd), {DEFAULT_PROJECT: _Source(project, name, cwd)}


def _parse(path: Path, file: str, problems: list[Problem]) -> Document:
    """Parse a TOML file; what is wrong becomes a problem and the document is empty."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problems.append(Problem(file, "", f"cannot be read ({error.strerror})"))
    except UnicodeDecodeError:
        problems.append(Problem(file, "", "is not UTF-8; save it as UTF-8"))
    except tomllib.TOMLDecodeError as error:
        problems.append(Problem(file, "", f"is not TOML: {error}"))
    except RecursionError:
        problems.append(Problem(file, "", "is nested too deeply to be a configuration"))
    return {}


def _project_sources(
    main: _Source, environ: Mapping[str, str], cwd: Path, problems: list[Problem]
) -> tuple[dict[str, _Source], set[str]]:
    """Parse every file of the projects folder; also name those that cannot be read."""
    asked = environ.get("SENDIT_PROJECTS_DIR") or main.document.get("projects_dir", "projects")
    try:
        folder = absolute(Path(str(asked)), base=main.base)
    except ValueError:
        return {}, set()  # reported where the settings are read
    if not answers(folder):
        problems.append(Problem(main.file, "projects_dir", f"{folder} {_HANGS}"))
        return {}, set()
    if not folder.is_dir():
        if main.document.get("inboxes") or asked != "projects":
            problems.append(Problem(main.file, "projects_dir", f"{folder} is not a folder"))
        return {}, set()
    sources = {}
    broken = set()
    for path in sorted(folder.glob("*.toml")):
        file = _label(path, cwd)
        before = len(problems)
        document = _parse(path, file, problems)
        if document and _SITE_RULES.issuperset(document):
            problems.append(Problem(file, "", _MISPLACED))
        if len(problems) == before:
            sources[path.stem] = _Source(document, file, path.parent)
        else:
            broken.add(path.stem)
    return sources, broken


def _plugin_slots(sources: Mapping[str, _Source]) -> Iterator[Slot]:
    """List the secrets of every configured plug-in."""
    for project, source in sources.items():
        identity = source.document.get("identity", {})
        targets = source.document.get("targets", [])
        if isinstance(identity, dict):
            yield from _slots(IDENTITY, identity.get("kind", "keyed"), (project, "identity"))
        for target in targets if isinstance(targets, list) else []:
            if isinstance(target, dict) and "kind" in target:
                name = str(target.get("name", target["kind"]))
                yield from _slots(STORAGE, target["kind"], (project, name))


def _slots(registry: Registry, kind: object, at: Key) -> Iterator[Slot]:
    try:
        model = registry.options_model(str(kind))
    except ConfigurationInvalid:
        return  # reported where the table is read
    for key in secret_keys(model):
        yield Slot((*at, key), SecretStr, plugin=True)


def _read_projects(
    sources: Mapping[str, _Source], given: Sequence[Given], problems: list[Problem]
) -> dict[str, Project]:
    projects = {}
    for name, source in sources.items():
        project, found = read_project(
            source.document,
            name=name,
            file=source.file,
            base=source.base,
            secrets=_secrets(given, project=name),
        )
        problems += found
        problems += project_problems(project, file=source.file)
        projects[name] = project
    return projects


def _secrets(given: Sequence[Given], *, project: str) -> Secrets:
    """Sort the secrets of one project's plug-ins by plug-in and option."""
    secrets: dict[str, dict[str, Secret]] = {}
    for one in given:
        if one.slot.plugin and one.slot.key[0] == project:
            _, owner, option = map(str, one.slot.key)
            secrets.setdefault(owner, {})[option] = Secret(str(one.value), one.place)
    return secrets


def _read_settings(
    main: _Source, given: Sequence[Given], problems: list[Problem]
) -> tuple[Settings, Set[str]]:
    """Lay the environment over the document and check it; name the keys that are faulty."""
    document = dict(main.document)
    places: dict[Key, str] = {}
    for one in given:
        if not one.slot.plugin:
            places[one.slot.key] = one.place
            _lay_over(document, one)
    settings, error = read_partly(Settings, document, base=main.base)
    if error is None:
        return settings, frozenset()
    problems += problems_of(error, Settings, file=main.file, sources=places)
    return settings, frozenset(map(str, faulty_keys(error)))


def _lay_over(document: Document, given: Given) -> None:
    """Put one value of the environment in its place."""
    *tables, name = map(str, given.slot.key)
    for table in tables:
        if not isinstance(document.setdefault(table, {}), dict):
            return  # reported where the document is read
        document[table] = dict(document[table])
        document = document[table]
    document[name] = given.value


def _label(path: Path, cwd: Path) -> str:
    """Name a file as the person at the keyboard would."""
    return str(path.relative_to(cwd)) if path.is_relative_to(cwd) else str(path)
