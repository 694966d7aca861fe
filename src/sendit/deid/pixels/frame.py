"""Read one frame of an instance, whatever its transfer syntax, and draw it.

Only the wanted frame is read and decoded, so a long multi-frame instance costs what one
frame costs.  A codec is other people's C code: who draws a compressed instance does it in
a process of its own (``preview.py``).

DICOM: PS3.3 C.7.6.3 (Image Pixel), C.7.6.16.2 (functional groups), PS3.5 annex A.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID

from sendit.deid.pixels.picture import Window, grey, png, shrink

LONGEST_SIDE = 512
_LARGEST_FRAME = 1 << 28
"""Bytes of one decoded frame; a larger one (a whole slide) gets no preview."""
_HEADER = (
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "NumberOfFrames",
    "PhotometricInterpretation",
    "RescaleSlope",
    "RescaleIntercept",
    "WindowCenter",
    "WindowWidth",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "PaletteColorLookupTableUID",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which picture of an instance."""

    frame: int | None = None
    """From 0 on; None: the middle one."""
    window: Window | None = None
    """None: the image's own, or what fits its values."""


@dataclass(frozen=True, slots=True)
class Look:
    """What can be looked at."""

    frames: int
    rows: int
    columns: int
    window: Window | None
    """The image's own, of its first frame."""
    span: Window
    """All that its stored values could be: where a window begins to be drawn when it has none."""
    is_grey: bool
    """A window means something."""


class NoPicture(Exception):
    """The instance cannot be drawn; the message says why and holds no value."""


def is_compressed(path: Path) -> bool:
    """Return whether drawing the instance calls a codec or inflates a stream."""
    syntax = UID(str(_header(path).file_meta.TransferSyntaxUID))
    return syntax.is_encapsulated or syntax.is_deflated


def look_at(path: Path) -> Look:
    """Return how many pictures an instance holds, and its window."""
    header = _header(path)
    photometric = str(header.get("PhotometricInterpretation") or "MONOCHROME2")
    return Look(
        frames=max(1, int(header.get("NumberOfFrames") or 1)),
        rows=int(header.get("Rows") or 0),
        columns=int(header.get("Columns") or 0),
        window=_window(header, 0),
        span=_span(header),
        is_grey=photometric.startswith("MONOCHROME"),
    )


def draw(path: Path, wanted: Wanted = Wanted()) -> bytes:
    """Return a PNG of one frame of an instance.

    Raises
    ------
    NoPicture
        When it has no picture, or one that cannot be drawn.
    """
    header = _header(path)
    rows, columns = int(header.get("Rows") or 0), int(header.get("Columns") or 0)
    if not rows or not columns:
        raise NoPicture("the instance has no pixels")
    samples = int(header.get("SamplesPerPixel") or 1)
    if rows * columns * samples * int(header.get("BitsAllocated") or 8) // 8 > _LARGEST_FRAME:
        raise NoPicture("the frame is too large for a preview")
    frames = max(1, int(header.get("NumberOfFrames") or 1))
    index = (frames - 1) // 2 if wanted.frame is None else wanted.frame
    if index >= frames:
        raise NoPicture("the instance has no such frame")
    # pydicom looks for the pixels at their place in the file, which a deflated one does not have.
    deflated = UID(str(header.file_meta.TransferSyntaxUID)).is_deflated
    frame = np.asarray(pixel_array(dcmread(path) if deflated else path, index=index))
    shown = _as_shown(frame, header, index=index, window=wanted.window or _window(header, index))
    return png(shrink(shown, longest_side=LONGEST_SIDE))


def _header(path: Path) -> Dataset:
    return dcmread(path, stop_before_pixels=True, specific_tags=list(_HEADER))


def _as_shown(
    frame: NDArray[np.generic], header: Dataset, *, index: int, window: Window | None
) -> NDArray[np.uint8]:
    photometric = str(header.get("PhotometricInterpretation") or "MONOCHROME2")
    if photometric == "PALETTE COLOR":
        frame = apply_color_lut(frame, header)
    if frame.ndim == 3:
        return _eight_bits(frame[..., :3])
    if frame.ndim != 2:
        raise NoPicture("the frame is not a picture")
    return grey(
        frame,
        slope=_number(header, index, "RescaleSlope") or 1.0,
        intercept=_number(header, index, "RescaleIntercept") or 0.0,
        window=window,
        inverted=photometric == "MONOCHROME1",
    )


def _eight_bits(frame: NDArray[np.generic]) -> NDArray[np.uint8]:
    if frame.dtype == np.uint8:
        return np.asarray(frame, dtype=np.uint8)
    values = frame.astype(np.float32)
    highest = max(float(values.max()), 1.0)
    full = next((limit for limit in (255.0, 65535.0) if highest <= limit), highest)
    return (np.clip(values, 0, None) * (255 / full)).round().astype(np.uint8)


def _window(header: Dataset, index: int) -> Window | None:
    centre = _number(header, index, "WindowCenter")
    width = _number(header, index, "WindowWidth")
    return None if centre is None or width is None else Window(centre, width)


def _span(header: Dataset) -> Window:
    slope = _number(header, 0, "RescaleSlope") or 1.0
    intercept = _number(header, 0, "RescaleIntercept") or 0.0
    width = 1 << int(header.get("BitsStored") or header.get("BitsAllocated") or 8)
    middle = 0 if header.get("PixelRepresentation") else width / 2
    return Window(slope * middle + intercept, abs(slope) * width)


def _number(header: Dataset, index: int, keyword: str) -> float | None:
    """Return the first value of a number, from the frame's own groups, the shared ones or above."""
    for item in _places(header, index):
        value = item.get(keyword)
        if isinstance(value, (list, tuple)) or hasattr(value, "__getitem__"):
            value = value[0] if len(value) else None
        if value is not None and value != "":
            return float(value)
    return None


def _places(header: Dataset, index: int) -> Iterator[Dataset]:
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = header.get("SharedFunctionalGroupsSequence") or []
    for group in (*per_frame[index : index + 1], *shared[:1]):
        for name in ("FrameVOILUTSequence", "PixelValueTransformationSequence"):
            yield from (group.get(name) or [])[:1]
    yield header
