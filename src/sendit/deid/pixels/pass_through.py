"""From the pixels of an original to those of its result, without decoding them.

Says which stretches of the source the result is made of, and what is done to them on the
way; the bytes are moved by ``files.ResultWriter``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sendit.deid.files import Piece, Range
from sendit.deid.pixels.native import Shape, bit_cleaner
from sendit.deid.pixels.streams import stream_cleaner
from sendit.deid.segments import Bulk

REPAIR_PADDING = "repair:pixel-padding"


@dataclass(frozen=True, slots=True)
class Passed:
    """The pixels of a result."""

    pieces: tuple[Piece, ...]
    length: int | None = None
    """New length for the element's header; None when it stays."""
    repairs: tuple[str, ...] = ()


def pass_through(
    bulk: Bulk, shape: Shape | None, *, transfer_syntax_uid: str, little: bool, words: bool = False
) -> Passed:
    """Return the pixels of one instance: cut to their length, freed of what is no picture.

    Parameters
    ----------
    words
        Whether they are declared to be words (OW), of which the byte order tells the order.
    """
    if bulk.fragments is not None:
        return Passed(tuple(_fragments(bulk, transfer_syntax_uid)))
    length, clean = bulk.length, None
    if shape is not None and bulk.slot.tag == 0x7FE00010:
        clean = bit_cleaner(shape, little=little)
        if 0 < shape.length < bulk.length:
            length = shape.length
    if words and not little and length & 1 and length < bulk.length:
        length += 1  # The last pixel is the second byte of its word.
    pieces: list[Piece] = [Range(bulk.offset, length, clean)]
    if length & 1:
        pieces.append(b"\0")
    padded = length + (length & 1)
    if padded == bulk.length:
        return Passed(tuple(pieces))
    return Passed(tuple(pieces), padded, (REPAIR_PADDING,) if padded < bulk.length else ())


def _fragments(bulk: Bulk, transfer_syntax_uid: str) -> Sequence[Piece]:
    clean = stream_cleaner(transfer_syntax_uid)
    if clean is None or not bulk.fragments:
        return [Range(bulk.offset, bulk.length)]
    pieces: list[Piece] = []
    done = bulk.offset
    for offset, length in bulk.fragments[1:]:
        pieces += [Range(done, offset - done), Range(offset, length, change_whole=clean)]
        done = offset + length
    pieces.append(Range(done, bulk.offset + bulk.length - done))
    return pieces
