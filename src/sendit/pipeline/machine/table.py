"""The table of moves: which event takes a Batch from which stage to which status.

Pure data, printed into ``docs/reference/states.md`` by a test.  ``pipeline/machine.py``
carries the moves out; nothing else may.
"""

from dataclasses import dataclass
from enum import StrEnum

from sendit.terms import Stage, Status


class Event(StrEnum):
    """What happened to a batch."""

    REGISTERED = "registered"
    ADMITTED = "admitted"
    IMPORTED = "imported"
    IMPORTED_AS_IS = "imported, the project does not anonymize"
    EMPTIED = "no image is left"
    IDENTIFIED = "identified"
    DEIDENTIFIED = "the last image is de-identified"
    WITHHELD = "every image that is left is held for a person"
    DELIVERED = "every required target has taken it"
    LOST = "a target does not hold all that it took: the rest is sent again"
    PROVEN = "proven, no open error and nothing held"
    PROVEN_IN_PART = "proven, with an open error or a held image"
    ACCEPTED = "a person accepts it without its bad files"
    TURNED_DOWN = "a person rejects it"
    CLEANED = "nothing more may be removed"
    FORGOTTEN = "its rows are past their retention: the batch is deleted"
    RELEASED = "upload_finished"
    FREED = "a person releases held images"
    RERUN = "one image is to be processed again, before any delivery"
    SPOILED = "results were changed where they lie: their images are processed again"
    RETRIED = "a person retries it"
    GIVEN_UP = "an error that does not pass, or the last try"


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the table."""

    stage: Stage | None
    """The stage it leaves; None for a batch that does not exist yet."""
    event: Event
    to_stage: Stage | None
    """The stage that runs next; None when nothing is left to do."""
    status: Status | None
    """The batch's new status; None leaves it."""
    images: Status | None = None
    """The new status of its accepted images; None leaves them."""


MOVES: tuple[Move, ...] = (
    Move(None, Event.REGISTERED, Stage.IMPORT, Status.QUEUE),
    Move(Stage.IMPORT, Event.ADMITTED, Stage.IMPORT, Status.NEW),
    Move(Stage.IMPORT, Event.IMPORTED, Stage.IDENTIFY, Status.PROCESSING, Status.NEW),
    Move(
        Stage.IMPORT,
        Event.IMPORTED_AS_IS,
        Stage.SEND,
        Status.DONEPROCESSING,
        Status.DONEPROCESSING,
    ),
    Move(Stage.IMPORT, Event.EMPTIED, Stage.CLEAN_UP, Status.EMPTY),
    Move(Stage.IDENTIFY, Event.IDENTIFIED, Stage.DEIDENTIFY, Status.PROCESSING),
    Move(Stage.DEIDENTIFY, Event.DEIDENTIFIED, Stage.SEND, Status.DONEPROCESSING),
    Move(Stage.DEIDENTIFY, Event.EMPTIED, Stage.CLEAN_UP, Status.EMPTY),
    Move(Stage.SEND, Event.EMPTIED, Stage.CLEAN_UP, Status.EMPTY),
    Move(Stage.SEND, Event.WITHHELD, Stage.SEND, Status.DONEPROCESSING),
    Move(Stage.SEND, Event.DELIVERED, Stage.VERIFY, Status.DONEPROCESSING),
    Move(Stage.VERIFY, Event.LOST, Stage.SEND, Status.DONEPROCESSING),
    Move(Stage.VERIFY, Event.PROVEN, Stage.CLEAN_UP, Status.DONE, Status.DONE),
    Move(Stage.VERIFY, Event.PROVEN_IN_PART, Stage.CLEAN_UP, Status.DONEPROCESSING, Status.SENT),
    Move(Stage.CLEAN_UP, Event.ACCEPTED, Stage.CLEAN_UP, Status.DONE, Status.DONE),
    *(Move(stage, Event.TURNED_DOWN, Stage.CLEAN_UP, Status.ERROR) for stage in Stage),
    Move(Stage.CLEAN_UP, Event.CLEANED, None, None),
    Move(Stage.CLEAN_UP, Event.FORGOTTEN, None, None),
    Move(Stage.SEND, Event.RELEASED, Stage.SEND, Status.DONEPROCESSING),
    *(
        Move(stage, Event.FREED, Stage.DEIDENTIFY, Status.PROCESSING)
        for stage in (Stage.DEIDENTIFY, Stage.SEND, Stage.VERIFY, Stage.CLEAN_UP)
    ),
    Move(Stage.SEND, Event.RERUN, Stage.DEIDENTIFY, Status.PROCESSING),
    Move(Stage.SEND, Event.SPOILED, Stage.DEIDENTIFY, Status.PROCESSING),
    *(Move(stage, Event.GIVEN_UP, stage, Status.ERROR) for stage in Stage),
    Move(Stage.IMPORT, Event.RETRIED, Stage.IMPORT, Status.NEW),
    Move(Stage.IDENTIFY, Event.RETRIED, Stage.IDENTIFY, Status.PROCESSING),
    Move(Stage.DEIDENTIFY, Event.RETRIED, Stage.DEIDENTIFY, Status.PROCESSING),
    Move(Stage.SEND, Event.RETRIED, Stage.SEND, Status.DONEPROCESSING),
    Move(Stage.VERIFY, Event.RETRIED, Stage.VERIFY, Status.DONEPROCESSING),
    Move(Stage.CLEAN_UP, Event.RETRIED, Stage.CLEAN_UP, None),
)

BY_EVENT: dict[tuple[Stage | None, Event], Move] = {
    (move.stage, move.event): move for move in MOVES
}

SHARED = Stage.DEIDENTIFY
"""The one stage that many workers share, image by image."""

HELD_STATIC = "The project has no target: the batch stays here."
HELD_MANUAL = "Waiting for upload_finished."
HELD_PERSON = "Waiting for a person: see its errors and alerts, then run resolve or release."
HELD_RETURN = "Giving the originals back failed: see its errors, then run retry."
