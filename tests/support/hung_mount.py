"""A mounted file system that answers nothing any more, as NFS whose server has gone."""

import ctypes
import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

_FORCE, _DETACH, _BUFFER = 1, 2, 200_000
_REQUEST, _ANSWER = "<IIQ", "<IiQ"


class HungMount:
    """A FUSE mount whose server takes requests and never answers one.

    Whoever waits for an answer cannot be ended, not even by SIGKILL, until the mount vanishes.
    """

    def __init__(self, folder: Path) -> None:
        self._libc = ctypes.CDLL(None)
        self._folder = os.fsencode(folder)
        self._device = os.open("/dev/fuse", os.O_RDWR)
        words = f"fd={self._device},rootmode=40755,user_id=0,group_id=0,allow_other"
        if self._libc.mount(b"hung", self._folder, b"fuse", 0, words.encode()) != 0:
            os.close(self._device)
            raise OSError("the mount was refused")
        _, _, number = struct.unpack_from(_REQUEST, os.read(self._device, _BUFFER))
        said = struct.pack("<IIIIHHIIHHI", 7, 19, 0, 0, 12, 10, 65536, 1, 1, 0, 0) + bytes(28)
        os.write(self._device, struct.pack(_ANSWER, 16 + len(said), 0, number) + said)
        threading.Thread(target=self._take, args=(self._device,), daemon=True).start()

    @staticmethod
    def _take(device: int) -> None:
        with suppress(OSError):
            while os.read(device, _BUFFER):
                pass

    def vanish(self) -> None:
        """Be gone; whoever waits gets an error, or dies if it was to."""
        if self._device >= 0:
            self._libc.umount2(self._folder, _FORCE | _DETACH)
            os.close(self._device)
            self._device = -1


@pytest.fixture
def hang() -> Iterator[Callable[[Path], HungMount]]:
    """Let a folder hang, until the test ends at the latest."""
    mounts: list[HungMount] = []

    def hang(folder: Path) -> HungMount:
        try:
            mounts.append(HungMount(folder))
        except OSError:
            pytest.skip("mounting a file system that hangs needs root and /dev/fuse")
        return mounts[-1]

    yield hang
    for mount in mounts:
        mount.vanish()
