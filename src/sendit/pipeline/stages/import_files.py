"""Import: every file of the folder is read and screened; what can be read is moved in.

One Image for each file that can be read.  The rows of a block of files are written before
the files are moved, under the numbers that the rows say; so a run that was killed is
simply repeated: what stands in a row is moved if it still has to be, the rest is looked at.
Unreadable files stay where they are, and their folder is renamed to ``.err``; without any,
the folder is removed.
"""

import filecmp
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from django.db import transaction
from django.db.models import Count, Max, QuerySet

from sendit.deid import Header, known_modality, read_header, screen
from sendit.errors import BatchStopped, Excluded, Rejected, Unreadable
from sendit.pipeline import machine
from sendit.pipeline.asking import fields_of
from sendit.pipeline.machine import Event, NewFinding
from sendit.pipeline.stages.inventory import Found, inventory
from sendit.pipeline.stages.moving import move_in, put_away, went_away
from sendit.pipeline.work import Outcome, Work, require_answer
from sendit.records.encrypted import keyed_digest
from sendit.records.models import Batch, Finding, Image
from sendit.terms import EMPTY_FOLDER, OUTCOME_OF, Reason, Stage, Verdict
from sendit.terms import Outcome as Fate

BLOCK = 256
"""Files looked at, written down and moved together."""
ANNOUNCED = "NumberOfSeriesRelatedInstances"
ROUNDS = 5
"""How often a folder that keeps growing is looked at again."""

MESSAGES: dict[Reason, str] = {
    Reason.NOT_DICOM: "1 file is not DICOM",
    Reason.EMPTY_FILE: "1 file is empty",
    Reason.TRUNCATED: "1 file ends too early",
    Reason.MALFORMED: "1 file is damaged",
    Reason.TOO_LARGE: "1 file is larger than max_instance allows, or holds far too much",
    Reason.LINK_OUTSIDE: "1 link was not followed, since it leads to no file of the folder",
    Reason.NO_PERMISSION: "1 file may not be read",
}
CLOSED_FOLDER = "1 folder may not be read, with all that lies in it"
TOLD = (Reason.NOT_DICOM, Reason.EMPTY_FILE, Reason.NO_PERMISSION)
"""Of these the detail would say it again."""

BY_FILTER = " by the project's filters"
EXCLUSIONS: dict[str, str] = {
    Reason.DICOMDIR: ": a DICOMDIR names the patient and holds no image",
    Reason.SAME_FILE: ": the same file is there already",
}


def run(work: Work) -> Outcome:
    """Take the batch's folder in."""
    work.asking.clear()
    work.workspace.check()
    require_answer("inbox", inbox := Path(work.batch.inbox))
    folder = work.folder()
    known = _finish_moves(work, folder)
    if not known:
        _require_empty_places(work)
    if folder is None and not known:
        raise BatchStopped(
            "The folder is no longer in the inbox; nothing was taken in. "
            'Put it back under its name, then run "sendit retry".'
            if inbox.is_dir()
            else "The inbox is not there; nothing was taken in. Mount its volume, or make it, then "
            'run "sendit retry".'
        )
    if folder is not None:
        try:
            _take_in(work, folder, known)
        except FileNotFoundError:
            if folder.exists():
                raise
            raise went_away() from None
    return _outcome(work)


def _require_empty_places(work: Work) -> None:
    """Return if no file of another batch stands where this one's are to go.

    A database that is younger or older than the working area gives numbers a second time; what
    the first bearer left there would be mixed in, and removed with this batch.
    """
    for place in (work.workspace.phi(work.batch_id), work.workspace.clean(work.batch_id)):
        if any(path.is_file() for path in place.rglob("*")):
            raise BatchStopped(
                f"{place} holds files that this database knows nothing of; was it restored from "
                "a backup, or is it a new one? Nothing was taken in. Move that folder away and "
                'see what it is, then run "sendit retry".'
            )


@dataclass(slots=True)
class _Known:
    """What earlier blocks and runs have written down."""

    paths: set[str] = field(default_factory=set, repr=False)
    firsts: dict[str, int] = field(default_factory=dict)
    """Number of the first file with a SOP Instance UID, by the UID's digest."""
    next_nr: int = 1
    was_empty: bool = False

    def __bool__(self) -> bool:
        return self.next_nr > 1 or self.was_empty


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
    known.was_empty = Finding.objects.filter(batch=work.batch_id, code=EMPTY_FOLDER).exists()
    last = max(unreadable.aggregate(last=Max("nr"))["last"] or 0, images[-1].nr if images else 0)
    known.next_nr = last + 1
    if images:
        move_in(work, folder, images)
    return known


