"""Which service names the patients of a project, and that it stays the same.

Another service would give everybody a second name, and nobody would see it in what was
delivered.  So the first answer decides, for the project and for its namespace.
"""

from sendit.config import Project
from sendit.errors import IdentityError
from sendit.records.ledger import refuse_closed
from sendit.records.ledger_tables import IdentityHistory


def require_same(project: Project) -> None:
    """Return if a project may ask the service that it names.

    Raises
    ------
    sendit.errors.IdentityError
        When another one has named patients of this project, or of its namespace; or when the
        namespace was closed.
    """
    kind, namespace = project.identity.kind, project.identity.namespace
    refuse_closed(namespace)
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


def remember(project: Project) -> None:
    """Write down that the service of a project has named somebody."""
    IdentityHistory.objects.update_or_create(
        project=project.name,
        defaults={"namespace": project.identity.namespace, "kind": project.identity.kind},
    )
