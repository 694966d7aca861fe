"""Uncompressed pixels: how long they are, and which of their bits are picture.

What stands behind the last pixel, or in the bits above those that are stored, is no picture;
old devices kept overlays there, and text hides well.  Pixels that need nothing pass through
byte for byte.

DICOM: PS3.5 8.1.1 (pixel cells), 8.2 (native format), PS3.3 C.7.6.3.1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

SUBSAMPLED: Final = frozenset(("YBR_FULL_422", "YBR_PARTIAL_422"))
CELLS: Final = {8: "u1", 16: "u2", 32: "u4"}
"""numpy's name of a cell, by Bits Allocated."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the header says of the pixels."""

    rows: int
    columns: int
    samples: int
    frames: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    photometric: str

    @property
    def length(self) -> int:
        """Return how many bytes the pixels have, without padding; 0 if it cannot be told."""
        per_pixel = self.samples * self.bits_allocated
        if self.photometric in SUBSAMPLED and self.samples == 3:
            per_pixel = per_pixel * 2 // 3
        return (self.rows * self.columns * self.frames * per_pixel + 7) // 8

    @property
    def picture_bits(self) -> int:
        """Return the mask of the bits of a cell that belong to the picture."""
        low = max(self.high_bit + 1 - self.bits_stored, 0)
        return ((1 << self.bits_stored) - 1) << low


def bit_cleaner(shape: Shape, *, little: bool) -> Callable[[memoryview], bytes | memoryview] | None:
    """Return what clears the bits of a block that are not picture, None if there are none.

    Above a signed value stand copies of its sign, as most devices write them; those are as
    they should be and stay, whatever else stands there is set to the sign.
    """
    cell = CELLS.get(shape.bits_allocated)
    mask = shape.picture_bits
    whole = (1 << shape.bits_allocated) - 1
    if cell is None or not 0 < shape.bits_stored <= shape.bits_allocated or mask & ~whole:
        return None
    if mask == whole:
        return None
    numpy = import_module("numpy")
    dtype: np.dtype[Any] = numpy.dtype(("<" if little else ">") + cell)
    unused = dtype.type(whole & ~mask)
    signed = shape.is_signed and shape.high_bit == shape.bits_stored - 1
    sign = dtype.type(1 << (shape.bits_stored - 1)) if signed else dtype.type(0)

    def clean(block: memoryview) -> bytes | memoryview:
        cells = numpy.frombuffer(block, dtype, count=len(block) // dtype.itemsize)
        rest = block[cells.nbytes :]
        if not numpy.bitwise_or.reduce(cells) & unused:
            return block
        cleared = cells & dtype.type(mask)
        if signed:
            cleared = numpy.where(cleared & sign, cleared | unused, cleared).astype(dtype)
        return block if (cleared == cells).all() else cleared.astype(dtype).tobytes() + rest

    return clean
