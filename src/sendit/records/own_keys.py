"""What names and days of a namespace hang on: a key of its own or none, and the project's rules.

It is decided once, before anybody is named: a key that came or went later, or another range of
days, would give patients a second name or shift.  So the first to name somebody writes it down,
and everybody else is held to it.
"""

from collections.abc import Iterable, Sequence

from sendit.config import Project, Settings
from sendit.config.keys import fingerprint
from sendit.config.own_keys import own_key
from sendit.config.project_sections import IdentitySettings
from sendit.errors import IdentityError
from sendit.records.ledger import refuse_closed
from sendit.records.ledger_tables import LedgerNamespace, NamespaceKey


def identity_of(projects: Iterable[Project], namespace: str) -> IdentitySettings | None:
    """Return how the projects of a namespace have it named; None when it has none."""
    found = (one.identity for one in projects if one.identity.namespace == namespace)
    return next(found, None)


def key_for_naming(
    settings: Settings, namespace: str, identity: IdentitySettings | None
) -> bytes | None:
    """Return the own key of a namespace in which somebody is about to be named.

    Parameters
    ----------
    settings
        Say where keys are.
    namespace
        Its name.
    identity
        What its projects say; None: no project has the namespace.

    Raises
    ------
    sendit.errors.IdentityError
        When its names hang on something else, or it was closed.
    sendit.errors.KeyProblem
        When its key is missing or another one.
    """
    rules = identity.rules() if identity else ""
    row = _row(namespace)
    if row is None:
        refuse_closed(namespace)
        made = fingerprint(_new(settings, namespace)) if identity and identity.own_key else ""
        # Whoever else begins at the same moment may have won.
        row, _ = NamespaceKey.objects.get_or_create(
            namespace=namespace, defaults={"fingerprint": made, "rules": rules}
        )
    if rules and not row.rules:
        NamespaceKey.objects.filter(namespace=namespace, rules="").update(rules=rules)
        row = NamespaceKey.objects.get(namespace=namespace)
    return _key(settings, row, identity)


def key_of_names(
    settings: Settings, namespace: str, identity: IdentitySettings | None
) -> bytes | None:
    """Return the own key of a namespace; None when it has none, or nobody was named in it.

    As ``key_for_naming``, but nothing is written.
    """
    row = _row(namespace)
    return None if row is None else _key(settings, row, identity)


def key_of_named(settings: Settings, identity: IdentitySettings) -> bytes | None:
    """Return the own key of a namespace in which a batch was named; asks only where there is one.

    Raises
    ------
    sendit.errors.KeyProblem
        When it is missing or another one.
    """
    return key_of_names(settings, identity.namespace, identity) if identity.own_key else None


def refuse_another(project: Project) -> None:
    """Return if the names of a project's namespace hang on what the project says.

    Raises
    ------
    sendit.errors.IdentityError
        When they hang on something else.
    """
    row = _row(project.identity.namespace)
    if row is not None:
        _refuse_another(row, project.identity)


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


def _row(namespace: str) -> NamespaceKey | None:
    found: NamespaceKey | None = NamespaceKey.objects.filter(namespace=namespace).first()
    return found


def _key(settings: Settings, row: NamespaceKey, identity: IdentitySettings | None) -> bytes | None:
    _refuse_another(row, identity)
    if not row.fingerprint:
        return None
    refuse_closed(row.namespace)
    return own_key(settings, row.namespace, history=True, fingerprint=row.fingerprint)


def _new(settings: Settings, namespace: str) -> bytes:
    return own_key(settings, namespace, history=False, fingerprint=None)


def _closed() -> Sequence[str]:
    closed = LedgerNamespace.objects.filter(closed__isnull=False)
    return list(closed.values_list("name", flat=True))


def _refuse_another(row: NamespaceKey, identity: IdentitySettings | None) -> None:
    if identity is None:
        return
    rules = identity.rules()
    if row.rules and rules and row.rules != rules:
        raise IdentityError(
            f'Patients of namespace "{row.namespace}" have been named under {row.rules}; '
            f"now {rules} would give some of them second names or shifts. Put the project's "
            "identity back as it was, or make a new project of another name and namespace."
        )
    if identity.own_key == bool(row.fingerprint):
        return
    if identity.own_key:
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