def _take_in(work: Work, folder: Path, known: _Known) -> None:
    for _ in range(ROUNDS):
        files = (found for found in inventory(folder) if found.path not in known.paths)
        while block := list(islice(files, BLOCK)):
            images = _write_down(work, folder, block, known)
            move_in(work, folder, images)
            work.progress()
        if not known:
            _note_empty_folder(work)
        if put_away(work, folder):
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
        header = read_header(
            folder / found.path,
            fields=(ANNOUNCED, *(fields_of(work.project) if work.project.anonymize else ())),
            knowledge=work.project.anonymize,
            max_bytes=work.settings.limits.max_instance,
        )
        screen(header, accept=work.project.accept.rules())
    except Excluded as error:
        return _Seen(found, Verdict.EXCLUDED, error.reason, error.detail, header)
    except Rejected as error:
        return _Seen(found, Verdict.REJECTED, error.reason, error.detail, header)
    except Unreadable as error:
        if _is_gone(folder / found.path):
            raise went_away(1) from None
        return _Seen(found, Verdict.REJECTED, error.reason, error.detail)
    return _Seen(found, header=header)


def _is_gone(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:  # it is there, only its path is too long to be said
        return False
    return False


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
        work.progress()
        if seen.reason is not None and OUTCOME_OF[seen.reason] is Fate.UNREADABLE:
            findings.append(_unreadable(seen, nr))
            continue
        judged = seen.verdict is not Verdict.REJECTED
        digest = keyed_digest(seen.header.sop_instance_uid) if seen.header and judged else ""
        places[nr] = folder / found.path
        if digest in known.firsts:
            first = known.firsts[digest]
            seen = _second(seen, places[nr], places.get(first) or _original(work, first))
            digest = ""
        elif digest:
            known.firsts[digest] = nr
        if seen.verdict is Verdict.ACCEPTED and seen.header and work.project.anonymize:
            work.asking.add(work.project, nr, seen.header)
        images.append(_image(work, seen, nr, digest))
    with transaction.atomic():
        machine.renew(work.claim, now=work.now())
        Image.objects.bulk_create(images)
        findings += [_rejected(image) for image in images if image.verdict == Verdict.REJECTED]
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
        series_digest=_series_digest(seen.header),
        announced=_announced(seen.header),
        modality=known_modality(seen.header) if seen.header else "",
        size=seen.header.size if seen.header else 0,
    )


def _series_digest(header: Header | None) -> str:
    if header is None or not header.series_instance_uid:
        return ""
    return keyed_digest(f"series {header.series_instance_uid}")


def _announced(header: Header | None) -> int | None:
    """Return how many instances the sender says that the series has."""
    said = header.values.get(ANNOUNCED, "").strip() if header else ""
    return int(said) if said.isdecimal() and len(said) < 8 else None


def _unreadable(seen: _Seen, nr: int) -> NewFinding:
    reason = seen.reason or Reason.MALFORMED
    what = CLOSED_FOLDER if seen.found.is_folder else MESSAGES[reason]
    detail = f" ({seen.detail})" if seen.detail and reason not in TOLD else ""
    return NewFinding(
        reason,
        f"{what}{detail}; kept in the .err folder. Mend or remove it, "
        "then drop the folder's .err extension to hand it in again.",
        Stage.IMPORT,
        file=seen.found.path,
        nr=nr,
    )


def _rejected(image: Image) -> NewFinding:
    what = (
        "has the SOP Instance UID of an earlier one but other content; only the first is used"
        if image.reason == Reason.SAME_UID
        else f"is of a kind that cannot be used ({image.detail}); its original is kept"
    )
    return NewFinding(
        image.reason,
        f"1 file {what}. Resolve the batch to go on without it.",
        Stage.IMPORT,
        file=image.source,
        image_id=image.pk,
    )


# The end


def _outcome(work: Work) -> Outcome:
    images = Image.objects.filter(batch=work.batch_id)
    accepted = images.accepted()
    machine.count_bytes(work.batch_id)
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


def _note_empty_folder(work: Work) -> None:
    """Say why there is nothing, before the folder is removed and nobody can tell any more."""
    with transaction.atomic():
        machine.renew(work.claim, now=work.now())
        message = "The folder held no file."
        finding = NewFinding(EMPTY_FOLDER, message, Stage.IMPORT, severity=Finding.ALERT)
        machine.note(work.batch_id, [finding], now=work.now())


def _alerts(images: QuerySet[Image]) -> Iterator[NewFinding]:
    excluded = images.filter(verdict=Verdict.EXCLUDED).values_list("reason")
    for reason, count in excluded.annotate(n=Count("pk")).order_by("reason"):
        word = "file was" if count == 1 else "files were"
        yield NewFinding(
            reason,
            f"{count} {word} left out{EXCLUSIONS.get(reason, BY_FILTER)}.",
            Stage.IMPORT,
            severity=Finding.ALERT,
        )
