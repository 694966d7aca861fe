"""Clean up: what retention allows goes; a batch that was turned down gives its originals back.

Removing what is gone is fine, so a killed run is repeated.  Nothing goes before every
required target has proven the batch, and results stay while an optional one has not.
"""

import os
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from sendit.deid.pixels.preview import write_previews
from sendit.pipeline.durable import sync_folders
from sendit.pipeline.machine import Event
from sendit.pipeline.stages import send, verify
from sendit.pipeline.stages.inventory import free_err_name
from sendit.pipeline.work import Outcome, Work, folder_key
from sendit.pipeline.workspace import remove_empty_folders
from sendit.records.models import BatchIdentifiers, Delivery, Finding, Image
from sendit.terms import DeliveryState, Status, Verdict

LAGGING = timedelta(minutes=5)
"""How long until an optional target that cannot prove the batch yet is asked again."""


def run(work: Work) -> Outcome:
    """Remove what may go now; say when the next thing may."""
    work.workspace.check()
    if work.batch.turned_down:
        _give_back(work)
        return Outcome(Event.CLEANED)
    lagging = _catch_up(work)
    now = work.now()
    due = _due(work)
    for what, moment in due.items():
        if moment <= now and not (lagging and what == "results"):
            REMOVERS[what](work)
            work.progress()
    later = [moment for moment in due.values() if moment > now]
    if lagging:
        later.append(now + LAGGING)
    return Outcome(None if later else Event.CLEANED, again_at=min(later, default=None))


def _due(work: Work) -> dict[str, datetime]:
    """Return when each thing may go; what is kept for ever is not in it."""
    retention = work.project.retention
    empty = work.batch.status == Status.EMPTY
    rules: Mapping[str, str | timedelta] = {
        "originals": retention.excluded if empty else retention.originals,
        "excluded": retention.excluded,
        "results": retention.results,
        "identifiers": retention.identifiers,
    }
    since = work.batch.finished or work.now()
    due = {}
    for what, rule in rules.items():
        if rule == "remove":
            due[what] = since
        elif isinstance(rule, timedelta):
            due[what] = since + rule
    return due


def _catch_up(work: Work) -> bool:
    """Try the optional deliveries that are open; True while one is still unproven."""
    optional = Delivery.objects.filter(batch=work.batch_id, required=False)
    if optional.filter(state__in=[DeliveryState.PENDING, DeliveryState.SENDING]).exists():
        send.deliver(work, required=False)
    if optional.filter(state=DeliveryState.SENT).exists():
        verify.prove(work, required=False)
    return optional.exclude(state=DeliveryState.VERIFIED).exists()


# Removing


def _remove_originals(work: Work) -> None:
    folder = work.workspace.phi(work.batch_id)
    work.workspace.remove(work.workspace.new(work.batch_id))
    if folder.is_dir():
        for entry in os.scandir(folder):
            if entry.is_file(follow_symlinks=False):
                Path(entry.path).unlink()
        _remove_if_empty(folder)


def _remove_excluded(work: Work) -> None:
    folder = work.workspace.phi(work.batch_id)
    work.workspace.remove(folder / "excluded")
    _remove_if_empty(folder)


def _remove_results(work: Work) -> None:
    clean = work.workspace.clean(work.batch_id)
    if clean.is_dir() and work.project.anonymize:
        images = Image.objects.accepted().filter(batch=work.batch_id).exclude(file="")
        write_previews(
            clean,
            images.order_by("series_instance_uid", "file").values_list(
                "series_instance_uid", "file"
            ),
            work.workspace.previews(work.batch_id),
        )
    work.workspace.remove(clean)


def _remove_identifiers(work: Work) -> None:
    BatchIdentifiers.objects.filter(batch=work.batch_id).delete()
    Image.objects.filter(batch=work.batch_id).update(source=None)
    Finding.objects.filter(batch=work.batch_id).update(file=None)


REMOVERS: Mapping[str, Callable[[Work], None]] = {
    "originals": _remove_originals,
    "excluded": _remove_excluded,
    "results": _remove_results,
    "identifiers": _remove_identifiers,
}


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


# Giving back


def _give_back(work: Work) -> None:
    """Put every original back under its own path, into the batch's ``.err`` folder."""
    images = list(Image.objects.filter(batch=work.batch_id).order_by("nr"))
    waiting = [(image, place) for image in images if (place := _place(work, image)).exists()]
    if waiting:
        folder = _err_folder(work)
        for image, place in waiting:
            destination = folder / image.source
            destination.parent.mkdir(parents=True, exist_ok=True)
            work.workspace.take_in(place, destination)
            work.progress()
        sync_folders([folder, folder.parent])
    work.workspace.remove(work.workspace.clean(work.batch_id))
    work.workspace.remove(work.workspace.new(work.batch_id))
    if work.workspace.phi(work.batch_id).is_dir():
        remove_empty_folders(work.workspace.phi(work.batch_id))
    _remove_identifiers(work)


def _place(work: Work, image: Image) -> Path:
    excluded = image.verdict == Verdict.EXCLUDED
    place = work.workspace.original(work.batch_id, image.nr, excluded=excluded)
    if place.exists():
        return place
    return work.workspace.original(work.batch_id, image.nr, excluded=not excluded)


def _err_folder(work: Work) -> Path:
    """Return the folder that import left for the unreadable files, or a new one.

    Renaming keeps a folder's inode, so the batch's own is told from another of its name.
    """
    inbox = Path(work.batch.inbox)
    prefix = f"{work.batch.folder}.err"
    for entry in os.scandir(inbox):
        own = entry.name.startswith(prefix) and entry.is_dir(follow_symlinks=False)
        if own and folder_key(entry.stat(follow_symlinks=False)) == work.batch.folder_key:
            return Path(entry.path)
    folder = inbox / free_err_name(inbox, work.batch.folder)
    folder.mkdir()
    return folder
