"""Close a project: what leads from its names to its patients is destroyed, for ever.

The names that were drawn are deleted with what they stood for, and so are the answers kept
for its batches.  Names that are derived from the site key stand nowhere, so there is nothing
to delete: the namespace is marked, and no part of sendit derives a key for it again.  Backups
are for whoever made them; see docs/concepts/pseudonyms.md for what this does and does not do.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import transaction

from sendit.config import Project
from sendit.errors import UsageError
from sendit.records import audit
from sendit.records.ledger_tables import (
    ClientToken,
    IdentityHistory,
    LedgerId,
    LedgerItem,
    LedgerNamespace,
    LedgerPatient,
    LedgerUid,
)
from sendit.records.models import Batch, BatchIdentifiers
from sendit.records.queries import AT_REST


@dataclass(frozen=True, slots=True)
class Closed:
    """What went."""

    namespace: str
    patients: int
    batches: int


def close_project(
    project: Project,
    *,
    others: tuple[str, ...],
    act: audit.Act,
    now: datetime,
    head_folder: Path,
) -> Closed:
    """Destroy what leads back, and let nobody be named in the namespace again.

    Parameters
    ----------
    project
        As it is configured now.
    others
        Names of other projects of the same namespace.
    act, now, head_folder
        For the audit log.

    Raises
    ------
    sendit.errors.UsageError
        When the namespace is still needed, or was closed before.
    """
    namespace = project.identity.namespace
    _refuse_if_needed(project, others)
    with transaction.atomic():
        audit.append(act, now=now, head_folder=head_folder)
        LedgerNamespace.objects.get_or_create(name=namespace)
        row = LedgerNamespace.objects.select_for_update().get(name=namespace)
        if row.closed is not None:
            raise UsageError(f"Project {project.name} was closed on {row.closed:%Y-%m-%d}.")
        LedgerItem.objects.filter(namespace=row).delete()
        LedgerId.objects.filter(namespace=row).delete()
        patients = LedgerPatient.objects.filter(namespace=row)
        patients.update(merged_into=None)
        count, _ = patients.delete()
        LedgerUid.objects.filter(namespace=namespace).delete()
        kept = BatchIdentifiers.objects.filter(batch__project=project.name)
        batches = kept.count()
        kept.delete()
        ClientToken.objects.filter(study=namespace.lower(), revoked=None).update(revoked=now)
        LedgerNamespace.objects.filter(pk=row.pk).update(closed=now, counter=0)
    return Closed(namespace, count, batches)


def _refuse_if_needed(project: Project, others: tuple[str, ...]) -> None:
    if others:
        raise UsageError(
            f"Namespace {project.identity.namespace} is also that of {', '.join(others)}, whose "
            "patients would lose their names, too. Remove those project files first."
        )
    projects = IdentityHistory.objects.filter(namespace=project.identity.namespace)
    names = {project.name, *projects.values_list("project", flat=True)}
    busy = Batch.objects.filter(project__in=names).exclude(status__in=AT_REST)
    count = busy.count()
    if count:
        raise UsageError(
            f"{count} of its batches {'is' if count == 1 else 'are'} not finished. Wait for them, "
            'or give them up ("sendit resolve --reject"), then close the project.'
        )
