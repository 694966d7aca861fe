"""A reader that remembers stretches of headers reads each file as if it were the first."""

import dataclasses
import pickle
import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_files
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from sendit.deid.release import Allowance, Gate
from sendit.deid.release_content import Content, Level
from sendit.deid.release_reader import Reader
from sendit.errors import ImageError
from sendit.terms import Reason
from tests.support.cleaned import OPTIONS, clean_copy, rewrite
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
    """Return all that a reader says of a file, and how the gate asks for it."""
    fields = (one.name for one in dataclasses.fields(content) if one.name != "level")
    level = content.level
    views = level.by_tag(), level.elements(), sorted(level.odd()), level.creators()
    return [getattr(content, name) for name in fields], elements(level), views


def elements(level: Level) -> object:
    deeper = [(key, [elements(item) for item in items]) for key, items in level.sequences]
    return list(level.leaves), deeper


def check(reader: Reader, files: Iterable[Path]) -> list[Content]:
    """Read files with a reader that remembers, and with a new one for each."""
    contents = []
    for path in files:
        contents.append(reader.read(path))
        assert told(contents[-1]) == told(Reader().read(path)), path.name
    return contents


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

    contents = check(Reader(), files)

    assert contents[0].level.base is None
    assert contents[-1].level.base is not None
    before, after = ({id(leaf) for leaf in one.level.leaves} for one in contents[-2:])
    assert len(before & after) > len(after) // 2


def test_series_in_any_order_are_read_as_by_a_new_reader(tmp_path: Path) -> None:
    chance = random.Random(7)
    files = [
        path
        for series in range(1, 6)
        for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
        for path in write_series(
            tmp_path / f"{series}{syntax}", range(6), syntax=syntax, series=series
        )
    ]
    chance.shuffle(files)

    contents = check(Reader(), files)

    assert sum(one.level.base is not None for one in contents) > 20


def test_a_reader_remembers_no_more_than_there_is_room_for(tmp_path: Path) -> None:
    ds, reader = slice_of(1), Reader()
    block = ds.private_block(0x0019, "EXAMPLE 1")
    for series in range(100):
        ds.SeriesInstanceUID = f"1.2.3.{series}"
        block.add_new(0x2F, "LO", "x" * (series % 64))
        block.add_new(0x30, "UT", f"{series:03}" * 10_000)
        for element in (0x31, 0x32):
            block.add_new(element, "LO", "the same")
        contents = []
        for number in range(4):
            block.add_new(0x2E, "LO", str(number))
            contents += check(reader, [write_instance(tmp_path / "a.dcm", ds)])
        assert contents[-1].level.base is not None

    assert len(pickle.dumps(reader)) < 1 << 22


def test_a_header_that_is_large_is_not_remembered(tmp_path: Path) -> None:
    ds = slice_of(1)
    ds.private_block(0x0019, "EXAMPLE 1").add_new(0x30, "UT", "large " * 20_000)
    header = write_instance(tmp_path / "a.dcm", ds)
    ds = slice_of(2, series=2)
    ds.DataSetTrailingPadding = bytes(100_000)
    tail = write_instance(tmp_path / "b.dcm", ds)
    reader = Reader()

    contents = check(reader, [header] * 4 + [tail])

    assert all(one.level.base is None for one in contents)
    assert len(pickle.dumps(reader)) < 20_000


def test_files_of_every_sort_are_read_as_by_a_new_reader() -> None:
    reader = Reader()
    files = [Path(name) for name in get_testdata_files() if Path(name).is_file()]

    check(reader, [path for path in files for _ in range(3)])
    check(reader, files)


@pytest.mark.parametrize(
    "odd",
    [b"\x10\x00\x10\x00PN\x02\x00%02d", b"\xfe\xff\x01\x00\x00\x00\x00\x00"],
    ids=["a tag twice", "of the group of delimiters"],
)
def test_an_element_out_of_place_is_read_as_by_a_new_reader(tmp_path: Path, odd: bytes) -> None:
    files = write_series(tmp_path, range(8), syntax=ExplicitVRLittleEndian)
    for number, path in enumerate(files):
        data = path.read_bytes()
        place = data.index(b"\x10\x00\x10\x00PN")
        put = odd % number if b"%" in odd else odd
        path.write_bytes(data[:place] + put + data[place:])

    contents = check(Reader(), files)

    assert contents[-1].level.value(0x00100010) == b"Sandpiper^Amalia"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Reader, bytes]]:
    """A reader that knows a series, and the bytes of one of its files, by syntax."""
    readers = {}
    for name, syntax in SYNTAXES.items():
        reader = Reader()
        files = write_series(tmp_path_factory.mktemp(name), range(9), syntax=syntax, tail=True)
        check(reader, files)
        readers[name] = reader, files[8].read_bytes()
    return readers


