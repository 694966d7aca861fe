"""Close a project: what leads from its names to its patients is destroyed, for ever.

The names that were drawn are deleted with what they stood for, and so are the answers kept
for its batches.  Names that are derived stand nowhere, so there is nothing to delete but the
namespace's own key, where it has one; the namespace is marked, and no part of sendit derives a
key for it again.  Everything can be done again: what a process that died left is done then.
Backups are for whoever made them; see docs/concepts/pseudonyms.md.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from django.db import transaction

from sendit.config import Project, Settings
from sendit.config.own_keys import destroy_own_key, mark_closed
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
    patients: int = 0
    batches: int = 0
    before: datetime | None = None
    """When it was closed, if that was not now."""
    own_key: bool = False
    """Whether the namespace's own key was destroyed now."""


def close_project(
    project: Project,
    *,
    others: tuple[str, ...],
    act: audit.Act,
    now: datetime,
    settings: Settings,
) -> Closed:
    """Destroy what leads back, and let nobody be named in the namespace again.

    Parameters
    ----------
    project
        As it is configured now.
    others
        Names of other projects of the same namespace.
    act, now
        For the audit log.
    settings
        Say where the keys are.

    Raises
    ------
    sendit.errors.UsageError
        When the namespace is still needed.
    sendit.errors.KeyProblem
        When its own key cannot be destroyed.
    """
    namespace = project.identity.namespace
    _refuse_if_needed(project, others)
    closed = _forget(project, act=act, now=now, head_folder=settings.audit.folder)
    mark_closed(settings, namespace)
    return replace(closed, own_key=destroy_own_key(settings, namespace))


def _forget(project: Project, *, act: audit.Act, now: datetime, head_folder: Path) -> Closed:
    """Delete what the database holds, unless that was done before."""
    namespace = project.identity.namespace
    with transaction.atomic():
        LedgerNamespace.objects.get_or_create(name=namespace)
        row = LedgerNamespace.objects.select_for_update().get(name=namespace)
        if row.closed is not None:
            return Closed(namespace, before=row.closed)
        audit.append(act, now=now, head_folder=head_folder)
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
