"""Two ids turned out to be one patient: from now on both get the names of the first.

What was delivered under the second patient's names stays as it is, and can still be led back;
the next batch of either id goes on under the first one's names and days.
"""

from dataclasses import dataclass

from django.db import transaction

from sendit.errors import UsageError
from sendit.identity.allocation import Asked, Digests
from sendit.records.ledger import locked_namespace
from sendit.records.ledger_tables import LedgerId, LedgerItem, LedgerPatient


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did, in new names."""

    kept: str
    given_up: str
    """The name that the second patient had; empty when there was none yet."""
    before: bool = False
    """Both were one patient already, and nothing was done."""


def merge(first: Asked, second: Asked, *, namespace: str, digests: Digests) -> Merged:
    """Let the second id be the first one's patient.

    Raises
    ------
    sendit.errors.UsageError
        When the first id is not known.
    """
    with transaction.atomic():
        row = locked_namespace(namespace)
        ids = LedgerId.objects.filter(namespace=row).select_related("patient")
        one = ids.filter(digest=digests.patient(first)).first()
        other = ids.filter(digest=digests.patient(second)).first()
        if one is None:
            raise UsageError(
                f'Namespace "{namespace}" knows nobody of the first id. Name first the id whose '
                "names stay."
            )
        if other is None:
            LedgerId.objects.create(
                namespace=row,
                digest=digests.patient(second),
                patient=one.patient,
                content=second.original(),
            )
            return Merged(one.patient.suid, "")
        if other.patient_id == one.patient_id:
            return Merged(one.patient.suid, "", before=True)
        LedgerId.objects.filter(patient=other.patient_id).update(patient=one.patient)
        LedgerPatient.objects.filter(pk=other.patient_id).update(merged_into=one.patient)
        _take_over(other.patient, one.patient)
        return Merged(one.patient.suid, other.patient.suid)


def _take_over(old: LedgerPatient, new: LedgerPatient) -> None:
    """Give the items to the patient who stays, but for those that this one has, too."""
    has = LedgerItem.objects.filter(patient=new).values("digest")
    LedgerItem.objects.filter(patient=old).exclude(digest__in=has).update(patient=new)
