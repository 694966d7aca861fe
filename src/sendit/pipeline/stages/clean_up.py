"""Clean up: what retention allows goes, at its time.

Deciding and removing are two steps, each with a claim of its own: first it is written down
what goes, then it goes.  Removing what is gone is fine, so a killed run is repeated.  Nothing
goes before every required target has proven the batch, and what an optional one still needs
stays until it has.  A batch that was turned down is given back instead (``giving_back.py``).
"""

from collections.abc import Callable, Mapping

from sendit.deid.pixels.preview import write_previews
from sendit.errors import BatchStopped
from sendit.pipeline import machine
from sendit.pipeline.machine import Event
from sendit.pipeline.retention import due, excluded_numbers, held_back
from sendit.pipeline.stages import giving_back, send, verify
from sendit.pipeline.work import Outcome, Work
from sendit.pipeline.zones import LAGGING, lags, zone_of
from sendit.records.models import Batch, BatchIdentifiers, Finding, Image
from sendit.records.prepared import Prepared
from sendit.terms import Status, Zone

_REMOVALS = Prepared(lambda batch: Batch.objects.filter(pk=batch).values_list("removals"))
_IMAGES = Prepared(lambda batch: Image.objects.filter(batch=batch))
_FINDINGS = Prepared(lambda batch: Finding.objects.filter(batch=batch))


def run(work: Work) -> Outcome:
    """Remove what was decided to go, or decide what may go now; say when the next thing may."""
    if work.zone is Zone.OUT:
        _catch_up(work)
        now = work.now()
        still_here = zone_of(work.batch, now=now) is Zone.OUT
        return Outcome(None, again_at=now + LAGGING if still_here else now)  # then the other zone
    work.workspace.check()
    work.workspace.remove(work.workspace.new(work.batch_id))  # of workers that were killed
    if work.batch.turned_down:
        giving_back.give_back(work)
        remove_identifiers(work)
        return Outcome(Event.CLEANED)
    if work.batch.status not in (Status.DONE, Status.EMPTY):
        raise BatchStopped("Nothing is removed before every required target has proven the batch.")
    _remove_decided(work)
    lagging = _catch_up(work)
    if lagging and work.zone and zone_of(work.batch, now=work.now()) is Zone.OUT:
        return Outcome(None, again_at=work.now())
    now = work.now()
    times = due(work.batch, work.project, work.workspace, now=now)
    if lagging:
        times = held_back(times, work.project, until=now + LAGGING)
    [(decided,)] = _REMOVALS.rows(batch=work.batch_id)
    ready = [
        what
        for what, moment in times.items()
        if moment <= now and what in REMOVERS and what not in decided
    ]
    if ready:
        machine.decide_removals(work.claim, ready, now=now)
        return Outcome(None, again_at=now)
    later = [moment for what, moment in times.items() if moment > now]
    if later:
        return Outcome(None, again_at=min(later))
    return Outcome(Event.FORGOTTEN if "rows" in times else Event.CLEANED)


def _remove_decided(work: Work) -> None:
    """Remove what an earlier step has decided to remove."""
    going = [what for what, when in work.batch.removals.items() if when["gone"] is None]
    for what in going:
        REMOVERS[what](work)
        work.progress()
    if going:
        machine.removals_done(work.claim, going, now=work.now())


def _catch_up(work: Work) -> bool:
    """Try the optional deliveries that are open and due; True while one is still unproven.

    Where the zones are apart only the one with the way out tries.
    """
    if work.zone is Zone.PHI and work.project.anonymize:
        return lags(work.batch_id)
    if not lags(work.batch_id):
        return False
    send.deliver(work, optional_alone=True)
    verify.prove(work, optional_alone=True)
    return lags(work.batch_id)


# Removing


def _remove_originals(work: Work) -> None:
    folder = work.workspace.phi(work.batch_id)
    # What was excluded after import, by the engine or by a person, still lies here.
    work.workspace.remove_files(folder, but=excluded_numbers(work.batch_id) | {"excluded"})
    work.workspace.remove_if_empty(folder / "excluded")
    work.workspace.remove_if_empty(folder)


def _remove_excluded(work: Work) -> None:
    folder = work.workspace.phi(work.batch_id)
    work.workspace.remove(folder / "excluded")
    for nr in excluded_numbers(work.batch_id):
        (folder / f"{nr}.dcm").unlink(missing_ok=True)
    work.workspace.remove_if_empty(folder)


def _remove_results(work: Work) -> None:
    clean = work.workspace.clean(work.batch_id)
    if clean.is_dir() and work.project.anonymize and work.project.retention.previews != "remove":
        images = Image.objects.accepted().filter(batch=work.batch_id).exclude(file="")
        write_previews(
            clean,
            images.order_by("series_instance_uid", "file").values_list(
                "series_instance_uid", "file"
            ),
            work.workspace.previews(work.batch_id),
            progress=work.progress,
        )
    work.workspace.discard(clean)


def _remove_previews(work: Work) -> None:
    work.workspace.discard(work.workspace.previews(work.batch_id))


def remove_identifiers(work: Work) -> None:
    """Remove what links old names and new ones: the service's answer, and the paths of files."""
    BatchIdentifiers.objects.filter(batch=work.batch_id).delete()
    _IMAGES.update({"source": None}, batch=work.batch_id)
    _FINDINGS.update({"file": None}, batch=work.batch_id)


REMOVERS: Mapping[str, Callable[[Work], None]] = {
    "originals": _remove_originals,
    "excluded": _remove_excluded,
    "results": _remove_results,
    "identifiers": remove_identifiers,
    "previews": _remove_previews,
}
