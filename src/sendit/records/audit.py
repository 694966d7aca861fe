"""The one audit log: what somebody did and has to answer for, each row sealed to the last.

A seal is a keyed digest of the row and of the seal before it, so a row that was changed or is
missing breaks the chain where it stood.  The end is kept twice more: in a row of the
database, and in a file beside the keys, so that a log whose last rows were cut off, or a
database that was put back to an earlier day, is noticed, too.  That row is made with the
installation and never again: a log that is gone altogether is not one that has no entry yet.
The key is in the field key file: whoever has only the database cannot make a seal.

``append`` is called before what it tells of happens; what cannot be logged is not done.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import transaction

from sendit.errors import AuditBroken
from sendit.records.audit_tables import AuditEntry, AuditHead
from sendit.records.encrypted import keyed_digest

HEAD_FILE = "audit.head"
GONE = (
    "The row that says where the audit log ends is gone from the database, and was not removed by "
    "sendit. Put the database back from your backup."
)


@dataclass(frozen=True, slots=True)
class Act:
    """What is to be written down."""

    actor: str
    action: str
    subject: str = ""
    """New names or numbers; never an original value."""
    reason: str = ""
    """As the actor wrote it; kept encrypted."""
    details: Mapping[str, object] | None = None
    """Counts, codes and new names only."""


def begin() -> None:
    """Begin the log of a new installation; it has no entry yet."""
    AuditHead.objects.create(pk=1, proof=_proof(0, ""))


def append(act: Act, *, now: datetime, head_folder: Path) -> int:
    """Add to the log, durably unless within a transaction of the caller; return the number.

    Parameters
    ----------
    act
        What is about to happen.
    now
        When.
    head_folder
        Where the file with the end of the log is kept: the folder of the keys.

    Raises
    ------
    sendit.errors.AuditBroken
        When the log is gone, or its end cannot be kept.
    """
    with transaction.atomic():
        head = AuditHead.objects.select_for_update().filter(pk=1).first()
        if head is None:
            raise AuditBroken(f"{GONE} Nothing that has to be in it is done until then.")
        number = head.last + 1
        entry = AuditEntry(
            number=number,
            # SQLite and PostgreSQL keep microseconds alike.
            time=now,
            actor=act.actor[:100],
            action=act.action,
            subject=act.subject[:255],
            reason=act.reason or None,
            details=dict(act.details or {}),
        )
        entry.seal = _seal(entry, before=head.seal)
        AuditEntry.objects.bulk_create([entry])
        AuditHead.objects.filter(pk=1).update(
            last=number, seal=entry.seal, proof=_proof(number, entry.seal)
        )
        transaction.on_commit(lambda: _keep_head(head_folder / HEAD_FILE, number, entry.seal))
    return number


def verify(*, head_folder: Path) -> int:
    """Return how many entries the log has, all of them whole.

    Raises
    ------
    sendit.errors.AuditBroken
        Names the first entry that was changed or is missing.
    """
    number, seal, kept = 0, "", _kept_head(head_folder / HEAD_FILE)
    for entry in AuditEntry.objects.order_by("number").iterator(chunk_size=1000):
        number += 1
        if entry.number != number:
            raise AuditBroken(
                f"Entry {number} of the audit log is missing: after {number - 1} comes "
                f"{entry.number}."
            )
        if entry.seal != _seal(entry, before=seal):
            raise AuditBroken(
                f"Entry {number} of the audit log was changed, or its seal was made with another "
                "key."
            )
        seal = entry.seal
        if kept is not None and kept[0] == number and kept[1] != seal:
            raise AuditBroken(
                f"Entry {number} of the audit log is another one than {head_folder / HEAD_FILE} "
                "remembers; the log was made anew from there or before."
            )
    _verify_end(number, seal, kept, head_folder)
    return number


def _verify_end(number: int, seal: str, kept: tuple[int, str] | None, head_folder: Path) -> None:
    head = AuditHead.objects.filter(pk=1).first()
    last = head.last if head is not None else 0
    if head is not None and head.proof != _proof(head.last, head.seal):
        raise AuditBroken(
            "The end of the audit log was moved by hand: its proof does not fit. Entries after "
            f"{number} may be missing."
        )
    last = max(last, kept[0] if kept is not None else 0)
    if last > number:
        raise AuditBroken(
            f"Entry {number + 1} of the audit log is missing, and all up to {last}: the end was "
            "cut off, or the database is an older copy. After a restore, write down who did it "
            f"and why, then remove {head_folder / HEAD_FILE}."
        )
    if head is None:
        raise AuditBroken(f"The audit log has {number} entries. {GONE} Entries may be missing.")
    if number > head.last or head.seal != seal:
        raise AuditBroken(
            f"The audit log has {number} entries, but its end was written down elsewhere; the "
            "row of its head was changed or removed."
        )


def _seal(entry: AuditEntry, *, before: str) -> str:
    said = [
        before,
        entry.number,
        entry.time.isoformat(),
        entry.actor,
        entry.action,
        entry.subject,
        entry.reason,
        entry.details,
    ]
    return keyed_digest("audit\0" + json.dumps(said, sort_keys=True))


def _proof(number: int, seal: str) -> str:
    return keyed_digest(f"audit head\0{number}\0{seal}")


def _keep_head(path: Path, number: int, seal: str) -> None:
    """Write the end into the file, unless somebody has written a later one."""
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            kept = _kept_head(path)
            if kept is not None and kept[0] >= number:
                return
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as stream:
                stream.write(f"{number} {seal}\n")
                stream.flush()
                os.fsync(descriptor)
            part.replace(path)
        finally:
            os.close(lock)
    except OSError as error:
        raise AuditBroken(
            f"{path} cannot be written ({error.strerror}), so nothing that has to be in the audit "
            "log is done. Make its folder writable."
        ) from None


def _kept_head(path: Path) -> tuple[int, str] | None:
    try:
        number, seal = path.read_text(encoding="ascii").split()
        return int(number), seal
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise AuditBroken(f"{path} cannot be read; put it back from your backup.") from None
