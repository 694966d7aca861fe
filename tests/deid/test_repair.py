import struct
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from sendit.deid import Engine, Recipe, read_header
from sendit.errors import Unreadable
from sendit.terms import Reason
from tests.deid.engines import deidentified, identities_for
from tests.support.make_study import make_instance, make_study, write_instance


@pytest.fixture
def source(tmp_path: Path) -> Path:
    [file] = make_study(tmp_path / "in", n_series=1, n_images=1)
    return file


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


def insert(source: Path, before: bytes, content: bytes) -> None:
    data = source.read_bytes()
    at = data.index(before)
    source.write_bytes(data[:at] + content + data[at:])


AFTER_18 = b"\x20\x00\x0d\x00UI"
"""Study Instance UID: what stands before it has a smaller tag."""
PIXELS = b"\xe0\x7f\x10\x00OW"


def test_attributes_out_of_order_are_sorted(tmp_path: Path, source: Path) -> None:
    insert(source, PIXELS, element(0x0018, 0x1130, b"DS", b"2.5 "))

    after, report = deidentified(source, tmp_path)

    assert after.TableHeight == 2.5
    assert report.rules["repair:structure"] == 1
    tags = [one.tag for one in after]
    assert tags == sorted(tags)


def test_attribute_that_stands_twice_alike_is_kept_once(tmp_path: Path, source: Path) -> None:
    insert(source, PIXELS, element(0x0008, 0x0060, b"CS", b"CT"))

    after, _ = deidentified(source, tmp_path)

    assert after.Modality == "CT"


def test_attribute_with_two_values_is_refused(tmp_path: Path, source: Path) -> None:
    identities = identities_for(source)
    insert(source, PIXELS, element(0x0010, 0x0020, b"LO", b"OTHER1"))

    with pytest.raises(Unreadable, match="stands twice"):
        Engine(Recipe.resolve(), identities).deidentify_to(source, tmp_path / "out.dcm")


def test_sequence_without_an_end_ends_where_it_must(tmp_path: Path, source: Path) -> None:
    head = struct.pack("<HH2s2xI", 0x0008, 0x1140, b"SQ", 0xFFFFFFFF)
    item = bytes.fromhex("feff00e0ffffffff") + element(0x0008, 0x1155, b"UI", b"1.2.3.45")
    insert(source, b"\x10\x00\x10\x00PN", head + item + bytes.fromhex("feff0de000000000"))

    after, report = deidentified(source, tmp_path)

    assert after.ReferencedImageSequence[0].ReferencedSOPInstanceUID.startswith("2.25.")
    assert report.rules["repair:structure"] == 1


def test_odd_length_is_made_even(tmp_path: Path, source: Path) -> None:
    insert(source, AFTER_18, element(0x0018, 0x9004, b"CS", b"CCW"))

    after, report = deidentified(source, tmp_path)

    assert after.ContentQualification == "CCW"
    assert report.rules["repair:odd-length"] == 1


def test_implicit_elements_in_an_explicit_file_are_read(tmp_path: Path, source: Path) -> None:
    value = b"CCW "
    insert(
        source,
        AFTER_18,
        struct.pack("<HHI", 0x0018, 0x1140, len(value)) + value,
    )

    after, _ = deidentified(source, tmp_path)

    assert after.RotationDirection == "CCW"


def test_sequence_written_as_un_is_cleaned(tmp_path: Path, source: Path) -> None:
    inner = struct.pack("<HHI", 0x0008, 0x1155, 8) + b"1.2.3.45"
    item = bytes.fromhex("feff00e0") + struct.pack("<I", len(inner)) + inner
    head = struct.pack("<HH2s2xI", 0x0008, 0x1140, b"UN", len(item))
    insert(source, b"\x10\x00\x10\x00PN", head + item)

    after, _ = deidentified(source, tmp_path)

    assert b"1.2.3.45" not in (tmp_path / "P1").rglob("*.dcm").__next__().read_bytes()
    assert after.PatientID == "P1"


def test_zeros_behind_the_data_set_are_dropped(tmp_path: Path, source: Path) -> None:
    source.write_bytes(source.read_bytes() + bytes(4096))

    after, report = deidentified(source, tmp_path)

    assert report.rules["repair:trailing-zeros"] == 1
    assert after.PatientID == "P1"


@pytest.mark.parametrize("behind", ["pixels", "padding", "text"])
@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian], ids=["explicit", "implicit"]
)
@pytest.mark.parametrize("count", [1, 7, 8, 512])
def test_zeros_behind_the_last_attribute_are_dropped(
    tmp_path: Path, behind: str, syntax: str, count: int
) -> None:
    ds = make_instance(modality="SR" if behind == "text" else "CT")
    if behind == "padding":
        ds.DataSetTrailingPadding = b"padding!"
    source = write_instance(tmp_path / "in.dcm", ds, transfer_syntax_uid=syntax)
    clean = deidentified(source, tmp_path / "clean")[1].sha256
    source.write_bytes(source.read_bytes() + bytes(count))

    assert deidentified(source, tmp_path / "out")[1].sha256 == clean