@settings(deadline=None, max_examples=300)
@given(
    syntax=st.sampled_from(sorted(SYNTAXES)),
    changes=st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 6), st.binary(max_size=12)),
        min_size=1,
        max_size=4,
    ),
    cut=st.just(0) | st.integers(0, 2500),
)
def test_a_spoilt_sibling_is_read_as_by_a_new_reader(
    trained: dict[str, tuple[Reader, bytes]],
    tmp_path_factory: pytest.TempPathFactory,
    syntax: str,
    changes: list[tuple[float, int, bytes]],
    cut: int,
) -> None:
    reader, data = trained[syntax]
    for where, taken, put in changes:
        place = 132 + int(where * (len(data) - 132))
        data = data[:place] + put + data[place + taken :]
    path = tmp_path_factory.mktemp("spoilt") / "a.dcm"
    path.write_bytes(data[: len(data) - cut])

    check(reader, [path])


LEAKS: dict[str, Callable[[Dataset], object]] = {
    "name": lambda ds: setattr(ds, "ScanningSequence", "SANDPIPER"),
    "text": lambda ds: setattr(ds, "SeriesDescription", "Thorax Sandpiper"),
    "date": lambda ds: setattr(ds, "ProtocolName", "of 14.03.2019"),
    "value unchanged": lambda ds: setattr(ds, "StudyDate", "20190314"),
    "other shift": lambda ds: setattr(ds, "StudyDate", "20190101"),
    "uid": lambda ds: setattr(ds, "StudyInstanceUID", str(make_instance().StudyInstanceUID)),
    "private": lambda ds: ds.private_block(0x0019, "EXAMPLE 1", create=True).add_new(1, "LO", "x"),
    "overlay": lambda ds: ds.add_new(0x60000010, "US", 5),
    "item": lambda ds: setattr(ds.AnatomicRegionSequence[0], "CodeMeaning", "Sandpiper"),
    "number lost": lambda ds: setattr(ds, "RepetitionTime", "1"),
    "item lost": lambda ds: setattr(ds, "AnatomicRegionSequence", Sequence()),
    "element lost": lambda ds: delattr(ds, "PixelSpacing"),
    "marker lost": lambda ds: delattr(ds, "PatientIdentityRemoved"),
}


def released(
    folder: Path, numbers: Iterable[int], change: Callable[[Dataset], object] = lambda _: None
) -> list[tuple[Path, Path]]:
    """Write a series and its clean copies."""
    pairs = []
    for number in numbers:
        ds = slice_of(number)
        change(ds)
        original = write_instance(folder / "in" / f"{number}.dcm", ds)
        pairs.append((original, clean_copy(original, folder / "out" / f"{number}.dcm")))
    return pairs


def in_element(ds: Dataset) -> None:
    ds.AcquisitionComments = "as Whimbrel saw"


def in_item(ds: Dataset) -> None:
    ds.AnatomicRegionSequence[0].CodeMeaning = "as Whimbrel saw"


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_a_leak_inside_of_what_is_remembered_is_refused(
    tmp_path: Path, leak: Callable[[Dataset], object]
) -> None:
    pairs = released(tmp_path, range(9))
    gate = Gate(Allowance(OPTIONS))
    for original, result in pairs[:8]:
        gate.check(result, known=gate.known_of(original), original=original)
    original, result = pairs[8]
    gate.check(result, known=gate.known_of(original), original=original)
    rewrite(result, leak)

    with pytest.raises(ImageError):
        gate.check(result, known=gate.known_of(original), original=original)


def several_private(ds: Dataset) -> None:
    block = ds.private_block(0x0019, "EXAMPLE 1", create=True)
    block.add_new(1, "LO", "the same")
    block = ds.private_block(0x0021, "EXAMPLE 2", create=True)
    block.add_new(1, "LO", str(ds.InstanceNumber))


def several_changed(ds: Dataset) -> None:
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = "20190314"
    ds.RepetitionTime = ds.EchoTime = ds.FlipAngle = "1"


def several_moved(ds: Dataset) -> None:
    ds.StudyDate, ds.SeriesDate, ds.ContentDate = "20181001", "20181002", "20181003"


def refusal(gate: Gate, original: Path, result: Path) -> tuple[object, ...]:
    """Return why a result is refused."""
    with pytest.raises(ImageError) as caught:
        gate.check(result, known=gate.known_of(original), original=original)
    return type(caught.value), caught.value.reason, caught.value.detail


