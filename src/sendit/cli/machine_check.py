"""Whether this machine may write what memory holds to a disk in clear: core dumps and swap."""

from pathlib import Path


def core_dumps(limit: int) -> str | None:
    """Return what is wrong when a process that crashes leaves its memory behind."""
    if limit == 0:
        return None
    return (
        "Core dumps are on: a process that crashes would leave patients' data on the disk. "
        'Start sendit under "ulimit -c 0" (systemd: LimitCORE=0).'
    )


def swap(root: Path) -> str | None:
    """Return what is wrong when memory may be written to a device in clear.

    Parameters
    ----------
    root
        Where ``proc`` and ``sys`` are; another place in a test.
    """
    try:
        lines = (root / "proc/swaps").read_text().splitlines()[1:]
    except OSError:
        return None
    open_ones = [line.split()[0] for line in lines if line.split() and not _is_safe(line, root)]
    if not open_ones:
        return None
    return (
        f"Swap is not known to be encrypted ({', '.join(open_ones)}): memory that holds patients' "
        "data may be written there. Encrypt it, or switch it off (swapoff -a)."
    )


def _is_safe(line: str, root: Path) -> bool:
    device = Path(line.split()[0]).name
    if device.startswith("zram"):  # in memory
        return True
    uuid = root / "sys/class/block" / device / "dm/uuid"
    try:
        return uuid.read_text().startswith("CRYPT-")
    except OSError:
        return False
