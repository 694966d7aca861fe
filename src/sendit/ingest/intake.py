"""A finished folder becomes a Batch in ``QUEUE``; asked twice, it is registered once.

Nothing is moved here: the folder stays in its inbox until ``import`` takes it, and until
then it is known by its device, inode and name.  A folder whose name is that of a batch
still on its way waits in the inbox, with an alert at that batch; once that batch is at
rest it becomes a batch of its own, ``<uid>~2``.
"""

import os
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q

from sendit.config import Project
from sendit.ingest.inbox import Candidate
from sendit.pipeline import machine
from sendit.pipeline.machine.table import HELD_STATIC
from sendit.pipeline.work import lasting_key
from sendit.records.encrypted import keyed_digest
from sendit.records.models import Batch, Finding, Profile
from sendit.records.queries import AT_REST
from sendit.terms import Stage

DUPLICATE_FOLDER = "DUPLICATE_FOLDER"


def take_in(candidate: Candidate, *, inbox: str, project: Project, now: datetime) -> int | None:
    """Register a finished folder and return the number of its batch.

    Returns
    -------
    int or None
        None when it is not taken: a batch of the same name is still on its way (it gets an
        alert), or somebody else was quicker.
    """
    uid = printable(candidate.name)
    free_uid, last = _free_uid(uid)
    if last is not None and not _at_rest(last):
        _alert_duplicate(last, candidate, now=now)
        return None
    profile = _profile(project)
    try:
        with transaction.atomic():
            batch = machine.register(
                uid=free_uid,
                uid_digest=keyed_digest(free_uid),
                folder=candidate.name,
                folder_key=candidate.folder_key,
                inbox=inbox,
                project=project.name,
                profile_id=profile.pk,
                priority=project.priority,
                expected_bytes=candidate.size,
                expected_files=candidate.count,
            )
    except IntegrityError:
        return None
    return batch.pk


class KnownFolders:
    """The folders of one inbox that are batches, not imported yet or being given back.

    Names are encrypted in the database, so each is read once and kept.
    """

    def __init__(self, inbox: str) -> None:
        self._inbox = inbox
        self._names: dict[int, str] = {}

    def now(self) -> frozenset[tuple[str, str]]:
        """Return (lasting part of the folder key, name) of each."""
        waiting = Batch.objects.filter(inbox=self._inbox).filter(
            Q(stage=Stage.IMPORT) | Q(stage=Stage.CLEAN_UP, turned_down=True)
        )
        keys = dict(waiting.values_list("pk", "folder_key"))
        if unread := keys.keys() - self._names.keys():
            new = waiting.filter(pk__gte=min(unread))
            self._names |= {pk: str(name) for pk, name in new.values_list("pk", "folder")}
        self._names = {pk: name for pk, name in self._names.items() if pk in keys}
        return frozenset((lasting_key(keys[pk]), name) for pk, name in self._names.items())


def printable(name: str) -> str:
    r"""Return a file's or folder's name as text: a byte that is not UTF-8 becomes ``\xNN``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _free_uid(uid: str) -> tuple[str, Batch | None]:
    """Return the first uid not taken, of ``uid``, ``uid~2``…, and the batch that has the last."""
    last: Batch | None = None
    free, number = uid, 1
    while (found := Batch.objects.filter(uid_digest=keyed_digest(free)).first()) is not None:
        last = found
        number += 1
        free = f"{uid}~{number}"
    return free, last


def _at_rest(batch: Batch) -> bool:
    return batch.status in AT_REST or batch.held == HELD_STATIC


def _profile(project: Project) -> Profile:
    profile, _ = Profile.objects.get_or_create(
        digest=project.digest,
        defaults={"project": project.name, "content": project.snapshot()},
    )
    return profile


def _alert_duplicate(batch: Batch, candidate: Candidate, *, now: datetime) -> None:
    if Finding.objects.filter(batch=batch, code=DUPLICATE_FOLDER).exists():
        return
    message = (
        "Another folder of this name is in the inbox; it waits there until this batch is at "
        "rest, then becomes a batch of its own."
    )
    machine.note(
        batch.pk,
        [
            machine.NewFinding(
                DUPLICATE_FOLDER,
                message,
                Stage.IMPORT,
                severity=Finding.ALERT,
                file=candidate.name,
            )
        ],
        now=now,
    )