def test_file_that_is_cut_off_is_not_padded(source: Path, tmp_path: Path) -> None:
    source.write_bytes(source.read_bytes()[:900] + bytes(3))

    with pytest.raises(Unreadable):
        deidentified(source, tmp_path)


def test_header_is_read_from_a_file_that_can_be_mended(source: Path) -> None:
    data = source.read_bytes()
    at = data.index(b"\x08\x00\x60\x00CS")
    source.write_bytes(data[: at + 4] + struct.pack("<I", 2) + b"CT" + data[at + 10 :])

    header = read_header(source)

    assert header.modality == "CT"
    assert "structure" in header.repairs


def test_mended_file_is_still_readable_by_others(tmp_path: Path, source: Path) -> None:
    before = pydicom.dcmread(source)
    insert(source, PIXELS, element(0x0018, 0x1130, b"DS", b"2.5 "))

    after, _ = deidentified(source, tmp_path)

    assert (after.pixel_array == before.pixel_array).all()


def declare(source: Path, syntax: str) -> None:
    """Say in the file meta group that the data set is encoded in another way."""
    data = source.read_bytes()
    at = data.index(b"\x02\x00\x10\x00UI") + 6
    end = at + 2 + struct.unpack_from("<H", data, at)[0]
    value = syntax.encode() + b"\0" * (len(syntax) & 1)
    source.write_bytes(data[:at] + struct.pack("<H", len(value)) + value + data[end:])


PLAIN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


@pytest.mark.parametrize("declared", PLAIN)
@pytest.mark.parametrize("written", PLAIN)
def test_a_data_set_in_another_encoding_than_declared_is_read(
    tmp_path: Path, written: str, declared: str
) -> None:
    source = write_instance(tmp_path / "a.dcm", make_instance(), transfer_syntax_uid=written)
    pixels = pydicom.dcmread(source).pixel_array
    identities = identities_for(source)
    declare(source, declared)

    report = Engine(Recipe.resolve(), identities).deidentify_to(source, tmp_path / "out.dcm")

    after = pydicom.dcmread(tmp_path / "out.dcm")
    assert (after.pixel_array == pixels).all()
    assert after.file_meta.TransferSyntaxUID == written
    assert ("repair:transfer-syntax" in report.rules) is (written != declared)


@pytest.mark.parametrize(
    ("written", "declared"),
    [
        (DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian),
        (DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit),
        (ExplicitVRBigEndian, JPEGBaseline8Bit),
    ],
)
def test_what_is_not_encoded_as_declared_is_not_said_to_be_cut(
    tmp_path: Path, written: str, declared: str
) -> None:
    source = write_instance(tmp_path / "a.dcm", make_instance(), transfer_syntax_uid=written)
    identities = identities_for(source)
    declare(source, declared)

    with pytest.raises(Unreadable) as refusal:
        Engine(Recipe.resolve(), identities).deidentify_to(source, tmp_path / "out.dcm")

    assert refusal.value.reason is Reason.MALFORMED
    assert refusal.value.detail == "the data set is not encoded as (0002,0010) says"


@pytest.mark.parametrize("is_explicit", [True, False])
def test_what_a_message_left_before_the_data_set_goes(
    tmp_path: Path, source: Path, is_explicit: bool
) -> None:
    group = struct.pack("<HHIH", 0, 0x0100, 2, 1)
    if is_explicit:
        group = element(0, 0x0100, b"US", b"\1\0")
    insert(source, b"\x08\x00\x08\x00CS", group)

    after, report = deidentified(source, tmp_path)

    assert report.rules["repair:command-group"] == 1
    assert min(after.keys()) >> 16 == 0x0008


def test_an_attribute_of_a_directory_goes(tmp_path: Path, source: Path) -> None:
    insert(source, b"\x08\x00\x08\x00CS", element(4, 0x1130, b"CS", b"DISC"))

    _, report = deidentified(source, tmp_path)

    assert report.rules["repair:misplaced-group"] == 1


def test_an_explicit_element_in_an_implicit_file_is_read(tmp_path: Path) -> None:
    source = write_instance(
        tmp_path / "a.dcm", make_instance(), transfer_syntax_uid=ImplicitVRLittleEndian
    )
    insert(source, b"\x20\x00\x0d\x00", element(0x0018, 0x1130, b"DS", b"2.5 "))

    after, report = deidentified(source, tmp_path)

    assert after.TableHeight == 2.5
    assert report.rules["repair:structure"] == 1
