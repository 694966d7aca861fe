"""A reader that remembers stretches of headers reads each file as if it were the first."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from sendit.deid.release_content import Content, Level
from sendit.deid.release_reader import Reader
from tests.support.make_study import make_instance, write_instance

SYNTAXES = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big-endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "run-length": RLELossless,
}
ITEM = b"\xfe\xff\x00\xe0"


def told(content: Content) -> object:
    """Return all that a reader says of a file, in a form that can be compared."""
    fields = (one.name for one in dataclasses.fields(content) if one.name != "level")
    return [getattr(content, name) for name in fields], elements(content.level)


def elements(level: Level) -> object:
    deeper = [(key, [elements(item) for item in items]) for key, items in level.sequences]
    return list(level.leaves), deeper


def check(reader: Reader, files: Iterable[Path]) -> None:
    for path in files:
        assert told(reader.read(path)) == told(Reader().read(path)), path.name


def slice_of(
    number: int, *, series: int = 1, undefined: bool = False, tail: bool = False
) -> Dataset:
    ds = make_instance(series=series, number=number, modality="MR")
    ds.ImageComments = "x" * (number % 3)
    if number % 5 == 0:
        ds.AcquisitionComments = "every fifth has one element more"
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "T-D1100", "SRT", "Head"
    inner = Dataset()
    inner.PurposeOfReferenceCodeSequence = Sequence([code, Dataset()])
    inner.ReferencedSOPInstanceUID = f"1.2.3.{number // 4}"
    for one in (code, inner):
        one.is_undefined_length_sequence_item = undefined
    ds.AnatomicRegionSequence = Sequence([code])
    ds.ReferencedImageSequence = Sequence([inner])
    ds["ReferencedImageSequence"].is_undefined_length = undefined
    private = ds.private_block(0x0019, "EXAMPLE 1", create=True)
    for element in range(12):
        private.add_new(element, "LO", f"private {element}")
    private.add_new(0x20, "UN", ITEM + b"\x0a\0\0\0\x08\0\x04\x01\x02\0\0\0ab")
    private.add_new(0x21, "UN", ITEM + b"\xff\xff\xff\x00 no item")
    private.add_new(0x22, "UN", ITEM + b"\x0a\0\0\0\x08\0\x04\x01LO\x02\0ab")
    if tail:
        ds.DataSetTrailingPadding = bytes(number % 4 * 2)
    return ds


def write_series(
    folder: Path, numbers: Iterable[int], *, syntax: str, **options: object
) -> list[Path]:
    return [
        write_instance(
            folder / f"{number}.dcm",
            slice_of(number, **options),  # type: ignore[arg-type]
            transfer_syntax_uid=syntax,
        )
        for number in numbers
    ]


@pytest.mark.parametrize("undefined", [False, True], ids=["defined", "undefined length"])
@pytest.mark.parametrize("syntax", SYNTAXES.values(), ids=SYNTAXES)
def test_a_series_is_read_as_by_a_new_reader(tmp_path: Path, syntax: str, undefined: bool) -> None:
    files = write_series(tmp_path, range(12), syntax=syntax, undefined=undefined, tail=True)

    check(Reader(), files)
