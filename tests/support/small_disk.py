"""File systems of their own, for what only happens when one is full or cannot be written."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Remount = Callable[[str], None]


def _mount(options: str, folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def may_mount_root(place: Path) -> bool:
    """Say whether the kernel lets us lay a root that cannot be written over ours."""
    script = (
        f"mount -t tmpfs tmpfs {place} && mkdir {place}/image {place}/root && "
        f"mount -t overlay -o ro,lowerdir={place}/image:/ overlay {place}/root && "
        f"chroot {place}/root setpriv --reuid 10001 --no-new-privs true"
    )
    command = ["unshare", "-m", "--propagation", "private", "sh", "-c", script]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not _mount("size=64k", folder):
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def remount(small_disk: Path) -> Remount:
    """Give the small file system other options, such as ``ro``."""

    def remount(options: str) -> None:
        assert _mount(f"remount,{options}", small_disk)

    return remount
