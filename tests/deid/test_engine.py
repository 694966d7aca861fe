import hashlib
from pathlib import Path

import pydicom
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

from sendit.deid import Engine, Recipe, deidentify_dataset, read_header
from sendit.errors import Excluded, ImageError, Rejected, Unreadable
from sendit.terms import Reason
from tests.deid.engines import deidentified, identities_for
from tests.support.make_study import (
    empty,
    giant_length,
    make_dicomdir,
    make_instance,
    make_study,
    not_dicom,
    truncate,
    without_preamble,
    write_instance,
)

SYNTAXES = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
]


def nested(levels: int) -> Dataset:
    """Return an instance with a name and a date under ``levels`` sequences."""
    ds = make_instance()
    item = ds
    for _ in range(levels):
        inner = Dataset()
        item.DerivationCodeSequence = Sequence([inner])
        item = inner
    item.StudyDate = "20200301"
    item.OperatorsName = "CANARY^ONE"
    item.ReferencedSOPInstanceUID = "1.2.3.4"
    item.add_new(0x00091001, "LO", "CANARY")
    return ds


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
def test_pixels_stay_and_identifiers_go_in_every_transfer_syntax(
    tmp_path: Path, syntax: str
) -> None:
    [source] = make_study(tmp_path / "in", n_series=1, n_images=1, transfer_syntax_uid=syntax)
    before = pydicom.dcmread(source)

    after, _ = deidentified(source, tmp_path)

    assert (after.pixel_array == before.pixel_array).all()
    assert after.PatientName == after.PatientID == "P1"
    assert after.AccessionNumber == after.StudyID == "S1"
    assert after.StudyInstanceUID.startswith("2.25.")
    assert after.StudyInstanceUID != before.StudyInstanceUID
    assert after.StudyDate == "20181204"
    content = (tmp_path / f"P1/{after.StudyInstanceUID}").glob("*/*.dcm")
    for file in content:
        assert b"Sandpiper" not in file.read_bytes()


def test_every_depth_is_cleaned(tmp_path: Path) -> None:
    source = write_instance(tmp_path / "in.dcm", nested(6))

    after, report = deidentified(source, tmp_path)

    item = after
    for _ in range(6):
        item = item.DerivationCodeSequence[0]
    assert item.StudyDate == "20191122"
    assert "OperatorsName" not in item
    assert item.ReferencedSOPInstanceUID.startswith("2.25.")
    assert 0x00091001 not in item
    path = "(0008,9215)/" * 6 + "(0008,0020)"
    assert report.elements[path, "shift", "option:retain-longitudinal-modified-dates"] == 1


def test_preamble_and_meta_are_our_own(tmp_path: Path) -> None:
    [source] = make_study(tmp_path / "in", n_series=1, n_images=1)
    content = source.read_bytes()
    source.write_bytes(b"CANARY" + content[6:])

    after, _ = deidentified(source, tmp_path)

    assert after.preamble == bytes(128)
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
    assert after.file_meta.ImplementationVersionName.startswith("SENDIT")


