"""Import: every file of the folder is read and screened; what can be read is moved in.

One Image for each file that can be read.  The rows of a block of files are written before
the files are moved, under the numbers that the rows say; so a run that was killed is
simply repeated: what stands in a row is moved if it still has to be, the rest is looked at.
Unreadable files stay where they are, and their folder is renamed to ``.err``; without any,
the folder is removed.
"""

import filecmp
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from django.db import transaction
from django.db.models import Max, Sum

from sendit.deid import Header, read_header, screen
from sendit.errors import BatchStopped, Excluded, Unreadable
from sendit.pipeline import machine
from sendit.pipeline.durable import sync_folders, sync_volume
from sendit.pipeline.machine import Event, NewFinding
from sendit.pipeline.stages.inventory import (
    Found,
    free_err_name,
    inventory,
    is_read_only,
    remove_ignored,
)
from sendit.pipeline.work import Outcome, Work
from sendit.pipeline.workspace import remove_empty_folders
from sendit.records.encrypted import keyed_digest
from sendit.records.models import Batch, Finding, Image
from sendit.terms import OUTCOME_OF, Reason, Stage, Verdict
from sendit.terms import Outcome as Fate

BLOCK = 256
"""Files looked at, written down and moved together."""
ROUNDS = 5
"""How often a folder that keeps growing is looked at again."""

MESSAGES: dict[Reason, str] = {
    Reason.NOT_DICOM: "1 file is not DICOM",
    Reason.EMPTY_FILE: "1 file is empty",
    Reason.TRUNCATED: "1 file ends too early",
    Reason.MALFORMED: "1 file is damaged",
    Reason.TOO_LARGE: "1 file is larger than max_instance allows",
    Reason.LINK_OUTSIDE: "1 link leads out of the folder and was not followed",
    Reason.NO_PERMISSION: "1 file may not be read",
}


def run(work: Work) -> Outcome:
    """Take the batch's folder in."""
    folder = work.folder()
    known = _finish_moves(work, folder)
    if folder is None and not known:
        raise BatchStopped(
            "The folder is no longer in the inbox; nothing was taken in. "
            'Put it back under its name, then run "sendit retry".'
        )
    if folder is not None:
        _take_in(work, folder, known)
    return _outcome(work)


@dataclass(slots=True)
class _Known:
    """What earlier blocks and runs have written down."""

    paths: set[str] = field(default_factory=set, repr=False)
    firsts: dict[str, int] = field(default_factory=dict)
    """Number of the first file with a SOP Instance UID, by the UID's digest."""
    next_nr: int = 1

    def __bool__(self) -> bool:
        return self.next_nr > 1


def _finish_moves(work: Work, folder: Path | None) -> _Known:
    """Move what a killed run had written down but not moved, and return all that is known."""
    known = _Known()
    images = list(Image.objects.filter(batch=work.batch_id).order_by("nr"))
    for image in images:
        known.paths.add(image.source)
        if image.sop_digest:
            known.firsts[image.sop_digest] = image.nr
    unreadable = Finding.objects.filter(batch=work.batch_id, nr__isnull=False)
    known.paths.update(str(path) for path in unreadable.values_list("file", flat=True))
    last = max(unreadable.aggregate(last=Max("nr"))["last"] or 0, images[-1].nr if images else 0)
    known.next_nr = last + 1
    if images:
        _move_in(work, folder, images)
    return known


def _take_in(work: Work, folder: Path, known: _Known) -> None:
    work.workspace.check()
    for _ in range(ROUNDS):
        files = (found for found in inventory(folder) if found.path not in known.paths)
        while block := list(islice(files, BLOCK)):
            images = _write_down(work, folder, block, known)
            _move_in(work, folder, images)
            work.progress()
        if _put_away(work, folder):
            return
    raise BatchStopped(
        "New files keep arriving in the folder; see that its sender finishes under a .tmp name, "
        'then run "sendit retry".'
    )


# Looking


@dataclass(frozen=True, slots=True)
class _Seen:
    found: Found
    verdict: Verdict = Verdict.ACCEPTED
    reason: Reason | None = None
    detail: str = ""
    header: Header | None = field(default=None, repr=False)


def _look(work: Work, folder: Path, found: Found) -> _Seen:
    if found.problem is not None:
        return _Seen(found, Verdict.REJECTED, found.problem)
    if found.is_link:
        return _Seen(found, Verdict.EXCLUDED, Reason.SAME_FILE, "link inside the folder")
    header = None
    try:
        header = read_header(folder / found.path, max_bytes=work.settings.limits.max_instance)
        screen(header, accept=work.project.accept.rules())
    except Excluded as error:
        return _Seen(found, Verdict.EXCLUDED, error.reason, error.detail, header)
    except Unreadable as error:
        return _Seen(found, Verdict.REJECTED, error.reason, error.detail)
    return _Seen(found, header=header)


def _write_down(work: Work, folder: Path, block: Sequence[Found], known: _Known) -> list[Image]:
    """Look at a block of files and write their rows; return those of files to be moved."""
    images: list[Image] = []
    findings: list[NewFinding] = []
    places: dict[int, Path] = {}
    for found in block:
        nr = known.next_nr
        known.next_nr += 1
        known.paths.add(found.path)
        seen = _look(work, folder, found)
        if seen.reason is not None and OUTCOME_OF[seen.reason] is Fate.UNREADABLE:
            findings.append(_unreadable(seen, nr))
            continue
        digest = keyed_digest(seen.header.sop_instance_uid) if seen.header else ""
        places[nr] = folder / found.path
        if digest in known.firsts:
            first = known.firsts[digest]
            seen = _second(seen, places[nr], places.get(first) or _original(work, first))
            digest = ""
        elif digest:
            known.firsts[digest] = nr
        images.append(_image(work, seen, nr, digest))
    with transaction.atomic():
        Image.objects.bulk_create(images)
        findings += [_same_uid(image) for image in images if image.verdict == Verdict.REJECTED]
        machine.note(work.batch_id, findings, now=work.now())
    return images


