"""Moving: originals go from their folder into the working area, and the folder is put away.

What stands in a row is moved under the number that the row says; a move that was made by a
run that was killed is fine.  A name that leads to another file than the row was written for
is never taken.
"""

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from sendit.errors import BatchStopped
from sendit.pipeline.stages.inventory import free_err_name, inventory, is_read_only, remove_ignored
from sendit.pipeline.work import Work
from sendit.pipeline.workspace import remove_empty_folders
from sendit.records.models import Finding, Image
from sendit.storage.durable import sync_folders, sync_volume
from sendit.terms import Reason, Verdict


def move_in(work: Work, folder: Path | None, images: Iterable[Image]) -> None:
    """Move originals in and make them durable; a link inside the folder just goes.

    Raises
    ------
    BatchStopped
        When a file went away, may not be moved, or is not the one that was looked at.
    """
    workspace = work.workspace
    workspace.make_phi(work.batch_id, "excluded")
    missing = 0
    for image in images:
        excluded = image.verdict == Verdict.EXCLUDED
        place = workspace.original(work.batch_id, image.nr, excluded=excluded)
        source = None if folder is None else folder / image.source
        if _was_link(image):
            if source is not None and source.is_symlink():
                source.unlink()
        elif source is None:
            missing += not place.exists()
        else:
            # After a pause the claim may be lost and another folder stand under the name.
            work.progress()
            missing += not _moved(work, source, place)
    if missing:
        raise went_away(missing)
    sync_volume(workspace.phi(work.batch_id))
    sync_folders([workspace.phi(work.batch_id), workspace.phi(work.batch_id).parent])


def went_away(count: int | None = None) -> BatchStopped:
    """Return the error of a folder, or some of its files, that is not where it was."""
    what = "The folder" if count is None else f"{count} of the folder's files"
    return BatchStopped(
        f"{what} went away while it was imported; what was taken in is kept. "
        'Put the folder back under its name, then run "sendit retry".'
    )


def _was_link(image: Image) -> bool:
    return image.reason == Reason.SAME_FILE and image.size == 0


def _moved(work: Work, source: Path, place: Path) -> bool:
    try:
        if not place.exists() and not _is_reached_without_links(work, source):
            return False
        work.workspace.take_in(source, place)
    except FileNotFoundError:
        return False
    except FileExistsError:
        raise BatchStopped(
            "A file was replaced by another one while it was imported; both are kept. Take the "
            'new file out of the folder, then run "sendit retry".'
        ) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _replaced_by_link() from None
        if is_read_only(error):
            raise BatchStopped(
                "The originals may not be moved out of their folder "
                f"({os.strerror(error.errno or 0)}); make the folder writable for sendit, "
                'then run "sendit retry". They are kept where they are.'
            ) from None
        raise
    if not stat.S_ISREG(place.lstat().st_mode):
        # Somebody put a link into the place of a file that had been looked at.
        place.rename(source)
        raise _replaced_by_link()
    place.chmod(0o600)
    return True


def _is_reached_without_links(work: Work, source: Path) -> bool:
    """Say whether a path leads through the batch's own folder and real folders below it only."""
    folder = work.folder()
    if folder is None:
        return False
    for parent in source.parents:
        if parent == folder:
            return True
        if not stat.S_ISDIR(parent.lstat().st_mode):
            return False
    return False


def _replaced_by_link() -> BatchStopped:
    return BatchStopped(
        "A file was replaced by a link while it was imported; the link was not followed. "
        'Put the file back, then run "sendit retry".'
    )


def put_away(work: Work, folder: Path) -> bool:
    """Remove the emptied folder, or rename it when unreadable files stay; False: it has grown."""
    unreadable = set(
        Finding.objects.filter(batch=work.batch_id, nr__isnull=False).values_list("file", flat=True)
    )
    left = {found.path for found in inventory(folder)}
    if left - unreadable:
        return False
    inbox = folder.parent
    if left:
        folder.rename(inbox / free_err_name(inbox, folder.name))
    else:
        remove_ignored(folder)
        try:
            remove_empty_folders(folder)
        except FileNotFoundError:
            raise
        except OSError:
            return False
    sync_folders([inbox])
    return True
