"""Giving back: every original of a batch that was turned down, under its own path.

They go into the batch's own folder where that is still there, which import may have named
``.err`` already, or into a new one.  A new one is filled under a hidden name that follows from
the batch's number, and named when it is complete: a run that was killed goes on filling the
same folder, and nobody takes in half of it.
"""

import os
from contextlib import suppress
from pathlib import Path

from sendit.errors import BatchStopped
from sendit.pipeline.stages.inventory import free_err_name, is_err_name_of
from sendit.pipeline.work import Work, is_own, require_answer
from sendit.pipeline.workspace import remove_empty_folders
from sendit.records.models import Image
from sendit.storage.durable import sync_folders
from sendit.terms import Verdict


def give_back(work: Work) -> None:
    """Put the originals back, and remove what was made of them."""
    inbox = Path(work.batch.inbox)
    require_answer("inbox", inbox)
    if not inbox.is_dir():
        raise BatchStopped(
            "The inbox is not there, so the originals wait in the working folder; mount its "
            'volume, or make it, then run "sendit retry".'
        )
    own = _own_folder(work, inbox)
    filling = inbox / f".sendit-giving-back-{work.batch_id}"
    images = list(Image.objects.filter(batch=work.batch_id).order_by("nr"))
    waiting = [(image, place) for image in images if (place := _place(work, image)).exists()]
    if waiting:
        _fill(work, own or filling, waiting)
    for folder in (filling, own):
        if folder is not None and folder.is_dir() and not _is_named(work, folder):
            folder.rename(inbox / free_err_name(inbox, work.batch.folder))
            sync_folders([inbox])
    if images:
        _remove_work(work)
    else:  # files that lie under its number are another database's
        with suppress(OSError):
            remove_empty_folders(work.workspace.phi(work.batch_id))


def _fill(work: Work, folder: Path, waiting: list[tuple[Image, Path]]) -> None:
    folder.mkdir(exist_ok=True)
    touched = {folder, folder.parent}
    for image, place in waiting:
        destination = folder / image.source
        destination.parent.mkdir(parents=True, exist_ok=True)
        work.workspace.take_in(place, destination)
        touched.add(destination.parent)
        work.progress()
    sync_folders(touched)


def _place(work: Work, image: Image) -> Path:
    excluded = image.verdict == Verdict.EXCLUDED
    place = work.workspace.original(work.batch_id, image.nr, excluded=excluded)
    if place.exists():
        return place
    return work.workspace.original(work.batch_id, image.nr, excluded=not excluded)


def _is_named(work: Work, folder: Path) -> bool:
    return is_err_name_of(folder.name, work.batch.folder)


def _own_folder(work: Work, inbox: Path) -> Path | None:
    """Return the batch's folder, if import has not removed it.

    Renaming keeps a folder's inode, so the batch's own is told from another of its name.
    """
    with os.scandir(inbox) as entries:
        for entry in entries:
            named = entry.name == work.batch.folder or _is_named(work, Path(entry.path))
            is_folder = named and entry.is_dir(follow_symlinks=False)
            if is_folder and is_own(work.batch, entry.stat(follow_symlinks=False)):
                return Path(entry.path)
    return None


def _remove_work(work: Work) -> None:
    phi = work.workspace.phi(work.batch_id)
    work.workspace.remove(work.workspace.clean(work.batch_id))
    work.workspace.remove(work.workspace.previews(work.batch_id))
    work.workspace.remove(work.workspace.new(work.batch_id))
    if phi.is_dir():
        # A copy from another file system that was interrupted; its source is where it was.
        for part in phi.rglob("*.part"):
            part.unlink()
        remove_empty_folders(phi)
