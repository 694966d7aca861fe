"""A disk whose power can be cut: what was not synced by then is gone.

It is a real ext4 on a loop device over a file.  What a program has written and not synced lies in
the kernel's cache of that file system; what is synced is in the file.  A cut copies the file as it
stands and mounts the copy, whose journal is then replayed, as after a true power failure.  The
journal's own timer is set far off, so that nothing becomes durable by chance.

Needs root, loop devices and ``mkfs.ext4``.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.system import find_program

_SIZE = 128 << 20
_OPTIONS = "loop,commit=3600"


@dataclass
class PoweredDisk:
    """A mounted disk."""

    folder: Path
    """Where it is mounted."""
    images: Path
    """Where the files that it consists of lie."""
    cuts: int = 0
    used: list[Path] = field(default_factory=list)

    @property
    def image(self) -> Path:
        return self.images / f"disk-{self.cuts}"

    def cut(self) -> None:
        """Cut the power and bring it back; nobody may still have a file of the disk open."""
        before = self.image
        self.cuts += 1
        shutil.copyfile(before, self.image)
        unmount(self.folder)
        before.unlink()
        mount(self.image, self.folder)


@contextmanager
def powered_disk(folder: Path, images: Path) -> Iterator[PoweredDisk]:
    """Make an empty disk and mount it at a folder."""
    disk = PoweredDisk(folder, images)
    with disk.image.open("wb") as file:
        file.truncate(_SIZE)
    make = [find_program("mkfs.ext4") or "mkfs.ext4", "-q", "-F", disk.image]
    subprocess.run(make, check=True, capture_output=True)
    mount(disk.image, folder)
    try:
        yield disk
    finally:
        unmount(folder)


def may_mount_disk(place: Path) -> bool:
    """Try whether such a disk can be had here; ``place`` is an empty folder."""
    (place / "disk").mkdir()
    try:
        with powered_disk(place / "disk", place):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def mount(image: Path, folder: Path) -> None:
    command = ["mount", "-t", "ext4", "-o", _OPTIONS, image, folder]
    subprocess.run(command, check=True, capture_output=True)


def unmount(folder: Path) -> None:
    subprocess.run(["umount", folder], check=True, capture_output=True)
