"""The vocabulary: the words that a user, a row in the database and a report share.

Imports nothing, so every room may use it.  What the words mean is told in
``docs/glossary.md``; who may write a state is ``pipeline/machine.py`` alone.
"""

from enum import StrEnum


class Status(StrEnum):
    """The public state of a Batch or an Image; the names are those of the original sendit."""

    QUEUE = "QUEUE"
    NEW = "NEW"
    PROCESSING = "PROCESSING"
    DONEPROCESSING = "DONEPROCESSING"
    SENT = "SENT"
    DONE = "DONE"
    EMPTY = "EMPTY"
    ERROR = "ERROR"


class Zone(StrEnum):
    """One of the two parts of a site's network: which folders and which way out a worker has."""

    PHI = "phi"
    """Sees originals and keys; no way out but to the identity service."""
    OUT = "out"
    """Sees results alone; reaches the targets."""


class Stage(StrEnum):
    """The stage of a Batch that runs next, in the order of the data flow."""

    IMPORT = "import"
    IDENTIFY = "identify"
    DEIDENTIFY = "deidentify"
    SEND = "send"
    VERIFY = "verify"
    CLEAN_UP = "clean_up"

    @property
    def zone(self) -> Zone:
        """Where it runs, when the zones are apart (``pipeline/zones.py`` has the exceptions)."""
        return Zone.OUT if self in (Stage.SEND, Stage.VERIFY) else Zone.PHI


class Verdict(StrEnum):
    """What was decided about one Image; only an accepted one can leave."""

    ACCEPTED = "ACCEPTED"
    EXCLUDED = "EXCLUDED"
    HELD = "HELD"
    REJECTED = "REJECTED"


class Outcome(StrEnum):
    """What became of one input file, as a report says it."""

    WRITTEN = "written"
    EXCLUDED = "excluded"
    HELD = "held"
    UNREADABLE = "unreadable"
    REJECTED = "rejected"


class DeliveryState(StrEnum):
    """How far one Batch has come with one target."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    VERIFIED = "verified"
    FAILED = "failed"


class Reason(StrEnum):
    """Why a file was not written; each belongs to one outcome, see ``OUTCOME_OF``."""

    MODALITY = "MODALITY"
    SOP_CLASS = "SOP_CLASS"
    BURNED_IN = "BURNED_IN"
    LISTED = "LISTED"
    DICOMDIR = "DICOMDIR"
    SAME_FILE = "SAME_FILE"
    REVIEW = "REVIEW"

    DOCUMENT = "DOCUMENT"
    PHOTO = "PHOTO"
    VIDEO = "VIDEO"
    SLIDE_LABEL = "SLIDE_LABEL"
    RAW_DATA = "RAW_DATA"
    UNKNOWN_SOP_CLASS = "UNKNOWN_SOP_CLASS"
    OPAQUE_PRIVATE = "OPAQUE_PRIVATE"
    NUMBER_HIT = "NUMBER_HIT"
    PIXELS_UNREAD = "PIXELS_UNREAD"
    PIXELS_TEXT = "PIXELS_TEXT"
    FACE = "FACE"
    INCOMPLETE = "INCOMPLETE"
    SUPERSEDES = "SUPERSEDES"
    RECALLED = "RECALLED"

    NOT_DICOM = "NOT_DICOM"
    EMPTY_FILE = "EMPTY_FILE"
    TRUNCATED = "TRUNCATED"
    MALFORMED = "MALFORMED"
    TOO_LARGE = "TOO_LARGE"
    LINK_OUTSIDE = "LINK_OUTSIDE"
    NO_PERMISSION = "NO_PERMISSION"

    SAME_UID = "SAME_UID"
    UNSUPPORTED = "UNSUPPORTED"
    IDENTIFIER_LEFT = "IDENTIFIER_LEFT"
    MARKERS_MISSING = "MARKERS_MISSING"
    VALUE_LOST = "VALUE_LOST"
    IOD_BROKEN = "IOD_BROKEN"
    CRASHED = "CRASHED"
    TIMED_OUT = "TIMED_OUT"
    NO_IDENTITY = "NO_IDENTITY"


DELIVERY_HOLDS = frozenset({Reason.INCOMPLETE, Reason.SUPERSEDES, Reason.RECALLED})
"""What is held on its way to the targets; nothing that the engine does depends on it."""

EMPTY_FOLDER = "EMPTY_FOLDER"
"""The code of the alert about a folder in which nothing was; no file, so no Reason."""

OUTCOME_OF: dict[Reason, Outcome] = {
    **dict.fromkeys(
        (
            Reason.MODALITY,
            Reason.SOP_CLASS,
            Reason.BURNED_IN,
            Reason.LISTED,
            Reason.DICOMDIR,
            Reason.SAME_FILE,
            Reason.REVIEW,
        ),
        Outcome.EXCLUDED,
    ),
    **dict.fromkeys(
        (
            Reason.DOCUMENT,
            Reason.PHOTO,
            Reason.VIDEO,
            Reason.SLIDE_LABEL,
            Reason.RAW_DATA,
            Reason.UNKNOWN_SOP_CLASS,
            Reason.OPAQUE_PRIVATE,
            Reason.NUMBER_HIT,
            Reason.PIXELS_UNREAD,
            Reason.PIXELS_TEXT,
            Reason.FACE,
            Reason.INCOMPLETE,
            Reason.SUPERSEDES,
            Reason.RECALLED,
        ),
        Outcome.HELD,
    ),
    **dict.fromkeys(
        (
            Reason.NOT_DICOM,
            Reason.EMPTY_FILE,
            Reason.TRUNCATED,
            Reason.MALFORMED,
            Reason.TOO_LARGE,
            Reason.LINK_OUTSIDE,
            Reason.NO_PERMISSION,
        ),
        Outcome.UNREADABLE,
    ),
    **dict.fromkeys(
        (
            Reason.SAME_UID,
            Reason.UNSUPPORTED,
            Reason.IDENTIFIER_LEFT,
            Reason.MARKERS_MISSING,
            Reason.VALUE_LOST,
            Reason.IOD_BROKEN,
            Reason.CRASHED,
            Reason.TIMED_OUT,
            Reason.NO_IDENTITY,
        ),
        Outcome.REJECTED,
    ),
}
