"""Room on the working volumes: what is free now, and what the batches on their way still need.

A folder of an inbox on the same file system is moved in and costs nothing; from another one
it is copied.  Its results are as large as itself.  Both lie there until the batch is cleaned
up, so what was let in and has not yet been written is set aside for it.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from django.db.models import Sum
from django.db.models.functions import Coalesce

from sendit.config.mounts import mount_of
from sendit.config.settings import Limits
from sendit.pipeline.workspace import Workspace
from sendit.records.models import Batch, Image
from sendit.terms import Stage, Status

_BEFORE_RESULTS = (Stage.IMPORT, Stage.IDENTIFY, Stage.DEIDENTIFY)


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes and inodes."""

    size: int = 0
    inodes: int = 0

    def __add__(self, other: "Need") -> "Need":
        return Need(self.size + other.size, self.inodes + other.inodes)


@dataclass(frozen=True, slots=True)
class Room:
    """One file system."""

    volume: Path
    free: Need
    total: Need
    counts_inodes: bool
    """Some file systems make inodes as they need them."""

    def misses(self, need: Need, limits: Limits) -> str | None:
        """Return what would be short if so much were written; None when nothing would."""
        if self.free.size - need.size < limits.min_free_disk:
            return "min_free_disk"
        if self.counts_inodes and self.free.inodes - need.inodes < limits.min_free_inodes:
            return "min_free_inodes"
        return None

    def never_holds(self, need: Need, limits: Limits) -> bool:
        """Say whether so much cannot be there even when the volume is empty."""
        return self.total.size - need.size < limits.min_free_disk or (
            self.counts_inodes and self.total.inodes - need.inodes < limits.min_free_inodes
        )


def room_in(volume: Path) -> Room:
    """Return how much room a volume has."""
    found = os.statvfs(volume)
    return Room(
        volume,
        free=Need(found.f_bavail * found.f_frsize, found.f_favail),
        total=Need(found.f_blocks * found.f_frsize, found.f_files),
        counts_inodes=found.f_files > 0,
    )


class Copied:
    """From which inboxes folders are copied instead of moved; each is looked at once."""

    def __init__(self, workspace: Workspace) -> None:
        self._work_dir = workspace.work_dir
        self._found: dict[str, bool] = {}

    def from_inbox(self, inbox: str) -> bool:
        """Say whether an inbox lies on another file system than the working folders."""
        if inbox not in self._found:
            self._found[inbox] = self._lies_elsewhere(Path(inbox))
        return self._found[inbox]

    def _lies_elsewhere(self, inbox: Path) -> bool:
        mount = mount_of(inbox)
        if mount.may_hang and mount != mount_of(self._work_dir):
            return True  # without a look: nobody waits for one that does not answer
        try:
            return inbox.stat().st_dev != (self._work_dir / "phi").stat().st_dev
        except OSError:
            return True


def need_of(batch: Batch, copied: Copied) -> Need:
    """Return what a batch that waits will write."""
    copies = 2 if copied.from_inbox(batch.inbox) else 1
    return Need(batch.expected_bytes * copies, batch.expected_files * 2)


def need_of_admitted(copied: Copied) -> Need:
    """Return what the batches on their way have not written yet."""
    need = Need()
    early = Batch.objects.admitted().filter(stage__in=_BEFORE_RESULTS)
    for batch in early.only("inbox", "stage", "expected_bytes", "expected_files", "bytes"):
        if batch.stage == Stage.IMPORT:
            need += need_of(batch, copied)
        else:
            need += Need(batch.bytes, batch.expected_files)
    written = Image.objects.filter(
        batch__status=Status.PROCESSING, batch__stage=Stage.DEIDENTIFY
    ).aggregate(size=Coalesce(Sum("result_size"), 0))
    return Need(max(0, need.size - written["size"]), need.inodes)