def test_markers_say_what_was_done(tmp_path: Path) -> None:
    [source] = make_study(tmp_path / "in", n_series=1, n_images=1)

    after, _ = deidentified(source, tmp_path)

    assert after.PatientIdentityRemoved == "YES"
    assert after.LongitudinalTemporalInformationModified == "MODIFIED"
    codes = [item.CodeValue for item in after.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113107"]
    assert after.DeidentificationMethod


def test_private_overlays_curves_signatures_and_padding_go(tmp_path: Path) -> None:
    ds = make_instance()
    ds.add_new(0x00090010, "LO", "SOME VENDOR")
    ds.add_new(0x00091001, "LO", "CANARY")
    ds.add_new(0x50003000, "OW", b"\0\0")
    ds.add_new(0x60003000, "OW", b"\0\0")
    ds.add_new(0x60001500, "LO", "CANARY")
    ds.add_new(0xFFFAFFFA, "SQ", Sequence([Dataset()]))
    ds.add_new(0xFFFCFFFC, "OB", b"CANARY")
    source = write_instance(tmp_path / "in.dcm", ds)

    after, report = deidentified(source, tmp_path)

    groups = {element.tag.group for element in after}
    assert not groups & {0x0009, 0x5000, 0x6000, 0xFFFA, 0xFFFC}
    assert report.actions["private"] == 2


def test_same_input_gives_the_same_bytes_and_the_digest_is_of_them(tmp_path: Path) -> None:
    [source] = make_study(tmp_path / "in", n_series=1, n_images=1)

    _, first = deidentified(source, tmp_path / "one")
    _, second = deidentified(source, tmp_path / "two")

    content = (tmp_path / "one" / str(first.file)).read_bytes()
    assert first.sha256 == second.sha256 == hashlib.sha256(content).hexdigest()
    assert first.bytes_out == len(content)


def test_file_without_preamble_is_read_and_reported(tmp_path: Path) -> None:
    [source] = make_study(tmp_path / "in", n_series=1, n_images=1)
    without_preamble(source)

    after, report = deidentified(source, tmp_path)

    assert after.preamble == bytes(128)
    assert report.rules["repair:no-preamble"] == 1


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (truncate, Reason.TRUNCATED),
        (empty, Reason.EMPTY_FILE),
        (giant_length, Reason.TRUNCATED),
        (not_dicom, Reason.NOT_DICOM),
    ],
)
def test_spoiled_file_is_unreadable_and_leaves_nothing(
    tmp_path: Path, spoil: object, reason: Reason
) -> None:
    [source] = make_study(tmp_path / "in", n_series=1, n_images=1)
    engine = Engine(Recipe.resolve(), identities_for(source))
    spoil(source)  # type: ignore[operator]
    target = tmp_path / "out"
    target.mkdir()

    with pytest.raises(Unreadable) as caught:
        engine.deidentify_into(source, target)

    assert caught.value.reason == reason
    assert list(target.rglob("*")) == []


def test_dicomdir_never_goes_out(tmp_path: Path) -> None:
    files = make_study(tmp_path / "in", n_series=1, n_images=1)
    directory = make_dicomdir(tmp_path / "in" / "DICOMDIR", files)
    engine = Engine(Recipe.resolve(), identities_for(*files))

    with pytest.raises(Excluded, match="DICOMDIR"):
        engine.deidentify_to(directory, tmp_path / "out.dcm")


def test_patient_without_id_is_rejected(tmp_path: Path) -> None:
    [source] = make_study(tmp_path / "in", n_series=1, n_images=1, PatientID="")
    engine = Engine(Recipe.resolve(), identities_for(source))

    with pytest.raises(Rejected, match="NO_IDENTITY"):
        engine.deidentify_to(source, tmp_path / "out.dcm")


def test_ten_thousand_levels_end_in_one_error(tmp_path: Path) -> None:
    level = bytes.fromhex("0800159253510000ffffffff" + "feff00e0ffffffff")
    head = write_instance(tmp_path / "whole.dcm", make_instance()).read_bytes()
    at = head.index(b"\x10\x00\x10\x00PN")
    source = tmp_path / "deep.dcm"
    source.write_bytes(head[:at] + level * 10_000)

    with pytest.raises(ImageError, match="levels deep"):
        Engine(Recipe.resolve(), identities_for()).deidentify_to(source, tmp_path / "out.dcm")


def test_dates_go_without_an_option_for_them(tmp_path: Path) -> None:
    [source] = make_study(tmp_path / "in", n_series=1, n_images=1)

    after, _ = deidentified(source, tmp_path, recipe=Recipe.resolve(options=()))

    assert after.StudyDate == ""
    assert "AcquisitionDate" not in after or after.AcquisitionDate == ""
    assert after.LongitudinalTemporalInformationModified == "REMOVED"


def test_dataset_in_memory_is_left_as_it_was(tmp_path: Path) -> None:
    ds = make_instance()
    source = write_instance(tmp_path / "in.dcm", ds)

    after, report = deidentify_dataset(
        ds, recipe=Recipe.resolve(), identities=identities_for(source)
    )

    assert ds.PatientID == "MRN4427810"
    assert after.PatientID == "P1"
    assert report.sop_instance_uid == after.SOPInstanceUID