@pytest.mark.parametrize("leak", [several_private, several_changed, several_moved])
def test_what_a_refusal_names_does_not_depend_on_other_files(
    tmp_path: Path, leak: Callable[[Dataset], object]
) -> None:
    pairs = released(tmp_path / "good", range(9))
    spoilt = released(tmp_path / "spoilt", range(9))
    for _, result in spoilt:
        rewrite(result, leak)
    gate = Gate(Allowance(OPTIONS))
    told = set()
    for (original, result), (other, bad) in zip(pairs, spoilt, strict=True):
        gate.check(result, known=gate.known_of(original), original=original)
        told |= {refusal(gate, other, bad), refusal(Gate(Allowance(OPTIONS)), other, bad)}

    assert len(told) == 1


@pytest.mark.parametrize("write", [in_element, in_item])
def test_what_may_stand_with_one_patient_is_refused_with_another(
    tmp_path: Path, write: Callable[[Dataset], object]
) -> None:
    """The very bytes that were read and judged before name somebody now."""

    def rename(ds: Dataset) -> None:
        write(ds)
        ds.PatientID, ds.PatientName = "MRN5538221", "Whimbrel^Jon"

    ours = released(tmp_path / "ours", range(8), write)
    theirs = released(tmp_path / "theirs", range(8), rename)
    gate = Gate(Allowance(OPTIONS))
    for original, result in ours:
        gate.check(result, known=gate.known_of(original), original=original)

    for original, result in theirs:
        with pytest.raises(ImageError) as caught:
            gate.check(result, known=gate.known_of(original), original=original)
        assert caught.value.reason in (Reason.IDENTIFIER_LEFT, Reason.NUMBER_HIT)


def date_in_element(ds: Dataset) -> None:
    ds.AcquisitionComments = "as of 20180503"


def date_in_item(ds: Dataset) -> None:
    ds.AnatomicRegionSequence[0].CodeMeaning = "as of 20180503"


def uid_in_element(ds: Dataset) -> None:
    ds.ConcatenationUID = "1.2.3.4.5.6.7.8"


def uid_in_item(ds: Dataset) -> None:
    ds.AnatomicRegionSequence[0].ContextGroupExtensionCreatorUID = "1.2.3.4.5.6.7.8"


def uid_of_software(ds: Dataset) -> None:
    ds.SoftwareVersions = "as 1.2.3.4.5.6.7.8"


def date_in_number(ds: Dataset) -> None:
    ds.EchoNumbers = 20180503


def date_in_code(ds: Dataset) -> None:
    ds.ScanOptions = "MAY 3 2018"


def name_in_code(ds: Dataset) -> None:
    ds.ScanOptions = "DUNLIN"


@pytest.mark.parametrize(
    ("write", "keyword", "value"),
    [
        (uid_in_element, "FrameOfReferenceUID", "1.2.3.4.5.6.7.8"),
        (uid_in_item, "FrameOfReferenceUID", "1.2.3.4.5.6.7.8"),
        (uid_of_software, "FrameOfReferenceUID", "1.2.3.4.5.6.7.8"),
        (date_in_number, "DateOfLastCalibration", "20180503"),
        (date_in_code, "DateOfLastCalibration", "20180503"),
        (name_in_code, "OperatorsName", "Dunlin"),
        (in_element, "OperatorsName", "Whimbrel^Jon"),
        (in_item, "OperatorsName", "Whimbrel^Jon"),
        (date_in_element, "DateOfLastCalibration", "20180503"),
        (date_in_item, "DateOfLastCalibration", "20180503"),
    ],
)
def test_what_stood_in_slice_after_slice_is_refused_once_it_tells_something(
    tmp_path: Path, write: Callable[[Dataset], object], keyword: str, value: str
) -> None:
    pairs = released(tmp_path, range(9))
    for _, result in pairs:
        rewrite(result, write)
    ds = slice_of(10)
    setattr(ds, keyword, value)
    tells = write_instance(tmp_path / "tells.dcm", ds)
    gate = Gate(Allowance(OPTIONS), extra=("dunlin",))
    for original, result in pairs[:8]:
        gate.check(result, known=gate.known_of(original), original=original)
    original, result = pairs[8]
    gate.known_of(tells)

    with pytest.raises(ImageError) as caught:
        gate.check(result, known=gate.known_of(original), original=original)

    assert caught.value.reason in (Reason.IDENTIFIER_LEFT, Reason.NUMBER_HIT)
