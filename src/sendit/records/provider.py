"""Which service names the patients of a project, and that it stays the same.

Another service would give everybody a second name, and nobody would see it in what was
delivered.  So the first answer decides, for the project and for its namespace.
"""

from collections.abc import Iterable

from sendit.config import Project
from sendit.errors import ConfigurationInvalid, IdentityError
from sendit.records import own_keys
from sendit.records.ledger import refuse_closed
from sendit.records.ledger_tables import IdentityHistory, LedgerId

LEDGERS = ("ledger", "rest")
"""Kinds whose names may be in this ledger: a project may ask the service that serves it."""


def require_same(project: Project) -> None:
    """Return if a project may ask the service that it names.

    Raises
    ------
    sendit.errors.IdentityError
        When another one has named patients of this project, or of its namespace, or with
        another key; or when the namespace was closed.
    """
    refuse_closed(project.identity.namespace)
    _refuse_another(project)


def require_all_same(projects: Iterable[Project]) -> None:
    """Return if every project may ask the service that it names; closed ones are let be.

    Raises
    ------
    sendit.errors.ConfigurationInvalid
        With every project that may not.
    """
    problems = []
    for project in projects:
        try:
            _refuse_another(project)
            own_keys.refuse_another(project)
        except IdentityError as error:
            problems.append(str(error))
    if problems:
        raise ConfigurationInvalid("\n".join(problems))


def earlier_namespace(project: Project) -> str | None:
    """Return in which namespace patients of a project were named last; None: nobody was yet."""
    history = IdentityHistory.objects.filter(project=project.name)
    return history.values_list("namespace", flat=True).first()


def _refuse_another(project: Project) -> None:
    kind, namespace = project.identity.kind, project.identity.namespace
    earlier = IdentityHistory.objects.filter(project=project.name).first()
    if earlier is not None and earlier.kind != kind:
        raise IdentityError(
            f'Project {project.name} has named patients by identity.kind = "{earlier.kind}"; '
            f'"{kind}" would give each of them a second name, and nobody could tell from the '
            f'data. Set kind = "{earlier.kind}" again, or make a new project of another name and '
            "namespace. To go on with existing names in a ledger, import them there first "
            '("sendit identity import") under a new project.'
        )
    others = IdentityHistory.objects.filter(namespace=namespace).exclude(kind=kind)
    other = others.exclude(project=project.name).order_by("created").first()
    if other is not None:
        raise IdentityError(
            f'Namespace "{namespace}" has been named by identity.kind = "{other.kind}" in '
            f'project {other.project}; "{kind}" would give its patients a second name. Use the '
            "same kind, or another namespace."
        )
    if kind not in LEDGERS and LedgerId.objects.filter(namespace=namespace).exists():
        raise IdentityError(
            f'Namespace "{namespace}" has names in the ledger, so "{kind}" would give its patients '
            f'second ones. Set kind = "ledger" in project {project.name}, or use another namespace.'
        )


def remember(project: Project) -> None:
    """Write down that the service of a project has named somebody."""
    IdentityHistory.objects.update_or_create(
        project=project.name,
        defaults={"namespace": project.identity.namespace, "kind": project.identity.kind},
    )
