"""QUEUE to NEW: so many batches at once, in order, and only while there is room for them.

What a batch will need is known from its folder, so it waits *before* a volume is full.  The
first that does not fit holds back those behind it, or a large one would never come in; only
one that could never fit is passed over.
"""

from dataclasses import dataclass
from datetime import datetime

from sendit.config import Configuration
from sendit.config.quantities import format_size
from sendit.errors import VolumeMissing
from sendit.pipeline import machine
from sendit.pipeline.pausing import paused
from sendit.pipeline.room import Copied, Need, Room, need_of, need_of_admitted, room_in
from sendit.pipeline.workspace import Workspace
from sendit.records.models import Batch
from sendit.records.prepared import Prepared

_LOOKED_AT = ("inbox", "expected_bytes", "expected_files")
LOOKED_AT = 200
"""So many waiting batches are looked at in one turn."""


@dataclass(frozen=True, slots=True)
class _Decision:
    batches: tuple[int, ...] = ()
    obstacle: str | None = None


def admit(configuration: Configuration, *, now: datetime, limit: int | None = None) -> list[int]:
    """Let waiting batches in while there is room; return their numbers.

    ``limit`` bounds how many; None: as many as ``batches_at_once`` allows.
    """
    if not anything_waits():
        return []
    if limit is None:
        places = configuration.settings.limits.batches_at_once - Batch.objects.admitted().count()
    else:
        places = limit
    if places <= 0:
        return []
    chosen = _decide(configuration, places=places).batches
    return [batch_id for batch_id in chosen if machine.admit(batch_id, now=now)]


def anything_waits() -> bool:
    """Say whether a batch waits to be let in."""
    return _QUEUED.row() is not None


_QUEUED = Prepared(lambda: Batch.objects.queued().values_list("pk")[:1])


def obstacle(configuration: Configuration) -> str | None:
    """Return why nothing is let in now, in words for an operator, or None."""
    decision = _decide(configuration, places=1)
    return None if decision.batches else decision.obstacle


def _decide(configuration: Configuration, *, places: int) -> _Decision:
    """Choose whom to let in, and say what keeps the next one out."""
    workspace = Workspace(configuration.settings.work_dir)
    try:
        workspace.check()
    except VolumeMissing as error:
        return _Decision(obstacle=str(error))
    if paused().node:
        return _Decision(obstacle='The node is paused; "sendit resume" lets it go on.')
    limits = configuration.settings.limits
    rooms = {volume.stat().st_dev: room_in(volume) for volume in workspace.volumes}
    for room in rooms.values():
        if short := room.misses(Need(), limits):
            return _Decision(obstacle=_no_room(room, short, configuration))
    working = rooms[(workspace.work_dir / "phi").stat().st_dev]
    copied = Copied(workspace)
    planned = need_of_admitted(copied)
    chosen: list[int] = []
    too_large: int | None = None
    for batch in Batch.objects.may_be_let_in().only(*_LOOKED_AT)[:LOOKED_AT]:
        if len(chosen) >= places:
            break
        need = need_of(batch, copied)
        if working.never_holds(need, limits):
            too_large = too_large or batch.pk
            continue
        if working.misses(planned + need, limits):
            return _Decision(tuple(chosen), _does_not_fit(batch, need))
        planned += need
        chosen.append(batch.pk)
    if too_large and not chosen:
        return _Decision(
            obstacle=f"Batch {too_large} is larger than its working volume can ever hold with "
            "min_free_disk and min_free_inodes kept: give it a larger volume, or reject it."
        )
    return _Decision(tuple(chosen))


def _no_room(room: Room, short: str, configuration: Configuration) -> str:
    limits = configuration.settings.limits
    asked = (
        format_size(limits.min_free_disk)
        if short == "min_free_disk"
        else f"{limits.min_free_inodes} inodes"
    )
    # Without the number of free bytes: a text that changes with every file is logged anew.
    return (
        f"Less is free in {room.volume} than {short} asks for ({asked}): nothing new is let in "
        "until there is room."
    )


def _does_not_fit(batch: Batch, need: Need) -> str:
    return (
        f"Batch {batch.pk} waits for room: with what is on its way it would leave less than "
        f"min_free_disk or min_free_inodes ask for (it needs {_megabytes(need.size)} and "
        f"{need.inodes} inodes). It goes on by itself."
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"
