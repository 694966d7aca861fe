"""Tell on which file system a path lies, and never touch one that does not answer.

Locks and events do not work over a network the way they do on a disk: a SQLite database must
not lie there, and an inbox must be looked at instead of listened to.  And a network mount may
hang (``answering.py``), so links are followed only as far as the file systems on the way answer.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sendit.config.answering import silent

MOUNTS = Path("/proc/self/mountinfo")

_NETWORK = {
    "9p", "afs", "beegfs", "ceph", "cifs", "davfs", "fuse.ceph", "fuse.glusterfs", "fuse.rclone",
    "fuse.s3fs", "fuse.sshfs", "fuse.smbnetfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs",
    "nfs4", "ocfs2", "orangefs", "smb3", "smbfs",
}  # fmt: skip
_ESCAPE = re.compile(r"\\([0-7]{3})")
_MOST_LINKS = 40
"""As many as the kernel follows."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A file system, and where it is mounted."""

    point: Path
    kind: str
    """Its type; empty when nobody can tell."""

    @property
    def may_hang(self) -> bool:
        """Whether somebody else has to answer: a server, or a process."""
        return self.kind in _NETWORK or self.kind.startswith("fuse") or self.kind == "autofs"


def is_network(path: Path, *, mounts: Path = MOUNTS) -> bool:
    """Say whether a path lies, or would lie, on a network file system."""
    return mount_of(path, mounts=mounts).kind in _NETWORK


def mount_of(path: Path, *, mounts: Path = MOUNTS) -> Mount:
    """Return the file system that a path lies on.

    Parameters
    ----------
    path
        Need not exist; its nearest folder that does decides.
    mounts
        List of mounts in the form of proc(5), ``/proc/[pid]/mountinfo``.
    """
    known = _read(mounts)
    return _innermost(_follow(path, known), known)


def mount_at(place: Path) -> Mount:
    """Return the file system of a path that is ``resolved``, without asking any."""
    return _innermost(place, _read(MOUNTS))


def resolved(path: Path, *, mounts: Path = MOUNTS) -> Path:
    """Return an absolute path with its links followed, as far as the file systems answer."""
    return _follow(path, _read(mounts))


def silent_mounts(paths: Iterable[Path], *, mounts: Path = MOUNTS) -> dict[Path, Mount]:
    """Return which of these paths lie on a file system that does not answer, and on which.

    All are asked at once, so it takes no longer for many than for one.
    """
    known = _read(mounts)
    asked = list(paths)
    # Without links first: what follows finds the answers at hand.
    silent({mount.point for path in asked if (mount := _innermost(path, known)).may_hang})
    found = {path: _innermost(_follow(path, known), known) for path in asked}
    hung = silent({mount.point for mount in found.values() if mount.may_hang})
    return {path: mount for path, mount in found.items() if mount.point in hung}


def answers(path: Path) -> bool:
    """Say whether the file system of a path answers; one on a disk of this machine does."""
    return not silent_mounts([path])


def hangs(what: str, path: Path, mount: Mount) -> str:
    """Say that a place does not answer."""
    return (
        f"The {what} ({path}) does not answer: the file system mounted at {mount.point} "
        f"({mount.kind}) hangs. Mend its server or the network between, or unmount it; what needs "
        "it goes on by itself, everything else goes on now."
    )


def _follow(path: Path, known: Sequence[Mount]) -> Path:
    left = [*reversed(Path(os.path.abspath(path)).parts[1:])]  # noqa: PTH100 - resolve() would ask
    place = Path("/")
    links = 0
    while left:
        name = left.pop()
        if name == "..":
            place = place.parent
            continue
        step = place / name
        mount = _innermost(step, known)
        if links > _MOST_LINKS or (mount.may_hang and silent([mount.point])):
            return Path(os.path.normpath(step.joinpath(*reversed(left))))
        try:
            target = step.readlink()
        except OSError:
            place = step
            continue
        links += 1
        place = Path("/") if target.is_absolute() else place
        left += [part for part in reversed(target.parts) if part != "/"]
    return place


def _innermost(path: Path, known: Sequence[Mount]) -> Mount:
    found = Mount(Path("/"), "")
    for mount in known:
        # A later mount on the same point hides the earlier one.
        if path.is_relative_to(mount.point) and len(mount.point.parts) >= len(found.point.parts):
            found = mount
    return found


def _read(mounts: Path) -> Sequence[Mount]:
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ()
    known = []
    for line in lines:
        before, _, after = line.partition(" - ")
        point = _ESCAPE.sub(lambda match: chr(int(match[1], 8)), before.split(" ")[4])
        known.append(Mount(Path(point), after.split(" ")[0]))
    return known
