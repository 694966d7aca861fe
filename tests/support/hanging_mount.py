"""A real file system that stops answering: what a network mount does when its server is gone.

``mounted`` mounts a folder a second time, through the kernel's FUSE and a process of ours that
hands every request on to that folder.  Told to ``hang``, it takes the requests and keeps them,
so whoever waits for one sleeps in the kernel and cannot be killed; told to ``answer``, it
answers what it kept.  How many it keeps stands in a file beside the mount, ``NAME.kept``.
Needs root, as does every mount, and ``/dev/fuse``; nothing else.

The structures are those of the kernel's ``include/uapi/linux/fuse.h``, protocol 7.31.
"""

import ctypes
import errno
import os
import select
import stat
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

DEVICE = Path("/dev/fuse")
ROOT_ID = 1
_DETACH = 2
_LARGEST = 1 << 17
_IN = struct.Struct("<IIQQIIIHH")
_OUT = struct.Struct("<IiQ")
_ATTR = struct.Struct("<6Q10I")
_STATFS = struct.Struct("<5Q4I24x")
_READ, _WRITE = 15, 16
_PARALLEL_LOOKUPS = 1 << 18
_NO_REPLY = {2, 36, 42}  # FORGET, INTERRUPT, BATCH_FORGET


def may_mount(place: Path) -> bool:
    """Try whether the kernel lets us mount through ``/dev/fuse`` at an empty folder."""
    try:
        device = os.open(DEVICE, os.O_RDWR)
    except OSError:
        return False
    try:
        if _mount(device, place):
            return False
        ctypes.CDLL(None).umount2(os.fsencode(place), _DETACH)
    finally:
        os.close(device)
    return True


def _mount(device: int, place: Path) -> int:
    """Mount, and return 0 or an error's number."""
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    # To everybody it is the file system of a server.
    failed = libc.mount(b"server:/", os.fsencode(place), b"fuse.sshfs", 0, options)
    return ctypes.get_errno() if failed else 0


class Mounted:
    """A folder seen through a mount that can be told to hang."""

    def __init__(self, path: Path, process: "subprocess.Popen[str]") -> None:
        self.path = path
        self._process = process

    def hang(self) -> None:
        """Answer nothing from now on."""
        self._tell("hang")

    def hang_at_read(self) -> None:
        """Answer nothing from the moment that somebody reads a file."""
        self._tell(str(_READ))

    def hang_at_write(self) -> None:
        """Answer nothing from the moment that somebody writes into a file."""
        self._tell(str(_WRITE))

    def answer(self) -> None:
        """Answer again, first what was asked meanwhile."""
        self._tell("answer")

    def _tell(self, word: str) -> None:
        to, said = _pipes(self._process)
        to.write(f"{word}\n")
        to.flush()
        assert said.readline().strip() == word


