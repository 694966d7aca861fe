"""Put files into a folder so that no name ever shows half a file, whatever crashes when.

A file is written under a ``.part`` name of its own, synced, then linked to its final name,
which fails when something stands there: nothing is ever overwritten.  Two senders at once do
no harm, since each has its own ``.part`` and whoever is later finds the name taken.
What stands under a name already, and whether it may, is for the caller to say.
"""

import ctypes
import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from sendit.errors import TargetError, TargetFull, TargetUnavailable

_BLOCK = 64 * 1024 * 1024
_BUFFER = 1024 * 1024
_READ = 256 * 1024
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_KERNEL_COPY = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}
_NO_HARD_LINK = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK}


def write_part(final: Path, fill: Callable[[BinaryIO], None]) -> Path:
    """Write a new file beside ``final``, under a ``.part`` name, and return its path.

    The part is removed when ``fill`` fails; it is not synced yet.
    """
    part = final.with_name(f"{_part_stem(final.name)}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as stream:
            fill(stream)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    return part


def publish(part: Path, final: Path) -> bool:
    """Give a synced part its final name; return False when that name is taken.

    The part is gone afterwards in both cases.
    """
    try:
        final.hardlink_to(part)
    except FileExistsError:
        part.unlink()
        return False
    except OSError as error:
        if error.errno not in _NO_HARD_LINK:
            raise
        # A file system without hard links (FAT, some CIFS servers): look, then rename.
        if final.exists():
            part.unlink()
            return False
        part.rename(final)
        return True
    part.unlink()
    return True


def take_over(source: Path, final: Path, *, size: int, mode: int | None) -> bool:
    """Give a durable file of so many bytes a second name instead of copying it.

    Returns False, and does nothing, where that cannot be done or would not be the same as a
    copy: on another volume, where a new file would get another owner, group, mode (``mode``, as
    ``mode_of_new_files`` has it) or access list, and when the file has a second name already.
    That the name is taken is for the copy to find.
    """
    try:
        file, folder = source.lstat(), final.parent.stat()
        if (file.st_size, file.st_nlink) != (size, 1):
            return False
        if (file.st_uid, file.st_gid, file.st_mode) != (os.geteuid(), _group_in(folder), mode):
            return False
        if _has_own_rights(source) or _has_own_rights(final.parent):
            return False
        final.hardlink_to(source)
    except OSError:
        return False  # the copy says what is wrong
    return True


def mode_of_new_files() -> int | None:
    """Return the mode that this process's umask leaves a new file; None when nobody says it."""
    try:
        # Asking with ``os.umask`` would set it, for every thread.
        told = Path("/proc/self/status").read_text()
    except OSError:
        return None
    found = re.search(r"^Umask:\s*([0-7]+)$", told, re.MULTILINE)
    return stat.S_IFREG | 0o666 & ~int(found[1], 8) if found else None


def _group_in(folder: os.stat_result) -> int | None:
    """Return the group that a new file in a folder gets; None when that hangs on its mount."""
    if folder.st_mode & stat.S_ISGID or folder.st_gid == os.getegid():
        return folder.st_gid
    return None


def _has_own_rights(path: Path) -> bool:
    """Say whether more than mode, owner and group tells who may read what is here."""
    return any(not name.startswith("user.") for name in os.listxattr(path))


def open_source(source: Path, *, size: int) -> BinaryIO:
    """Open a file of a package that should have so many bytes."""
    try:
        stream = source.open("rb", buffering=0)
        actual = os.fstat(stream.fileno()).st_size
    except OSError as error:
        raise unreadable(error) from error
    if actual != size:
        stream.close()
        raise TargetError(
            f"A file of the package has {actual} bytes instead of {size}: it was changed after it "
            "was written. Check the working folder, then retry the batch."
        )
    return cast("BinaryIO", stream)


def copy_into(stream: BinaryIO, source: Path, *, size: int, progress: Callable[[], None]) -> None:
    """Copy a file of so many bytes, in the kernel where that is possible."""
    with open_source(source, size=size) as original:
        done = _kernel_copy(original.fileno(), stream.fileno(), size=size, progress=progress)
        original.seek(done)
        stream.seek(done)
        while block := original.read(_BUFFER):
            stream.write(block)
            progress()


def sha256_of(path: Path, *, progress: Callable[[], None]) -> str:
    """Read a file and return its SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(_READ))
    with path.open("rb", buffering=0) as stream:
        read = 0
        while count := stream.readinto(buffer):
            digest.update(buffer[:count])
            read += count
            if read >= _BLOCK:
                read = 0
                progress()
    return digest.hexdigest()


def sync_volume(path: Path) -> None:
    """Wait until everything written to the file system of ``path`` is on the medium.

    A chunk of files is synced by this at once, since a sync for each costs more than writing
    it.  Where the C library has no ``syncfs`` everything is synced.

    Raises
    ------
    OSError
        When the medium says that something was not written.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if not hasattr(library, "syncfs"):
            os.sync()
        elif library.syncfs(descriptor):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Wait until a file's content is on the medium."""
    _sync(path, os.O_RDONLY)


def sync_folders(folders: Iterable[Path]) -> None:
    """Wait until the names in these folders are on the medium."""
    for folder in sorted(folders, reverse=True):
        _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def make_folders(folder: Path, *, root: Path) -> None:
    """Make a folder below ``root``, which must exist, and make its name durable."""
    if folder == root or folder.is_dir():
        return
    make_folders(folder.parent, root=root)
    with suppress(FileExistsError):
        folder.mkdir()
    sync_folders([folder.parent])


def remove_stale_parts(finals: Iterable[Path]) -> None:
    """Remove what crashed senders left beside these files."""
    by_folder: dict[Path, set[str]] = {}
    for final in finals:
        by_folder.setdefault(final.parent, set()).add(_part_stem(final.name))
    for folder, stems in by_folder.items():
        for part in folder.glob("*.part"):
            if part.name.split(".")[0] in stems:
                part.unlink(missing_ok=True)


@contextmanager
def target_errors(root: Path, *, doing: str) -> Iterator[None]:
    """Say in the words of the error tree what the operating system said about a target."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise TargetFull(
                f"The target folder {root} is full; make room, then it goes on."
            ) from error
        # The file's own name stays out of the message: it may be an original's.
        raise TargetUnavailable(
            f"{doing} failed in the target folder {root}: {os.strerror(error.errno or 0)}. "
            "Check that it is mounted and writable."
        ) from error


def require_folder(root: Path) -> None:
    """Raise ``TargetUnavailable`` unless the root of a target is there."""
    if root.exists() and not root.is_dir():
        raise TargetUnavailable(
            f"The target folder {root} is a file; remove it, or name another folder."
        )
    if not root.is_dir():
        raise TargetUnavailable(
            f"The target folder {root} does not exist; mount its volume, or make it once (sendit "
            "does so at its start only for a target that nothing was delivered to yet)."
        )


def mount_point(root: Path) -> str:
    """Return where the volume is mounted that a folder lies on."""
    place = root.resolve()
    while not place.is_mount() and place != place.parent:
        place = place.parent
    return str(place)


def is_taken(final: Path) -> bool:
    """Say whether anything stands under a name, a link to nowhere included."""
    return os.path.lexists(final)


def is_file(final: Path) -> bool:
    """Say whether a file of its own stands under a name, not a link or a folder."""
    return final.is_file() and not final.is_symlink()


def changing() -> TargetUnavailable:
    """Return the error for a name that is taken one moment and free the next."""
    return TargetUnavailable(
        "Somebody else puts files into the target folder and takes them away; try again."
    )


def unreadable(error: OSError) -> TargetError:
    """Return the error for a file of the package that the system cannot open or read."""
    return TargetError(
        f"A file of the package cannot be read ({os.strerror(error.errno or 0)}). "
        "Check the working folder, then retry the batch."
    )


def changed_meanwhile() -> TargetError:
    """Return the error for a file of the package that was cut while it was read."""
    return TargetError(
        "A file of the package was changed while it was sent. "
        "Check the working folder, then retry the batch."
    )


def remove_files(root: Path, files: Iterable[Path]) -> None:
    """Remove files below ``root`` and the folders that are empty then; durable afterwards."""
    touched: set[Path] = set()
    for file in files:
        file.unlink(missing_ok=True)
        touched.add(file.parent)
    left: set[Path] = set()
    for folder in sorted(touched, key=lambda one: len(one.parts), reverse=True):
        left.add(_remove_while_empty(folder, root=root))
    sync_folders(folder for folder in left if folder.is_dir())


def _remove_while_empty(folder: Path, *, root: Path) -> Path:
    while folder != root and folder.is_relative_to(root):
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            break
        folder = folder.parent
    return folder


def inside(root: Path, relative: str) -> Path:
    """Join a relative path to a root, refusing one that would leave it."""
    if relative.startswith("/") or not {"", ".", ".."}.isdisjoint(relative.split("/")):
        raise TargetError("A file of the package has a path that would leave the target folder.")
    return root / relative


def _part_stem(name: str) -> str:
    """Return a short stand-in, since a long name has no room for a further extension."""
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:16]


def _kernel_copy(source: int, target: int, *, size: int, progress: Callable[[], None]) -> int:
    """Copy with ``copy_file_range``; return how many bytes it managed."""
    done = 0
    try:
        while done < size:
            count = os.copy_file_range(source, target, min(_BLOCK, size - done))
            if not count:
                break
            done += count
            progress()
    except OSError as error:
        if error.errno not in _NO_KERNEL_COPY:
            raise
    return done


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder; there is nothing more to do then.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)
