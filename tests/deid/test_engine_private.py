"""Private elements through the whole engine."""

import gzip
import struct
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian

from sendit.deid import Recipe
from sendit.errors import Held
from tests.deid.engines import deidentified
from tests.support.make_study import make_instance, write_instance

RESEARCH = Recipe.resolve(preset="research")
SIEMENS, PHILIPS = "SIEMENS MR HEADER", "Philips Imaging DD 001"


def result_of(tmp_path: Path, ds: Dataset, *, recipe: Recipe = RESEARCH):
    source = write_instance(tmp_path / "in.dcm", ds)
    return deidentified(source, tmp_path, recipe=recipe)


def with_siemens() -> Dataset:
    ds = make_instance(modality="MR")
    ds.add_new(0x00190010, "LO", "ACME")
    ds.add_new(0x00190011, "LO", SIEMENS)
    ds.add_new(0x0019100C, "IS", "77")
    ds.add_new(0x0019110C, "IS", "1000")
    ds.add_new(0x0019110E, "FD", [0.0, 1.0, 0.0])
    ds.add_new(0x00191177, "LO", "Sandpiper")
    ds.add_new(0x00210010, "LO", PHILIPS)
    return ds


def test_safe_elements_stay_with_their_creator_and_all_others_go(tmp_path: Path) -> None:
    after, report = result_of(tmp_path, with_siemens())

    left = [elem.tag for elem in after if elem.tag.is_private]
    assert left == [0x00190011, 0x0019110C, 0x0019110E]
    assert after[0x0019110C].value == 1000
    assert report.rules["option:retain-safe-private"] == 2


@pytest.mark.parametrize(
    "value", [b"Ma Wei", b"Dr. Hausdorf, by hand", b"19440709"], ids=["odd", "text", "day"]
)
def test_text_in_the_place_of_a_safe_number_goes(tmp_path: Path, value: bytes) -> None:
    ds = make_instance(modality="MR")
    ds.add_new(0x20010010, "LO", PHILIPS)
    ds.add_new(0x20011003, "UN", value + b" " * (len(value) % 2))
    source = write_instance(tmp_path / "in.dcm", ds, transfer_syntax_uid=ImplicitVRLittleEndian)

    deidentified(source, tmp_path, recipe=RESEARCH)

    assert value not in next((tmp_path / "P1").rglob("*.dcm")).read_bytes()


def test_without_the_option_every_private_element_goes(tmp_path: Path) -> None:
    after, _ = result_of(tmp_path, with_siemens(), recipe=Recipe.resolve())

    assert not [elem for elem in after if elem.tag.is_private]


@pytest.mark.parametrize("undefined", [True, False], ids=["undefined-length", "defined-length"])
def test_private_sequences_are_kept_cleaned_and_lose_orphans(
    tmp_path: Path, undefined: bool
) -> None:
    item = Dataset()
    item.PatientName = "Sandpiper^Amalia"
    item.StudyDate = "20240304"
    item.add_new(0x20010010, "LO", PHILIPS)
    item.add_new(0x2001102D, "SS", 35)
    item.add_new(0x20050010, "LO", "Philips MR Imaging DD 001")
    item.add_new(0x20050011, "LO", "Philips MR Imaging DD 005")
    item.add_new(0x20051171, "FL", 1.0)
    ds = make_instance(modality="MR")
    ds.add_new(0x20010010, "LO", PHILIPS)
    ds.add_new(0x2001105F, "SQ", Sequence([item]))
    ds[0x2001105F].is_undefined_length = undefined
    item.is_undefined_length_sequence_item = undefined

    after, _ = result_of(tmp_path, ds)

    inner = after[0x2001105F].value[0]
    assert [elem.tag for elem in inner if elem.tag.is_private] == [0x20010010, 0x2001102D]
    assert "andpiper" not in str(inner.get("PatientName", ""))
    assert inner.get("StudyDate") != "20240304"


def test_text_in_a_safe_element_is_searched(tmp_path: Path) -> None:
    ds = make_instance(modality="MR")
    ds.add_new(0x00190010, "LO", "GEMS_ACQU_01")
    ds.add_new(0x0019109C, "LO", "efgre3d SANDPIPER")

    after, _ = result_of(tmp_path, ds)

    assert "efgre3d" in after[0x0019109C].value
    assert "SANDPIPER" not in after[0x0019109C].value


def test_an_opaque_element_with_a_parser_is_rebuilt(tmp_path: Path) -> None:
    packed = gzip.compress(b'SLICEORDER "1"\nSEDESC "Sandpiper"\n')
    block = struct.pack("<I", len(packed)) + packed
    ds = make_instance(modality="MR")
    ds.add_new(0x00250010, "LO", "GEMS_SERS_01")
    ds.add_new(0x0025101B, "OB", block + bytes(len(block) % 2))

    after, _ = result_of(tmp_path, ds)

    value = after[0x0025101B].value
    length = int.from_bytes(value[:4], "little")
    assert gzip.decompress(value[4 : 4 + length]) == b'SLICEORDER "1"\n'


def test_an_opaque_element_without_a_parser_holds_the_instance(tmp_path: Path) -> None:
    ds = make_instance(modality="MR")
    ds.add_new(0x7E010010, "LO", "HOLOGIC, Inc.")
    ds.add_new(0x7E011012, "OB", b"\1\2\3\4")

    with pytest.raises(Held, match="OPAQUE_PRIVATE"):
        result_of(tmp_path, ds)


@pytest.mark.parametrize(
    "text",
    ["T1 for Sandpiper", "MRN4427810", "of 1961-04-12 ", "Sandpiper\xfc"],
    ids=["name", "id", "date", "accent"],
)
def test_text_where_numbers_belong_goes(tmp_path: Path, text: str) -> None:
    ds = make_instance(modality="CT")
    ds.add_new(0x00450010, "LO", "GEMS_HELIOS_01")
    ds.add_new(0x00451001, "SS", list(struct.unpack(f"<{len(text) // 2}h", text.encode("latin-1"))))

    after, _ = result_of(tmp_path, ds)

    assert 0x00451001 not in after


def test_numbers_of_a_private_element_stay(tmp_path: Path) -> None:
    ds = make_instance(modality="CT")
    ds.add_new(0x00450010, "LO", "GEMS_HELIOS_01")
    ds.add_new(0x00451001, "SS", [64, 16961, 17475])

    after, _ = result_of(tmp_path, ds)

    assert list(after[0x00451001].value) == [64, 16961, 17475]


def test_a_kept_device_number_stays_whole(tmp_path: Path) -> None:
    ds = make_instance(modality="MR", DeviceSerialNumber="000301496MR3")

    after, _ = result_of(tmp_path, ds)

    assert after.DeviceSerialNumber == "000301496MR3"
