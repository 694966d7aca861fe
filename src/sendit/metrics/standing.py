"""How a batch stands, for a person: a word, a shape and a tone beside its public state.

The state says where a batch is; this says whether anybody has to care.  Nothing is asked of
the database, and no name is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any  # a delivery as ``metrics.status`` describes it

from sendit.metrics.wording import moment_text
from sendit.pipeline.machine.table import HELD_MANUAL, HELD_STATIC
from sendit.pipeline.pausing import OUTWARD
from sendit.records.models import Batch
from sendit.terms import EMPTY_FOLDER, OUTCOME_OF, DeliveryState, Outcome, Reason, Stage, Status

DOING: dict[str, str] = {
    Stage.IMPORT: "being read in",
    Stage.IDENTIFY: "asking for new identities",
    Stage.DEIDENTIFY: "being de-identified",
    Stage.SEND: "being sent",
    Stage.VERIFY: "being verified at its targets",
    Stage.CLEAN_UP: "being cleaned up",
}

_TAKEN = (DeliveryState.SENT, DeliveryState.VERIFIED)

OF_FILES = frozenset(
    code
    for code, outcome in OUTCOME_OF.items()
    if outcome in (Outcome.REJECTED, Outcome.UNREADABLE)
)
"""Errors about a single file: trying it again does not mend it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What to think of a batch."""

    tone: str
    """``good``, ``busy``, ``waiting``, ``bad`` or ``quiet``; also the name of the shape."""
    words: str
    """One short sentence."""
    todo: str = ""
    """What a person does about it; empty when nothing."""


def standing(
    batch: Batch,
    *,
    now: datetime,
    deliveries: Sequence[Mapping[str, Any]] = (),
    held: str | None = None,
) -> Standing:
    """Return how a batch stands; ``deliveries`` and ``held`` as ``metrics.status`` tells them."""
    status = Status(batch.status)
    if batch.turned_down:
        return _rejected(batch, deliveries)
    if status == Status.ERROR:
        return Standing("bad", f"Stopped at {batch.stage}; its errors say why.", _stopped(batch))
    if batch.has_error or (batch.held and batch.held not in (HELD_MANUAL, HELD_STATIC)):
        return Standing("bad", _bad_words(batch), _resolve(batch))
    if batch.held == HELD_MANUAL:
        return Standing(
            "waiting", "Ready to be sent; waits for a person.", f"sendit upload_finished {batch.pk}"
        )
    if batch.held == HELD_STATIC:
        return Standing("good", "De-identified and kept here; the project has no target.")
    if status in (Status.DONE, Status.EMPTY):
        return _at_rest(batch, status, deliveries, now=now)
    if batch.retry_at is not None and batch.retry_at > now:
        again = moment_text(batch.retry_at)
        return Standing("waiting", f"Failed at {batch.stage}; tried again at {again} UTC.")
    if held:
        return Standing("waiting", held)
    if batch.stage in OUTWARD and batch.due_at is not None and batch.due_at > now:
        return Standing("waiting", f"Waits to be sent until {moment_text(batch.due_at)} UTC.")
    if status == Status.QUEUE:
        return Standing("waiting", "In the queue.")
    return Standing("busy", f"{DOING[batch.stage].capitalize()}.")


def _rejected(batch: Batch, deliveries: Sequence[Mapping[str, Any]]) -> Standing:
    go = "went" if batch.stage == "" else "go"
    words = f"Rejected by a person; its originals {go} back to the inbox."
    taken = [one for one in deliveries if one["state"] in _TAKEN]
    if all(one["recalled"] and not one["recalled"]["left"] for one in taken):
        return Standing("quiet", words)
    return Standing("quiet", f"{words} What was sent before is still at a target.", _recall(batch))


def _at_rest(
    batch: Batch, status: Status, deliveries: Sequence[Mapping[str, Any]], *, now: datetime
) -> Standing:
    if status == Status.EMPTY:
        return Standing("quiet", f"Nothing to send: {_why_empty(batch)}.")
    recalls = [one["recalled"] for one in deliveries if one["recalled"]]
    if any(one["left"] for one in recalls):
        return Standing(
            "bad",
            "Delivered and recalled; copies are left at a target.",
            _recall(batch),
        )
    if recalls:
        return Standing("quiet", "Delivered and recalled; what was recalled is gone.")
    if batch.retry_at is not None and batch.retry_at > now:
        again = moment_text(batch.retry_at)
        return Standing(
            "waiting", f"Delivered and verified; cleaning up failed, tried again at {again} UTC."
        )
    if batch.cleaned_at is None:
        return Standing("good", "Delivered and verified.")
    return Standing("good", "Delivered, verified and cleaned up.")


def _why_empty(batch: Batch) -> str:
    if any(alert["code"] == EMPTY_FOLDER for alert in batch.alerts):
        return "the folder held no file"
    if batch.unreadable or batch.errors:
        return "no usable image was in the folder"
    return "every image was left out by the filters"


def _bad_words(batch: Batch) -> str:
    if batch.held == HELD_MANUAL:
        return "With errors; what is good is ready to be sent and waits for a person."
    if batch.stage == Stage.CLEAN_UP and batch.status == Status.DONEPROCESSING:
        return "Delivered as far as it is good; the rest waits for a person."
    if batch.held or batch.status == Status.EMPTY:
        return "Waits for a person."
    return f"With errors; {DOING.get(batch.stage, 'at rest')}."


def _stopped(batch: Batch) -> str:
    """Return what helps a batch that stopped: an answer about its files, or another try."""
    unsettled = [error for error in batch.errors if not error.get("resolved")]
    asks = any("--accept" in error["message"] for error in unsettled)
    if asks or (unsettled and all(map(_is_of_a_file, unsettled))):
        return f"sendit resolve {batch.pk} --accept|--reject"
    return _retry(batch)


def _is_of_a_file(error: Mapping[str, Any]) -> bool:
    """Tell whether it is one file's; a worker may die at an image, or at the whole stage."""
    at_stage = error["code"] == Reason.CRASHED and error["image"] is None
    return error["code"] in OF_FILES and not at_stage


def _recall(batch: Batch) -> str:
    return f"sendit recall --batch {batch.pk} --reason TEXT"


def _retry(batch: Batch) -> str:
    return f"sendit retry {batch.pk}, or sendit resolve {batch.pk} --reject"


def _resolve(batch: Batch) -> str:
    words = f"sendit resolve {batch.pk} --accept|--reject"
    if batch.held == HELD_MANUAL:
        words = f"sendit upload_finished {batch.pk}, or {words}"
    held = {code for code, outcome in OUTCOME_OF.items() if outcome is Outcome.HELD}
    if any(alert["code"] in held and not alert.get("resolved") for alert in batch.alerts):
        return f"sendit release {batch.pk} --reason TEXT, or {words}"
    return words
