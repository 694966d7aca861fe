"""What to do about each code that an error or an alert may have, in one sentence.

The long version is ``docs/guides/when-something-is-wrong.md``.
"""

from collections.abc import Mapping

from sendit.terms import EMPTY_FOLDER, Reason

_LOOK = (
    "Look at the image; release it if nothing identifies anybody, or accept the batch without it."
)
_INBOX = (
    "Mend or remove the file in the .err folder of the inbox and drop the extension to hand it in "
    "again; then accept this batch, or reject it."
)
_FILTERED = (
    "Nothing has to be done. If the project should take such images, say so in its file and hand "
    "the study in again."
)
_LEFT_OUT = "Accept the batch without it, or reject the batch."
_LATER = "It was tried until the tries were used up: mend the cause, then retry."

REMEDIES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            Reason.MODALITY,
            Reason.SOP_CLASS,
            Reason.BURNED_IN,
            Reason.LISTED,
        ),
        _FILTERED,
    ),
    **dict.fromkeys((Reason.DICOMDIR, Reason.SAME_FILE, Reason.REVIEW), "Nothing has to be done."),
    **dict.fromkeys(
        (
            Reason.DOCUMENT,
            Reason.PHOTO,
            Reason.VIDEO,
            Reason.SLIDE_LABEL,
            Reason.RAW_DATA,
            Reason.UNKNOWN_SOP_CLASS,
            Reason.OPAQUE_PRIVATE,
            Reason.PIXELS_TEXT,
            Reason.FACE,
        ),
        _LOOK,
    ),
    Reason.PIXELS_UNREAD: "Nothing has read its pixels: look at the image, then release it, or "
    "say in the project that images of this kind carry no text.",
    Reason.NUMBER_HIT: "A number or code equals something that identifies: look at the attribute "
    "named; release the image if it means something else.",
    Reason.INCOMPLETE: "The series is not whole: hand the missing images in, or release "
    "what is there.",
    Reason.SUPERSEDES: "Another version was delivered before: compare, then release, or "
    "accept the batch without it.",
    Reason.RECALLED: "Its delivered copies were taken back: release what may go out again, or "
    "accept the batch without it.",
    **dict.fromkeys(
        (
            Reason.NOT_DICOM,
            Reason.EMPTY_FILE,
            Reason.TRUNCATED,
            Reason.MALFORMED,
            Reason.LINK_OUTSIDE,
        ),
        _INBOX,
    ),
    Reason.TOO_LARGE: "The file is larger than limits.max_instance allows (raise it if the file is "
    "right), or holds far more than a file of its size can need. " + _INBOX,
    Reason.NO_PERMISSION: "Let the user that runs sendit read what it names in the .err folder, "
    "then drop the extension to hand it in again.",
    Reason.SAME_UID: "Two files claim to be the same image; the first was taken. " + _LEFT_OUT,
    Reason.UNSUPPORTED: "sendit cannot work on this kind of file. " + _LEFT_OUT,
    Reason.IDENTIFIER_LEFT: "Something of the original was found in the result, which was not "
    "sent; report the attribute to the maintainers. " + _LEFT_OUT,
    Reason.MARKERS_MISSING: "The result was not sent; report it to the maintainers. " + _LEFT_OUT,
    Reason.VALUE_LOST: "The result was not sent; report it to the maintainers. " + _LEFT_OUT,
    Reason.IOD_BROKEN: "The result would not be valid DICOM and was not sent. " + _LEFT_OUT,
    Reason.CRASHED: "The worker died at this image each time; see the log. " + _LEFT_OUT,
    Reason.TIMED_OUT: "Raise limits.instance_timeout and retry. Or: " + _LEFT_OUT,
    Reason.NO_IDENTITY: "The file says nothing about whose it is, or the identity service has no "
    "name for this patient: mend the file and hand it in again, or add the name. " + _LEFT_OUT,
    EMPTY_FOLDER: "Nothing has to be done; see whether the folder should have held a study.",
    "DUPLICATE_FOLDER": "Nothing has to be done; the folder is taken in once this batch is "
    "at rest.",
    **dict.fromkeys(
        (
            "IDENTITY_UNAVAILABLE",
            "TARGET_UNAVAILABLE",
            "NOT_YET_PROVEN",
            "DEADLINE",
            "INTERRUPTED",
            "LEASE_LOST",
        ),
        _LATER,
    ),
    "VOLUME_MISSING": "Mount the volume, then retry.",
    "DISK_FULL": "Make room in the working folder, then retry.",
    "TARGET_FULL": "Make room at the target, then retry.",
    "TARGET_QUOTA": "A quota at the target stayed used up for days: raise it there, then retry.",
    "TARGET_CONFLICT": "Other content stands at the target under this name: see what it is, move "
    "it away, then retry.",
    "VERIFICATION_FAILED": "The target does not hold what was sent: see what changed it, then "
    "retry.",
    "INSTANCES_MISSING": "The target took images and lost them, each time they were sent: see why, "
    "then retry.",
    "TARGET_REFUSED": "The target refused the study: read its message, mend the cause, then retry.",
    "TARGET": "The target refused the study: read its message, mend the cause, then retry.",
    "IDENTITY": "Read the message. What the files or the project leave open: mend it, reject the "
    "batch, and hand its folder in again. What the identity service says wrong: mend it there, "
    "then retry.",
    "KEY": "Put the right key file back from your backup, then retry.",
    "CONFIGURATION": 'Mend the project\'s file ("sendit check" says what is wrong), then retry.',
}
OTHERWISE = "Read the message, mend the cause, then retry."


OF_ALERTS: Mapping[str, str] = dict.fromkeys(
    ("TARGET_UNAVAILABLE", "TARGET_QUOTA", "TARGET_FULL", "NOT_YET_PROVEN"),
    "See whether the target is well; the message says whether it is tried again by itself.",
)
"""What is otherwise when nothing stopped: only an optional target is behind."""


def remedy(code: str, *, is_error: bool = True) -> str:
    """Return what to do about a code of an error, or of an alert."""
    if not is_error and code in OF_ALERTS:
        return OF_ALERTS[code]
    return REMEDIES.get(code, OTHERWISE)
