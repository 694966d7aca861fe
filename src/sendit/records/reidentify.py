"""From a new name back to the patient; whoever calls this has the right for it.

Written into the audit log, and that made durable, before anything is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sendit.errors import UsageError
from sendit.records import audit
from sendit.records.ledger_tables import LedgerId, LedgerItem, LedgerPatient, LedgerUid

UNKNOWN = (
    "The ledger knows no such name or UID. Names of projects that use another kind of identity "
    "service are not in it, and UIDs only where the project says identity.keep_uids = true."
)


@dataclass(frozen=True, slots=True)
class Original:
    """What a new name stands for."""

    namespace: str
    what: str
    """``patient``, ``study`` or ``uid``."""
    values: Mapping[str, str] = field(repr=False)
    """``id``, ``source`` and the like; ``uid``."""
    patient: Sequence[Mapping[str, str]] = field(default=(), repr=False)
    """The ids of the patient whom it belongs to."""


def reidentify(
    name: str, *, actor: str, reason: str, now: datetime, head_folder: Path
) -> Sequence[Original]:
    """Return what a new name or UID stands for; one answer for each namespace that has it.

    Parameters
    ----------
    name
        A patient's or study's pseudonym, or a new UID.
    actor
        Who asks, as the credential or the login says.
    reason
        Why; kept encrypted in the audit log.
    now, head_folder
        For the audit log.

    Raises
    ------
    sendit.errors.UsageError
        When there is no reason, or nothing of that name; the question is in the log all the same.
    """
    if not reason.strip():
        raise UsageError("A reason is needed; it is kept with the question.")
    # What is no new name may be an original one, which the log does not take in clear.
    known = _is_new_name(name)
    act = audit.Act(
        actor,
        "reidentify",
        subject=name if known else "",
        reason=reason,
        details={"known": known},
    )
    audit.append(act, now=now, head_folder=head_folder)
    found = [*_patients(name), *_items(name), *_uids(name)]
    if not found:
        raise UsageError(UNKNOWN)
    return found


def _is_new_name(name: str) -> bool:
    return (
        LedgerPatient.objects.filter(suid=name).exists()
        or LedgerItem.objects.filter(suid=name).exists()
        or LedgerUid.objects.filter(new_uid=name).exists()
    )


def _patients(suid: str) -> Sequence[Original]:
    return [
        Original(row.namespace_id, "patient", {}, _ids(row))
        for row in LedgerPatient.objects.filter(suid=suid).order_by("pk")
    ]


def _items(suid: str) -> Sequence[Original]:
    rows = LedgerItem.objects.filter(suid=suid).select_related("patient").order_by("pk")
    return [
        Original(row.namespace_id, "study", _plain(row.content), _ids(row.patient)) for row in rows
    ]


def _uids(uid: str) -> Sequence[Original]:
    rows = LedgerUid.objects.filter(new_uid=uid).order_by("pk")
    return [Original(row.namespace, "uid", {"uid": str(row.content)}) for row in rows]


def _ids(patient: LedgerPatient) -> Sequence[Mapping[str, str]]:
    """Return the ids of a patient, or of the one that it was merged into."""
    while patient.merged_into is not None:
        patient = patient.merged_into
    rows = LedgerId.objects.filter(patient=patient).order_by("pk")
    return [_plain(row.content) for row in rows]


def _plain(content: Mapping[str, object]) -> dict[str, str]:
    return {key: str(value) for key, value in content.items() if key != "custom"}
