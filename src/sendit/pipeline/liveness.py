"""Say whose claim this is, and whether that process is still alive.

A worker's name says host, process number and the moment that process began, so a claim of
a process of this machine that has died is told from one that is only slow; a claim from
another machine is left to its lease.
"""

import os
import socket
from functools import cache
from pathlib import Path


def own_name() -> str:
    """Return the name that this process writes into its claims."""
    return name_of(os.getpid())


def name_of(pid: int) -> str:
    """Return the name that another process of this machine writes into its claims."""
    return f"{_machine()}:{pid}:{_began(pid)}"


def is_known_dead(worker: str) -> bool:
    """Say whether a worker of this machine is certainly gone; False when it cannot be told."""
    host, _, rest = worker.rpartition(":")[0].rpartition(":")
    began = worker.rpartition(":")[2]
    if host != _machine() or not rest.isdigit() or not Path("/proc/self/stat").exists():
        return False
    return _began(int(rest)) != began


@cache
def _machine() -> str:
    """Return what tells this machine, or container, from others that use the same database.

    Containers may share a host's name; the numbers of their processes do not mean the same then.
    """
    try:
        namespace = Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
    except OSError:
        namespace = ""
    return f"{socket.gethostname()[:40]}/{namespace}"


def _began(pid: int) -> str:
    """Return when a process began, in clock ticks since the machine did; empty when it is gone."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = line.rpartition(")")[2].split()
    # A zombie holds nothing any more: its files, its database and its locks are closed.
    return "" if fields[0] in "ZX" else fields[19]