def test_nothing_of_the_patient_shows_in_a_repr(tmp_path: Path) -> None:
    [source] = make_study(tmp_path / "in", n_series=1, n_images=1)

    _, report = deidentified(source, tmp_path)

    assert "Sandpiper" not in repr(report)
    assert "MRN4427810" not in repr(identities_for(source))


def test_padding_behind_the_pixels_is_cut(tmp_path: Path) -> None:
    ds = make_instance()
    ds.PixelData += b"CANARY"
    source = write_instance(tmp_path / "in.dcm", ds)

    after, report = deidentified(source, tmp_path)

    assert after.PixelData == ds.PixelData[:-6]
    assert report.rules["repair:pixel-padding"] == 1


def test_text_in_unused_bits_goes(tmp_path: Path) -> None:
    ds = make_instance(BitsStored=12, HighBit=11)
    pixels = bytearray(ds.PixelData)
    pixels[1] |= 0xF0
    ds.PixelData = bytes(pixels)
    source = write_instance(tmp_path / "in.dcm", ds)

    after, _ = deidentified(source, tmp_path)

    assert after.PixelData[1] & 0xF0 == 0


def test_unknown_transfer_syntax_can_be_read_but_not_go_out(tmp_path: Path) -> None:
    [source] = make_study(tmp_path / "in", n_series=1, n_images=1)
    content = source.read_bytes()
    source.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.9.1\0"))

    assert read_header(source).modality == "CT"
    with pytest.raises(Rejected, match="UNSUPPORTED"):
        Engine(Recipe.resolve(), identities_for(source)).deidentify_to(source, tmp_path / "o.dcm")


def test_attribute_that_no_dictionary_has_goes(tmp_path: Path) -> None:
    ds = make_instance()
    ds.add_new(0x10100030, "LO", "CANARY")
    ds.add_new(0x00180F0F, "LO", "CANARY")
    source = write_instance(tmp_path / "in.dcm", ds)

    after, report = deidentified(source, tmp_path)

    assert 0x10100030 not in after
    assert 0x00180F0F not in after
    assert report.rules["unknown-attribute"] == 2


def test_what_only_stands_beside_what_goes_goes_too(tmp_path: Path) -> None:
    ds = make_instance(
        ResponsiblePerson="Sandpiper^Bo",
        ResponsiblePersonRole="OWNER",
        ClinicalTrialProtocolEthicsCommitteeName="Lapwing Committee",
        ClinicalTrialProtocolEthicsCommitteeApprovalNumber="E-4427",
    )
    source = write_instance(tmp_path / "in.dcm", ds)

    after, _ = deidentified(source, tmp_path, recipe=Recipe.resolve(preset="research"))

    assert "ResponsiblePersonRole" not in after
    assert "ClinicalTrialProtocolEthicsCommitteeName" not in after


@pytest.mark.parametrize(
    "keyword",
    [
        "IssuerOfPatientIDQualifiersSequence",
        "IssuerOfAccessionNumberSequence",
        "OrderPlacerIdentifierSequence",
        "OrderFillerIdentifierSequence",
    ],
)
def test_who_issued_an_id_goes(tmp_path: Path, keyword: str) -> None:
    issuer = Dataset()
    issuer.UniversalEntityID, issuer.UniversalEntityIDType = "lapwing.example", "DNS"
    source = write_instance(tmp_path / "in.dcm", make_instance(**{keyword: Sequence([issuer])}))

    after, report = deidentified(source, tmp_path, recipe=Recipe.resolve(preset="research"))

    assert keyword not in after
    assert report.rules["beyond-table"] == 1


def test_a_uid_that_is_to_be_replaced_by_a_dummy_is_a_uid_again(tmp_path: Path) -> None:
    group = Dataset()
    group.AnnotationGroupNumber, group.AnnotationGroupUID = 1, "1.2.3.4.5.6.7"
    group.AnnotationGroupLabel = "cells"
    ds = make_instance(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.91.1", AnnotationGroupSequence=Sequence([group])
    )
    source = write_instance(tmp_path / "in.dcm", ds)

    after, _ = deidentified(source, tmp_path)

    assert after.AnnotationGroupSequence[0].AnnotationGroupUID.startswith("2.25.")
