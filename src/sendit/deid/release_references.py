"""From which instances one was derived, or which it refers to as its evidence: new UIDs.

Read from the result that the release check has agreed to, so what is not in it is not told.
"""

from sendit.deid.release_content import Level

REFERENCED_SOP_INSTANCE_UID = 0x00081155
SOURCES = frozenset(
    {
        0x00082112,  # Source Image Sequence
        0x00420013,  # Source Instance Sequence
        0x00081115,  # Referenced Series Sequence: segmentations, presentation states, waveforms
        0x0040A375,  # Current Requested Procedure Evidence Sequence: reports
        0x30060010,  # Referenced Frame of Reference Sequence: structure sets
        0x0008114A,  # Referenced Instance Sequence
        0x300C0002,  # Referenced RT Plan Sequence
        0x300C0060,  # Referenced Structure Set Sequence
    }
)


def sources_of(level: Level) -> str:
    """Return the UIDs of the instances, sorted, with spaces between; empty when there are none."""
    found: set[str] = set()
    _collect(level, found, within=False)
    return " ".join(sorted(found))


def _collect(level: Level, found: set[str], *, within: bool) -> None:
    if within and (uid := level.value(REFERENCED_SOP_INSTANCE_UID)):
        found.add(uid.decode("ascii", "replace"))
    for key, items in level.sequences:
        for item in items:
            _collect(item, found, within=within or key >> 16 in SOURCES)
