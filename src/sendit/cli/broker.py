"""What the broker's commands share: which namespace is meant, and who may do it."""

import argparse
import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from sendit.config import Configuration, Project
from sendit.errors import UsageError
from sendit.identity import Matching
from sendit.identity.allocation import Digests
from sendit.identity.ledger import LedgerOptions
from sendit.records import credentials
from sendit.records.ledger import refuse_closed
from sendit.records.ledger_csv import Place
from sendit.records.ledger_tables import LedgerNamespace
from sendit.records.own_keys import identity_of, key_for_naming, key_of_names


def add_namespace(parser: argparse.ArgumentParser) -> None:
    """Add the option that names a namespace."""
    parser.add_argument(
        "--namespace",
        metavar="NAME",
        help="Namespace in the ledger; needed when there are several.",
    )


def add_credential(parser: argparse.ArgumentParser) -> None:
    """Add the option that names a credential."""
    parser.add_argument(
        "--credential",
        metavar="FILE",
        type=Path,
        help=f"The right to re-identify, as a file ({credentials.DEFAULT_FILE}).",
    )


def place_of(
    configuration: Configuration, named: str | None, *, site_key: bytes, naming: bool = False
) -> Place:
    """Return the namespace that is meant, as the project that uses it says.

    Parameters
    ----------
    configuration
        Says which project that is.
    named
        The namespace; None: the only one.
    site_key
        The installation's key.
    naming
        Whether somebody is about to be named there.

    Raises
    ------
    sendit.errors.UsageError
        When it is not clear which, or another service names patients in it.
    """
    projects = ledger_projects(configuration)
    namespace = named or _only_one({*projects, *_in_ledger()})
    project = projects.get(namespace)
    matching, options = Matching(), LedgerOptions()
    if project is None:
        refuse_other_kind(configuration, namespace)
    else:
        matching = project.identity.matching()
        if isinstance(project.identity.options, LedgerOptions):
            options = project.identity.options
    return Place(
        namespace=namespace,
        digests=Digests.of(
            site_key,
            namespace=namespace,
            matching=matching,
            own_key=own_key_of(configuration, namespace, naming=naming),
        ),
        entity_source=options.entity_source,
        item_source=options.item_source,
        shifts=options.shifts(),
    )


def own_key_of(configuration: Configuration, namespace: str, *, naming: bool) -> bytes | None:
    """Return the own key of a namespace, as far as it has one.

    Raises
    ------
    sendit.errors.IdentityError
        When its project says otherwise than its names.
    sendit.errors.KeyProblem
        When the key is missing or another one.
    """
    look = key_for_naming if naming else key_of_names
    identity = identity_of(configuration.projects.values(), namespace)
    return look(configuration.settings, namespace, identity)


def ledger_projects(configuration: Configuration) -> Mapping[str, Project]:
    """Return the projects that the ledger serves, by namespace."""
    return {
        project.identity.namespace: project
        for project in configuration.projects.values()
        if project.identity.kind == "ledger"
    }


def refuse_other_kind(configuration: Configuration, namespace: str) -> None:
    """Return unless a project has its patients of this namespace named by something else.

    Raises
    ------
    sendit.errors.UsageError
        When one has; names in the ledger would be second names.
    """
    for project in configuration.projects.values():
        identity = project.identity
        if identity.namespace == namespace and identity.kind not in ("ledger", "rest"):
            raise UsageError(
                f'Namespace "{namespace}" is that of project {project.name}, whose patients '
                f'identity.kind = "{identity.kind}" names; names in the ledger would be second '
                'ones. Set kind = "ledger" there, or use another namespace.'
            )


def refuse_closed_study(configuration: Configuration, study: str) -> None:
    """Return if the namespace that clients ask about as this study may be used.

    Raises
    ------
    sendit.errors.IdentityError
        When it was closed with its project.
    """
    for namespace in {study, *ledger_projects(configuration)}:
        if namespace.lower() == study:
            refuse_closed(namespace)


def refuse_unknown(configuration: Configuration, namespace: str) -> None:
    """Return if the ledger knows a namespace, or a project has its patients named there.

    Raises
    ------
    sendit.errors.UsageError
        With those that there are.
    """
    known = {*ledger_projects(configuration), *_in_ledger()}
    if namespace not in known:
        there = ", ".join(sorted(known)) or "none"
        raise UsageError(f'The ledger has no namespace "{namespace}"; there are: {there}.')


def holder(named: Path | None) -> str:
    """Return whose credential was named, or lies in the usual place.

    Raises
    ------
    sendit.errors.NotAllowed
        When it is nobody's.
    """
    return credentials.holder(named.expanduser() if named else credentials.default_file())


def user() -> str:
    """Return who runs the command, as this machine knows them."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _in_ledger() -> set[str]:
    return set(LedgerNamespace.objects.values_list("name", flat=True))


def _only_one(namespaces: set[str]) -> str:
    if len(namespaces) == 1:
        return next(iter(namespaces))
    if not namespaces:
        raise UsageError(
            'No project has identity.kind = "ledger", so there is no namespace to take; make one, '
            "or name a namespace with --namespace."
        )
    names = ", ".join(sorted(namespaces))
    raise UsageError(f"Say with --namespace which is meant: {names}.")