def _original(work: Work, nr: int) -> Path:
    place = work.workspace.original(work.batch_id, nr)
    return place if place.exists() else work.workspace.original(work.batch_id, nr, excluded=True)


def _second(seen: _Seen, path: Path, first: Path) -> _Seen:
    """Judge a file whose SOP Instance UID an earlier one has."""
    if filecmp.cmp(path, first, shallow=False):
        return _Seen(seen.found, Verdict.EXCLUDED, Reason.SAME_FILE, header=seen.header)
    if seen.verdict is Verdict.EXCLUDED:
        return seen
    return _Seen(seen.found, Verdict.REJECTED, Reason.SAME_UID, header=seen.header)


def _image(work: Work, seen: _Seen, nr: int, digest: str) -> Image:
    return Image(
        batch_id=work.batch_id,
        nr=nr,
        verdict=seen.verdict,
        reason=seen.reason or "",
        detail=seen.detail,
        source=seen.found.path,
        sop_digest=digest,
        modality=seen.header.modality[:16] if seen.header else "",
        size=seen.header.size if seen.header else 0,
    )


def _unreadable(seen: _Seen, nr: int) -> NewFinding:
    reason = seen.reason or Reason.MALFORMED
    detail = f" ({seen.detail})" if seen.detail else ""
    return NewFinding(
        reason,
        f"{MESSAGES[reason]}{detail}; kept in the .err folder. Mend or remove it, "
        "then drop the folder's .err extension to hand it in again.",
        Stage.IMPORT,
        file=seen.found.path,
        nr=nr,
    )


def _same_uid(image: Image) -> NewFinding:
    return NewFinding(
        Reason.SAME_UID,
        "1 file has the SOP Instance UID of an earlier one but other content; "
        "only the first is used. Resolve the batch to go on without it.",
        Stage.IMPORT,
        file=image.source,
        image_id=image.pk,
    )


# Moving


def _move_in(work: Work, folder: Path | None, images: Iterable[Image]) -> None:
    """Move originals in, make them durable; a link and what was moved already stay as they are."""
    workspace = work.workspace
    (workspace.phi(work.batch_id) / "excluded").mkdir(mode=0o700, parents=True, exist_ok=True)
    missing = 0
    for image in images:
        excluded = image.verdict == Verdict.EXCLUDED
        place = workspace.original(work.batch_id, image.nr, excluded=excluded)
        source = None if folder is None else folder / image.source
        if source is not None and source.is_symlink():
            source.unlink()
        elif source is not None:
            missing += not _moved(work, source, place)
        elif not place.exists() and not _was_link(image):
            missing += 1
    if missing:
        raise BatchStopped(
            f"{missing} of the folder's files went away while it was imported; the others are "
            'kept. Put the folder back under its name, then run "sendit retry".'
        )
    sync_volume(workspace.phi(work.batch_id))
    sync_folders([workspace.phi(work.batch_id), workspace.phi(work.batch_id).parent])


def _was_link(image: Image) -> bool:
    return image.reason == Reason.SAME_FILE and image.size == 0


def _moved(work: Work, source: Path, place: Path) -> bool:
    try:
        if not work.workspace.take_in(source, place):
            work.progress()
    except FileNotFoundError:
        return False
    except OSError as error:
        if is_read_only(error):
            raise BatchStopped(
                "The originals may not be moved out of their folder "
                f"({os.strerror(error.errno or 0)}); make the folder writable for sendit, "
                'then run "sendit retry". They are kept where they are.'
            ) from None
        raise
    place.chmod(0o600)
    return True


def _put_away(work: Work, folder: Path) -> bool:
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
        except OSError:
            return False
    sync_folders([inbox])
    return True


# The end


def _outcome(work: Work) -> Outcome:
    images = Image.objects.filter(batch=work.batch_id)
    accepted = images.accepted()
    Batch.objects.filter(pk=work.batch_id).update(
        bytes=accepted.aggregate(total=Sum("size"))["total"] or 0
    )
    batch = Batch.objects.get(pk=work.batch_id)
    if batch.has_error and work.project.accept.on_bad_image == "stop" and not batch.accept_bad:
        raise BatchStopped(
            "The project stops a batch with a file that cannot be used. Run "
            '"sendit resolve --accept" to go on without it, or "--reject" to get everything back.'
        )
    if not accepted.exists():
        return Outcome(Event.EMPTIED, tuple(_alerts(images)))
    event = Event.IMPORTED if work.project.anonymize else Event.IMPORTED_AS_IS
    return Outcome(event, tuple(_alerts(images)))


def _alerts(images: "Iterable[Image]") -> Iterator[NewFinding]:
    counts: dict[str, int] = {}
    for image in images:
        if image.verdict == Verdict.EXCLUDED:
            counts[image.reason] = counts.get(image.reason, 0) + 1
    for reason, count in sorted(counts.items()):
        word = "file was" if count == 1 else "files were"
        yield NewFinding(
            reason,
            f"{count} {word} left out by the project's filters.",
            Stage.IMPORT,
            severity=Finding.ALERT,
        )
