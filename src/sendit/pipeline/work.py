"""What a stage is given, and what it answers."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sendit.config import Project, Settings
from sendit.config.mounts import hangs, silent_mounts
from sendit.errors import BatchStopped, VolumeMissing
from sendit.identity import derive
from sendit.pipeline.asking import Asking
from sendit.pipeline.machine import Claim, Event, NewFinding
from sendit.pipeline.workspace import Workspace
from sendit.records.models import Batch
from sendit.records.own_keys import key_of_named
from sendit.terms import Zone


def folder_key(found: os.stat_result) -> str:
    """Return what tells one folder from another whatever their names: device and inode."""
    return f"{found.st_dev}:{found.st_ino}"


def lasting_key(folder_key: str) -> str:
    """Return the part of a folder's key that is the same after a mount: its inode.

    NFS, LVM and others give out device numbers anew.  Beside the folder's name and its inbox the
    inode tells enough.
    """
    return folder_key.rpartition(":")[2]


def is_own(batch: Batch, found: os.stat_result) -> bool:
    """Say whether what has the name of a batch's folder is that folder."""
    return lasting_key(folder_key(found)) == lasting_key(batch.folder_key)


def require_answer(what: str, path: Path) -> None:
    """Return if the file system of a place that a stage needs answers.

    Raises
    ------
    sendit.errors.VolumeMissing
        When it hangs: the stage waits, and no process with it.
    """
    for mount in silent_mounts([path]).values():
        raise VolumeMissing(hangs(what, path, mount))


@dataclass(frozen=True, slots=True)
class Work:
    """One batch in the hands of one stage."""

    batch: Batch = field(repr=False)
    """As read when the stage began; its state is not to be trusted later."""
    project: Project
    settings: Settings
    workspace: Workspace
    site_key: bytes = field(repr=False)
    claim: Claim
    progress: Callable[[], None]
    """To be called after each image or block: renews the lease, ends what takes too long."""
    waiting: Callable[[], None]
    """To be called while another's answer is waited for: renews the lease, up to an hour."""
    now: Callable[[], datetime]
    zone: Zone | None = None
    """Of the worker; None: it does everything."""
    asking: Asking = field(default_factory=Asking, repr=False)
    """What this process has gathered of the batch's headers."""

    @property
    def batch_id(self) -> int:
        """The number of the batch."""
        return self.batch.pk

    def key(self, purpose: str) -> bytes:
        """Return the key of one purpose in the project's namespace, once somebody was named."""
        identity = self.project.identity
        return derive(
            self.site_key,
            namespace=identity.namespace,
            purpose=purpose,
            own_key=key_of_named(self.settings, identity),
        )

    def folder(self) -> Path | None:
        """Return the batch's own folder in its inbox, or None when it is gone.

        Another folder that has taken its name since is not its own.
        """
        path = Path(self.batch.inbox) / self.batch.folder
        try:
            found = path.lstat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BatchStopped(
                f"The batch's folder cannot be looked at ({os.strerror(error.errno or 0)}); "
                'make its inbox readable, then run "sendit retry".'
            ) from None
        return path if stat.S_ISDIR(found.st_mode) and is_own(self.batch, found) else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stage achieved: where its batch goes, and what is to be written down."""

    event: Event | None
    """None: the stage stays, to run again at ``again_at``."""
    findings: tuple[NewFinding, ...] = ()
    again_at: datetime | None = None
    waits: bool = False
    """Nothing failed: the time has not come."""
    again: tuple[int, ...] = ()
    """Images that are to be processed again."""
