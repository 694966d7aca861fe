"""From which instances one was derived, or which it refers to as its evidence: new UIDs.

Read from the result itself, so what is not in it is not told.
"""

from pathlib import Path

from sendit.deid.release_content import Level
from sendit.deid.release_reader import Reader

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


class SourceReader:
    """Reads results one after the other."""

    def __init__(self) -> None:
        self._reader = Reader()

    def read(self, result: Path) -> str:
        """Return the UIDs, sorted, with spaces between."""
        found: set[str] = set()
        _collect(self._reader.read(result).level, found, within=False)
        return " ".join(sorted(found))


def _collect(level: Level, found: set[str], *, within: bool) -> None:
    if within and (uid := level.value(REFERENCED_SOP_INSTANCE_UID)):
        found.add(uid.decode("ascii", "replace"))
    for key, items in level.sequences:
        for item in items:
            _collect(item, found, within=within or key >> 16 in SOURCES)
