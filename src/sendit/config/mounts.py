"""Tell on which kind of file system a path lies.

Locks and events do not work over a network the way they do on a disk: a SQLite database must
not lie there, and an inbox must be looked at instead of listened to.
"""

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")

_NETWORK = {
    "9p", "afs", "beegfs", "ceph", "cifs", "davfs", "fuse.ceph", "fuse.glusterfs", "fuse.rclone",
    "fuse.s3fs", "fuse.sshfs", "fuse.smbnetfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs",
    "nfs4", "ocfs2", "orangefs", "smb3", "smbfs",
}  # fmt: skip
_ESCAPE = re.compile(r"\\([0-7]{3})")


def is_network(path: Path, *, mounts: Path = MOUNTS) -> bool:
    """Say whether a path lies, or would lie, on a network file system."""
    return file_system(path, mounts=mounts) in _NETWORK


def file_system(path: Path, *, mounts: Path = MOUNTS) -> str:
    """Return the type of the file system that a path lies on; empty when nobody can tell.

    Parameters
    ----------
    path
        Need not exist; its nearest folder that does decides.
    mounts
        List of mounts in the form of proc(5), ``/proc/[pid]/mountinfo``.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    place = path.resolve()
    found = Path("/")
    kind = ""
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(_ESCAPE.sub(lambda match: chr(int(match[1], 8)), before.split(" ")[4]))
        # A later mount on the same point hides the earlier one.
        if place.is_relative_to(point) and len(point.parts) >= len(found.parts):
            found, kind = point, after.split(" ")[0]
    return kind
