"""The gate's reader: every sort of file, broken ones in bounded time, pixels never loaded."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_files
from pydicom.filereader import dcmread
from pydicom.misc import is_dicom
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from sendit.deid.release_content import Level
from sendit.deid.release_reader import Reader
from tests.support.make_study import giant_length, make_instance, truncate, write_instance

SYNTAXES = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
)
ITEM = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"


def write(folder: Path, *, syntax: str = ExplicitVRLittleEndian, **attributes: object) -> Path:
    ds = make_instance(**attributes)
    return write_instance(folder / "a.dcm", ds, transfer_syntax_uid=syntax)


def count(level: Level) -> int:
    inside = sum(count(item) for _, items in level.sequences for item in items)
    return len(level.leaves) + len(level.sequences) + inside


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_the_same_elements_are_read_in_every_transfer_syntax(tmp_path: Path, syntax: str) -> None:
    path = write(tmp_path, syntax=syntax, modality="PT")

    content = Reader().read(path)

    expected = sum(1 for _ in dcmread(path).iterall()) - 1
    assert count(content.level) == expected
    assert content.level.value(0x00100010) == b"Sandpiper^Amalia"
    assert content.pixels is not None
    assert not content.problem


def test_numbers_are_in_little_endian(tmp_path: Path) -> None:
    path = write(tmp_path, syntax=ExplicitVRBigEndian)

    assert Reader().read(path).level.value(0x00280010) == (16).to_bytes(2, "little").rstrip(b"\0")


def test_large_pixels_are_not_loaded(tmp_path: Path) -> None:
    path = write(tmp_path, rows=1024, columns=1024)
    content = Reader().read(path)

    assert content.pixels is not None
    assert content.pixels.length == 2 * 1024 * 1024
    assert sum(len(value) for _, value in content.level.leaves) < 10_000


@pytest.mark.parametrize("breaking", [truncate, giant_length], ids=["truncated", "giant length"])
def test_a_broken_file_is_told_and_not_raised(tmp_path: Path, breaking: object) -> None:
    path = write(tmp_path)
    breaking(path)  # type: ignore[operator]

    content = Reader().read(path)

    assert content.problem
    assert content.level.value(0x00100010) == b"Sandpiper^Amalia"


@pytest.mark.parametrize("depth", [59, 200, 10_000])
def test_deep_nesting_ends(tmp_path: Path, depth: int) -> None:
    path = write(tmp_path)
    level = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + ITEM
    end = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    path.write_bytes(path.read_bytes()[:400] + level * depth + end * depth)

    started = time.monotonic()
    Reader().read(path)

    assert time.monotonic() - started < 2


def test_sequences_hidden_in_un_do_not_multiply(tmp_path: Path) -> None:
    value = b"no item"
    for _ in range(40):
        element = b"\x29\x00\x01\x10UN\0\0" + len(value).to_bytes(4, "little") + value
        value = b"\xfe\xff\x00\xe0" + len(element).to_bytes(4, "little") + element
    ds = make_instance()
    ds.add_new(0x00291001, "UN", value)
    path = write_instance(tmp_path / "a.dcm", ds)

    started = time.monotonic()
    content = Reader().read(path)

    assert time.monotonic() - started < 2
    assert not content.problem


@settings(deadline=None, max_examples=60)
@given(
    cut=st.integers(min_value=0, max_value=2000),
    patch=st.binary(min_size=1, max_size=12),
    place=st.integers(min_value=0, max_value=2000),
)
def test_spoilt_bytes_never_raise(
    tmp_path_factory: pytest.TempPathFactory, cut: int, patch: bytes, place: int
) -> None:
    path = write(tmp_path_factory.mktemp("spoilt"), modality="PT")
    content = bytearray(path.read_bytes())
    content[place : place + len(patch)] = patch
    path.write_bytes(content[: len(content) - cut])

    Reader().read(path)


def test_every_file_that_pydicom_ships_is_read() -> None:
    reader = Reader()

    for name in get_testdata_files():
        if Path(name).is_file() and is_dicom(name):
            content = reader.read(Path(name))
            assert content.problem or content.level.leaves or content.meta
