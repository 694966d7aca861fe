from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRBigEndian

from sendit.deid.pixels.native import Shape, bit_cleaner
from tests.deid.engines import deidentified
from tests.support.make_study import make_instance, write_instance


def shape(**changes: object) -> Shape:
    values = {
        "rows": 4,
        "columns": 4,
        "samples": 1,
        "frames": 1,
        "bits_allocated": 16,
        "bits_stored": 12,
        "high_bit": 11,
        "is_signed": False,
        "photometric": "MONOCHROME2",
    }
    return Shape(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "length"),
    [
        ({}, 32),
        ({"frames": 3}, 96),
        ({"bits_allocated": 1, "bits_stored": 1, "rows": 3, "columns": 3}, 2),
        ({"samples": 3, "bits_allocated": 8, "photometric": "YBR_FULL_422"}, 32),
        ({"rows": 0}, 0),
    ],
)
def test_length_is_what_the_header_says(changes: dict[str, object], length: int) -> None:
    assert shape(**changes).length == length


def test_bits_above_the_stored_ones_are_cleared() -> None:
    clean = bit_cleaner(shape(), little=True)
    assert clean is not None

    block = np.array([0x0FFF, 0xF123, 0x8000], "<u2").tobytes()

    assert np.frombuffer(clean(block), "<u2").tolist() == [0x0FFF, 0x0123, 0]


def test_clean_block_is_the_very_same() -> None:
    clean = bit_cleaner(shape(), little=True)
    assert clean is not None
    block = np.array([0x0FFF, 0x0123], "<u2").tobytes()

    assert clean(block) is block


def test_sign_above_a_signed_value_stays() -> None:
    clean = bit_cleaner(shape(is_signed=True), little=True)
    assert clean is not None
    block = np.array([-5, 5, -2048], "<i2").tobytes()

    assert clean(block) is block
    dirty = np.array([0x4005, 0x0805], "<u2").tobytes()
    assert np.frombuffer(clean(dirty), "<u2").tolist() == [0x0005, 0xF805]


def test_big_endian_cells_are_read_as_such() -> None:
    clean = bit_cleaner(shape(), little=False)
    assert clean is not None

    assert clean(b"\xf1\x23") == b"\x01\x23"


def test_cells_without_unused_bits_need_nothing() -> None:
    assert bit_cleaner(shape(bits_stored=16, high_bit=15), little=True) is None


def test_last_pixel_of_an_odd_number_stays_where_words_are_turned_round(tmp_path: Path) -> None:
    ds = make_instance(
        Rows=3, Columns=3, BitsAllocated=8, BitsStored=8, HighBit=7, PixelRepresentation=0
    )
    ds.PixelData = bytes((2, 1, 4, 3, 6, 5, 8, 7, 0, 9))
    ds["PixelData"].VR = "OW"
    source = write_instance(tmp_path / "a.dcm", ds, transfer_syntax_uid=ExplicitVRBigEndian)

    after, _ = deidentified(source, tmp_path)

    assert after.PixelData == dcmread(source).PixelData
