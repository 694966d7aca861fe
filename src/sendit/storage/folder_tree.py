"""Keep the files of a package in a folder, each under a path of its own.

A few at a time: written, synced together, then given their names; see ``durable``.  Files that
are given away need not be written again on the volume they lie on: they get a second name, and
the first goes when the workspace is cleaned up.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from sendit.errors import TargetConflict
from sendit.storage.archive import Entry
from sendit.storage.base import Progress, Removal
from sendit.storage.durable import (
    changing,
    copy_into,
    inside,
    is_file,
    is_taken,
    make_folders,
    mode_of_new_files,
    publish,
    remove_files,
    remove_stale_parts,
    require_folder,
    sha256_of,
    sync_file,
    sync_folders,
    sync_volume,
    take_over,
    target_errors,
    write_part,
)
from sendit.storage.outgoing import require_all_there

_CHUNK, _CHUNK_BYTES = 128, 256 * 1024 * 1024
"""So much is written before it is synced: a sync costs more than writing a few files."""
_READERS = 4
"""Files that are read back at once: digests need processors, network mounts let one wait."""


def store_files(
    root: Path, entries: Sequence[Entry], *, given_away: bool = False, progress: Progress
) -> None:
    """Store every file that is not there yet.

    Parameters
    ----------
    given_away
        Whether the files themselves may be kept: they are durable, nobody else gets them, and
        their own names will go.

    Raises
    ------
    sendit.errors.TargetError
        As ``Target.send`` says.
    """
    require_folder(root)
    finals = [inside(root, entry.name) for entry in entries]
    with target_errors(root, doing="Writing"):
        start = 0
        while start < len(entries):
            end = start + _fitting(entries[start : start + _CHUNK])
            _store(root, entries[start:end], finals[start:end], progress, given_away=given_away)
            start = end
        sync_folders(_folders_of(finals, root=root))
        remove_stale_parts(finals)


def verify_files(root: Path, entries: Sequence[Entry], *, progress: Progress) -> None:
    """Read every file back and compare its SHA-256.

    Raises
    ------
    sendit.errors.InstancesMissing
        When some are not there; ``failures`` names them all.
    sendit.errors.VerificationFailed
        When one has other content; ``failures`` names them and what is missing.
    """
    require_folder(root)
    missing: dict[str, str] = {}
    other: dict[str, str] = {}

    def read_back(final: Path) -> str | None:
        found = sha256_of(final, progress=progress) if is_file(final) else None
        progress()
        return found

    finals = [inside(root, entry.name) for entry in entries]
    with target_errors(root, doing="Reading back"), ThreadPoolExecutor(_READERS) as readers:
        contents = list(readers.map(read_back, finals))
    for entry, found in zip(entries, contents, strict=True):
        if found is None:
            missing[entry.key] = f"{entry.title} is not in the target folder {root} any more."
        elif found != entry.sha256:
            other[entry.key] = (
                f"{entry.title} has other content in the target folder {root} than was "
                "sent. Move it away if it does not belong there, then retry the batch."
            )
    require_all_there(missing, other)


def remove_stored(
    root: Path, files: Mapping[str, tuple[str, str]], *, progress: Progress
) -> Removal:
    """Remove files by key, each with its path and SHA-256; look afterwards whether they are gone.

    What has other content is somebody else's and stays.
    """
    require_folder(root)
    left: dict[str, str] = {}
    with target_errors(root, doing="Removing"):
        mine: dict[str, Path] = {}
        for key, (place, sha256) in files.items():
            final = inside(root, place)
            if not is_taken(final):
                continue
            if is_file(final) and sha256_of(final, progress=progress) == sha256:
                mine[key] = final
            else:
                left[key] = f"{place} has other content than was sent; it was not touched."
            progress()
        remove_files(root, mine.values())
        for key, final in mine.items():
            if is_taken(final):
                left[key] = f"{files[key][0]} is there again."
    return Removal(tuple(key for key in files if key not in left), left)


def _store(
    root: Path,
    entries: Sequence[Entry],
    finals: Sequence[Path],
    progress: Progress,
    *,
    given_away: bool,
) -> None:
    """Store a few files: look at all, write all, sync all, then give all their names."""
    missing: list[tuple[Path, Entry]] = []
    for entry, final in zip(entries, finals, strict=True):
        if not _is_there(final, entry, progress):
            missing.append((final, entry))
        progress()
    parts: list[tuple[Path, Path, Entry]] = []
    mode = mode_of_new_files() if given_away else None
    try:
        for final, entry in missing:
            make_folders(final.parent, root=root)
            if not (given_away and take_over(entry.source, final, size=entry.size, mode=mode)):
                parts.append((write_part(final, _copier(entry, progress)), final, entry))
            progress()
        if parts:
            sync_volume(root)
        for part, _, _ in parts:
            # Costs little after that, and hears of errors that network file systems report late.
            sync_file(part)
        for part, final, entry in parts:
            if not publish(part, final) and not _is_there(final, entry, progress):
                raise changing()
    except BaseException:
        for part, _, _ in parts:
            part.unlink(missing_ok=True)
        raise


def _folders_of(finals: Sequence[Path], *, root: Path) -> set[Path]:
    """Return the folders of some files, up to the root: whoever made them may have been killed."""
    folders = {root}
    for final in finals:
        folder = final.parent
        while folder not in folders:
            folders.add(folder)
            folder = folder.parent
    return folders


def _fitting(entries: Sequence[Entry]) -> int:
    """Return how many of some files, at least one, are written before a sync."""
    sizes = accumulate(entry.size for entry in entries)
    return max(1, sum(size <= _CHUNK_BYTES for size in sizes))


def _copier(entry: Entry, progress: Progress) -> Callable[[BinaryIO], None]:
    return partial(copy_into, source=entry.source, size=entry.size, progress=progress)


def _is_there(final: Path, entry: Entry, progress: Progress) -> bool:
    """Say whether this very file stands at the target already; raise when another does."""
    if not is_taken(final):
        return False
    same_size = is_file(final) and final.stat().st_size == entry.size
    if same_size and sha256_of(final, progress=progress) == entry.sha256:
        return True
    raise TargetConflict(
        f"{entry.title} stands in the target folder already, with other content; "
        f"nothing was overwritten. Move it away if it does not belong there, then retry the batch."
    )
