"""Turn one decoded frame into a small grey or colour PNG.

Pure numbers: the grey window, the inversion of MONOCHROME1, the shrinking and the PNG's
bytes.  Decoding a file is ``preview.py``'s matter.

DICOM: PS3.3 C.11.2.1.2 (window centre and width), C.7.6.3.1.2 (photometric interpretation).
"""

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2
_LEVEL = 1
"""Of zlib: six times as fast as its usual 6, for a picture at most a sixth larger."""
_OUTLIERS = (1.0, 99.0)
"""Percentiles that become black and white when an image names no usable window."""


@dataclass(frozen=True, slots=True)
class Window:
    """A linear VOI window, in modality units."""

    centre: float
    width: float


def grey(
    frame: NDArray[np.generic],
    *,
    slope: float,
    intercept: float,
    window: Window | None,
    inverted: bool,
) -> NDArray[np.uint8]:
    """Return a frame of stored values as 8-bit grey.

    Parameters
    ----------
    frame
        Stored values, shape ``(rows, columns)``.
    slope, intercept
        The linear Modality LUT.
    window
        What to show; None, or a window that shows nothing, takes the frame's own percentiles.
    inverted
        True for MONOCHROME1: the smallest value is white.
    """
    values = frame.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    shown = None if window is None else _through(values, window)
    if shown is None or _is_flat(shown):
        low, high = (float(edge) for edge in np.percentile(values, _OUTLIERS))
        shown = _scaled(values, low, high)
    return np.uint8(255) - shown if inverted else shown


def shrink(pixels: NDArray[np.uint8], *, longest_side: int) -> NDArray[np.uint8]:
    """Return the picture with neither side longer than ``longest_side``, by averaging blocks."""
    rows, columns = pixels.shape[:2]
    scale = max(rows, columns) / longest_side
    if scale <= 1:
        return pixels
    down = _averaged(pixels.astype(np.float32), max(1, round(rows / scale)), axis=0)
    across = _averaged(down, max(1, round(columns / scale)), axis=1)
    return across.round().astype(np.uint8)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Return the bytes of a PNG; ``(rows, columns)`` is grey, ``(rows, columns, 3)`` RGB."""
    rows, columns = pixels.shape[:2]
    colour = _GREY if pixels.ndim == 2 else _RGB
    lines = np.zeros((rows, 1 + pixels.size // rows), dtype=np.uint8)
    lines[:, 1:] = pixels.reshape(rows, -1)
    return b"".join(
        (
            _SIGNATURE,
            _chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, colour, 0, 0, 0)),
            _chunk(b"IDAT", zlib.compress(lines.tobytes(), _LEVEL)),
            _chunk(b"IEND", b""),
        )
    )


def _through(values: NDArray[np.float32], window: Window) -> NDArray[np.uint8] | None:
    # The LINEAR function of C.11.2.1.2.1; a width of 1 or less is no window to look through.
    if window.width <= 1:
        return None
    low = window.centre - 0.5 - (window.width - 1) / 2
    return _scaled(values, low, low + window.width - 1)


def _scaled(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.uint8]:
    share = (np.clip(values, low, high) - np.float32(low)) / np.float32(max(high - low, 1e-30))
    shown: NDArray[np.uint8] = (share * 255).round().astype(np.uint8)
    return shown


def _is_flat(pixels: NDArray[np.uint8]) -> bool:
    return bool(pixels.min() == pixels.max())


def _averaged(pixels: NDArray[np.float32], size: int, *, axis: int) -> NDArray[np.float32]:
    edges = np.arange(size) * pixels.shape[axis] // size
    counts = np.diff(np.append(edges, pixels.shape[axis])).astype(np.float32)
    sums = np.add.reduceat(pixels, edges, axis=axis)
    shape = [1] * pixels.ndim
    shape[axis] = size
    return np.asarray(sums / counts.reshape(shape), dtype=np.float32)


def _chunk(name: bytes, data: bytes) -> bytes:
    return b"".join(
        (struct.pack(">I", len(data)), name, data, struct.pack(">I", zlib.crc32(name + data)))
    )
