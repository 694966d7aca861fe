"""Keep the Studies of a package in a folder, each as one archive; see ``archive``."""

import tarfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from sendit.errors import TargetConflict
from sendit.storage.archive import Archive, read_archive, write_archive
from sendit.storage.base import Progress, Removal
from sendit.storage.durable import (
    changing,
    inside,
    is_file,
    is_taken,
    publish,
    remove_files,
    remove_stale_parts,
    require_folder,
    sync_file,
    sync_folders,
    target_errors,
    write_part,
)
from sendit.storage.outgoing import require_all_there


def store_archives(root: Path, archives: Sequence[Archive], *, progress: Progress) -> None:
    """Store every archive that is not there yet.

    Raises
    ------
    sendit.errors.TargetError
        As ``Target.send`` says.
    """
    require_folder(root)
    finals = [root / archive.file_name for archive in archives]
    with target_errors(root, doing="Writing"):
        for archive, final in zip(archives, finals, strict=True):
            _store(archive, final, progress)
        sync_folders([root])
        remove_stale_parts(finals)


def verify_archives(root: Path, archives: Sequence[Archive], *, progress: Progress) -> None:
    """Read every archive back and compare the SHA-256 of everything in it.

    Raises
    ------
    sendit.errors.InstancesMissing
        When some are not there.
    sendit.errors.VerificationFailed
        When one is damaged, or holds anything else.
    """
    require_folder(root)
    missing: dict[str, str] = {}
    other: dict[str, str] = {}
    for archive in archives:
        final = root / archive.file_name
        with target_errors(root, doing="Reading back"):
            there = is_file(final)
            same = there and _holds(final, archive, progress)
        if not there:
            missing |= _all_of(
                archive, f"{archive.file_name} is not in the target folder {root} any more."
            )
        elif not same:
            other |= _all_of(
                archive,
                f"{archive.file_name} in the target folder {root} does not hold what was sent. "
                "Move it away if it does not belong there, then retry the batch.",
            )
    require_all_there(missing, other)


def _all_of(archive: Archive, reason: str) -> dict[str, str]:
    return {entry.key: reason for entry in archive.entries}


def remove_archives(
    root: Path, archives: Mapping[str, Mapping[str, str]], *, progress: Progress
) -> Removal:
    """Remove archives that hold what a receipt lists, and nothing else.

    Parameters
    ----------
    root
        The target's folder.
    archives
        By file name: the SHA-256 of what was packed, by SOP Instance UID.
    progress
        Called after each block.
    """
    require_folder(root)
    left: dict[str, str] = {}
    for name, digests in archives.items():
        final = inside(root, name)
        with target_errors(root, doing="Removing"):
            if not is_taken(final):
                continue
            reason = _why_not(final, name, digests, progress)
            if not reason:
                remove_files(root, [final])
                reason = f"{name} is there again." if is_taken(final) else ""
        if reason:
            left |= dict.fromkeys(digests, reason)
    gone = (key for digests in archives.values() for key in digests if key not in left)
    return Removal(tuple(gone), left)


def _why_not(final: Path, name: str, digests: Mapping[str, str], progress: Progress) -> str:
    """Return why an archive may not be removed; empty when it may."""
    found = _content(final, progress) if is_file(final) else None
    if found is None:
        return f"{name} is no archive, or damaged; it was not touched."
    there = {PurePosixPath(path).stem: digest for path, digest in found.items()}
    if there.keys() - digests.keys():
        return f"{name} also holds other instances; it was not touched."
    if any(digests[uid] != digest for uid, digest in there.items()):
        return f"{name} has other content than was sent; it was not touched."
    return ""


def _store(archive: Archive, final: Path, progress: Progress) -> None:
    if _is_there(archive, final, progress):
        return
    part = write_part(final, partial(write_archive, archive=archive, progress=progress))
    try:
        sync_file(part)
        if not publish(part, final) and not _is_there(archive, final, progress):
            raise changing()
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _is_there(archive: Archive, final: Path, progress: Progress) -> bool:
    if not is_taken(final):
        return False
    if is_file(final) and _holds(final, archive, progress):
        return True
    raise TargetConflict(
        f"{archive.file_name} stands in the target folder already, with other content; "
        f"nothing was overwritten. Move it away if it does not belong there, then retry the batch."
    )


def _holds(final: Path, archive: Archive, progress: Progress) -> bool:
    """Say whether an archive has exactly these files in it."""
    return _content(final, progress) == {entry.name: entry.sha256 for entry in archive.entries}


def _content(final: Path, progress: Progress) -> Mapping[str, str] | None:
    try:
        with final.open("rb") as stream:
            return read_archive(stream, progress=progress)
    except tarfile.TarError:
        return None