@contextmanager
def mounted(source: Path, path: Path) -> Iterator[Mounted]:
    """Show a folder at another place, as if it came from a server."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.hanging_mount", str(source), str(path)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert _pipes(process)[1].readline().strip() == "ready"
        yield Mounted(path, process)
    finally:
        # Its end ends the mount, and whoever still waits for it is told that it is gone.
        process.kill()
        process.communicate()
        ctypes.CDLL(None).umount2(os.fsencode(path), _DETACH)


def _pipes(process: "subprocess.Popen[str]") -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


class _Server:
    """Answers the kernel from a folder; a node is a path, which a rename changes."""

    def __init__(self, source: Path, device: int, *, count: Path) -> None:
        self._device = device
        self._count = count
        self._paths = {ROOT_ID: source}
        self._ids = {source: ROOT_ID}
        self._kept: list[bytes] = []
        self.hangs = False
        self.hangs_at: int | None = None
        """The first request of this kind is not answered, and none after it."""
        self._acts: dict[int, Callable[[int, bytes], bytes]] = {
            1: self._lookup, 3: self._getattr, 4: self._setattr, 9: self._mkdir,
            10: self._unlink, 11: self._rmdir, 12: self._rename, 13: self._link,
            14: self._open, _READ: self._read, _WRITE: self._write, 17: self._statfs,
            18: self._release, 20: self._nothing, 25: self._nothing, 26: self._init,
            27: self._opendir, 28: self._readdir, 29: self._nothing, 30: self._nothing,
            34: self._nothing, 35: self._create, 45: self._rename2, 50: self._nothing,
        }  # fmt: skip

    def take(self) -> None:
        """Take one request, and answer it or keep it."""
        request = os.read(self._device, _LARGEST + 4096)
        self.hangs |= _IN.unpack_from(request)[1] == self.hangs_at
        if self.hangs:
            self._keep(request)
        else:
            self._answer(request)

    def _keep(self, request: bytes) -> None:
        if _IN.unpack_from(request)[1] not in _NO_REPLY:
            self._kept.append(request)
            self._count.write_text(str(len(self._kept)))

    def answer_kept(self) -> None:
        """Answer what was kept."""
        self.hangs = False
        self.hangs_at = None
        while self._kept:
            self._answer(self._kept.pop(0))

    def _answer(self, request: bytes) -> None:
        _, code, unique, node, *_ = _IN.unpack_from(request)
        if code in _NO_REPLY:
            return
        error, reply = 0, b""
        try:
            act = self._acts.get(code)
            if act is None:
                error = -errno.ENOSYS
            else:
                reply = act(node, request[_IN.size :])
        except OSError as refused:
            error = -(refused.errno or errno.EIO)
        try:
            os.write(self._device, _OUT.pack(_OUT.size + len(reply), error, unique) + reply)
        except OSError as refused:
            if refused.errno != errno.ENOENT:  # whoever asked has gone
                raise

    def _init(self, _node: int, body: bytes) -> bytes:
        major, _minor, readahead, _flags = struct.unpack_from("<4I", body)
        return struct.pack(
            "<4I2H2I2H8I",
            major,
            31,
            readahead,
            _PARALLEL_LOOKUPS,
            12,
            9,
            _LARGEST,
            1,
            32,
            0,
            *[0] * 8,
        )

    def _lookup(self, node: int, body: bytes) -> bytes:
        return self._entry(self._named(node, body))

    def _getattr(self, node: int, _body: bytes) -> bytes:
        return struct.pack("<QII", 0, 0, 0) + _attributes(self._paths[node])

    def _setattr(self, node: int, body: bytes) -> bytes:
        path = self._paths[node]
        valid, _, _, size, _, _atime, mtime, _, _, mtime_ns, _, mode = struct.unpack_from(
            "<IIQQQQQQIIII", body
        )
        if valid & 1:
            path.chmod(stat.S_IMODE(mode))
        if valid & 8:
            os.truncate(path, size)
        if valid & 256:
            os.utime(path)
        elif valid & 32:
            moment = mtime * 10**9 + mtime_ns
            os.utime(path, ns=(moment, moment))
        return self._getattr(node, b"")

    def _mkdir(self, node: int, body: bytes) -> bytes:
        mode, umask = struct.unpack_from("<II", body)
        path = self._named(node, body[8:])
        path.mkdir(mode & ~umask)
        return self._entry(path)

    def _unlink(self, node: int, body: bytes) -> bytes:
        self._named(node, body).unlink()
        return b""

    def _rmdir(self, node: int, body: bytes) -> bytes:
        self._named(node, body).rmdir()
        return b""

    def _rename(self, node: int, body: bytes) -> bytes:
        return self._move(node, struct.unpack_from("<Q", body)[0], body[8:])

    def _rename2(self, node: int, body: bytes) -> bytes:
        folder, flags = struct.unpack_from("<QI", body)
        if flags:
            raise OSError(errno.EINVAL, "flags")
        return self._move(node, folder, body[16:])

    def _move(self, node: int, folder: int, names: bytes) -> bytes:
        old_name, new_name, *_ = names.split(b"\0")
        old, new = self._named(node, old_name), self._named(folder, new_name)
        old.rename(new)
        for path, number in list(self._ids.items()):
            if path.is_relative_to(old):
                del self._ids[path]
                self._paths[number] = new / path.relative_to(old)
                self._ids[self._paths[number]] = number
        return b""

    def _link(self, node: int, body: bytes) -> bytes:
        path = self._named(node, body[8:])
        os.link(self._paths[struct.unpack_from("<Q", body)[0]], path)
        return self._entry(path)

    def _open(self, node: int, body: bytes) -> bytes:
        flags = struct.unpack_from("<I", body)[0] & ~os.O_CREAT & ~os.O_EXCL
        return struct.pack("<QII", os.open(self._paths[node], flags), 0, 0)

    def _create(self, node: int, body: bytes) -> bytes:
        flags, mode, umask = struct.unpack_from("<III", body)
        path = self._named(node, body[16:])
        handle = os.open(path, flags | os.O_CREAT, mode & ~umask)
        return self._entry(path) + struct.pack("<QII", handle, 0, 0)

    def _read(self, _node: int, body: bytes) -> bytes:
        handle, offset, size = struct.unpack_from("<QQI", body)
        return os.pread(handle, size, offset)

    def _write(self, _node: int, body: bytes) -> bytes:
        handle, offset, size = struct.unpack_from("<QQI", body)
        return struct.pack("<II", os.pwrite(handle, body[40 : 40 + size], offset), 0)

    def _release(self, _node: int, body: bytes) -> bytes:
        os.close(struct.unpack_from("<Q", body)[0])
        return b""

    def _statfs(self, node: int, _body: bytes) -> bytes:
        found = os.statvfs(self._paths[node])
        return _STATFS.pack(
            found.f_blocks, found.f_bfree, found.f_bavail, found.f_files, found.f_ffree,
            found.f_bsize, 255, found.f_frsize, 0,
        )  # fmt: skip

    def _opendir(self, _node: int, _body: bytes) -> bytes:
        return struct.pack("<QII", 0, 0, 0)

    def _readdir(self, node: int, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        reply = b""
        for number, found in enumerate(sorted(self._paths[node].iterdir()), start=1):
            raw = os.fsencode(found.name)
            one = struct.pack("<QQII", number + 1, number, len(raw), 0) + raw
            one += b"\0" * (-len(one) % 8)
            if number > offset:
                if len(reply) + len(one) > size:
                    break
                reply += one
        return reply

    def _nothing(self, _node: int, _body: bytes) -> bytes:
        return b""

    def _named(self, node: int, name: bytes) -> Path:
        return self._paths[node] / os.fsdecode(name.partition(bytes(1))[0])

    def _entry(self, path: Path) -> bytes:
        attributes = _attributes(path)
        number = self._ids.setdefault(path, len(self._paths) + 1)
        self._paths.setdefault(number, path)
        return struct.pack("<4Q2I", number, 0, 0, 0, 0, 0) + attributes


def _attributes(path: Path) -> bytes:
    found = path.lstat()
    times = [found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns]
    return _ATTR.pack(
        found.st_ino, found.st_size, found.st_blocks,
        *[moment // 10**9 for moment in times], *[moment % 10**9 for moment in times],
        found.st_mode, found.st_nlink, found.st_uid, found.st_gid, 0, 4096, 0,
    )  # fmt: skip


def _serve(source: Path, path: Path) -> None:
    device = os.open(DEVICE, os.O_RDWR)
    if refused := _mount(device, path):
        sys.exit(os.strerror(refused))
    server = _Server(source, device, count=path.with_suffix(".kept"))
    server.take()  # the kernel's first request: until it is answered there are no others
    print("ready", flush=True)
    while True:
        readable, _, _ = select.select([device, sys.stdin], [], [])
        if sys.stdin in readable:
            word = sys.stdin.readline().strip()
            if not word:
                return
            if word == "answer":
                server.answer_kept()
            elif word == "hang":
                server.hangs = True
            else:
                server.hangs_at = int(word)
            print(word, flush=True)
        elif device in readable:
            server.take()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), Path(sys.argv[2]))
