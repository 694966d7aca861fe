"""Which namespaces have a key of their own, and that each finds its own key in place.

It is decided once, before anybody is named: a key that came or went later would give every
patient a second name.  So the first to name somebody writes down what the names hang on, and
everybody else is held to it.
"""

from collections.abc import Iterable, Sequence

from sendit.config import Project, Settings
from sendit.config.keys import fingerprint
from sendit.config.own_keys import own_key
from sendit.config.project_sections import IdentitySettings
from sendit.errors import IdentityError
from sendit.records.ledger import refuse_closed
from sendit.records.ledger_tables import LedgerNamespace, NamespaceKey


def asked_for(projects: Iterable[Project], namespace: str) -> bool | None:
    """Return whether the projects of a namespace ask for an own key; None when it has none."""
    asking = (one.identity.own_key for one in projects if one.identity.namespace == namespace)
    return next(asking, None)


def key_for_naming(settings: Settings, namespace: str, *, own: bool | None) -> bytes | None:
    """Return the own key of a namespace in which somebody is about to be named.

    Parameters
    ----------
    settings
        Say where keys are.
    namespace
        Its name.
    own
        Whether its project asks for an own key; None: no project has the namespace.

    Raises
    ------
    sendit.errors.IdentityError
        When its names hang on something else, or it was closed.
    sendit.errors.KeyProblem
        When its key is missing or another one.
    """
    if not NamespaceKey.objects.filter(namespace=namespace).exists():
        refuse_closed(namespace)
        made = fingerprint(_new(settings, namespace)) if own else ""
        NamespaceKey.objects.get_or_create(namespace=namespace, defaults={"fingerprint": made})
    return key_of_names(settings, namespace, own=own)


def key_of_names(settings: Settings, namespace: str, *, own: bool | None) -> bytes | None:
    """Return the own key of a namespace; None when it has none, or nobody was named in it.

    As ``key_for_naming``, but nothing is written.
    """
    row = NamespaceKey.objects.filter(namespace=namespace).first()
    if row is None:
        return None
    _refuse_another(row, own=own)
    if not row.fingerprint:
        return None
    refuse_closed(namespace)
    return own_key(settings, namespace, history=True, fingerprint=row.fingerprint)


def key_of_named(settings: Settings, identity: IdentitySettings) -> bytes | None:
    """Return the own key of a namespace in which a batch was named; asks only where there is one.

    Raises
    ------
    sendit.errors.KeyProblem
        When it is missing or another one.
    """
    return key_of_names(settings, identity.namespace, own=True) if identity.own_key else None


def refuse_another(project: Project) -> None:
    """Return if the names of a project's namespace hang on what the project says.

    Raises
    ------
    sendit.errors.IdentityError
        When they hang on something else.
    """
    row = NamespaceKey.objects.filter(namespace=project.identity.namespace).first()
    if row is not None:
        _refuse_another(row, own=project.identity.own_key)


def require_own_keys(settings: Settings, projects: Iterable[Project] | None = None) -> int:
    """See that every own key is in place, but for closed namespaces; return how many there are.

    Parameters
    ----------
    settings
        Say where keys are.
    projects
        Whose namespaces are meant; None: all.

    Raises
    ------
    sendit.errors.KeyProblem
        When one is missing or another one.
    """
    rows = NamespaceKey.objects.exclude(fingerprint="").exclude(namespace__in=_closed())
    if projects is not None:
        rows = rows.filter(namespace__in={one.identity.namespace for one in projects})
    for row in rows.order_by("namespace"):
        own_key(settings, row.namespace, history=True, fingerprint=row.fingerprint)
    return len(rows)


def _new(settings: Settings, namespace: str) -> bytes:
    return own_key(settings, namespace, history=False, fingerprint=None)


def _closed() -> Sequence[str]:
    closed = LedgerNamespace.objects.filter(closed__isnull=False)
    return list(closed.values_list("name", flat=True))


def _refuse_another(row: NamespaceKey, *, own: bool | None) -> None:
    if own is None or own == bool(row.fingerprint):
        return
    if own:
        raise IdentityError(
            f'Patients of namespace "{row.namespace}" have been named without a key of its own; '
            "identity.own_key = true would give each of them a second name, and the names that "
            "were delivered would go on hanging on the site key alone. Set own_key = false, or "
            "make a new project of another name and namespace."
        )
    raise IdentityError(
        f'Namespace "{row.namespace}" has a key of its own; identity.own_key = false would give '
        "its patients second names. Set own_key = true."
    )
