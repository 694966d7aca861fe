"""Site rules through the whole engine."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from sendit.deid import Recipe, read_site_rules
from sendit.errors import Excluded
from tests.deid.engines import deidentified
from tests.support.make_study import make_instance, write_instance


def result_of(tmp_path: Path, ds: Dataset, *lines: str, preset: str = "research"):
    text = "\n".join(("FORMAT dicom", *lines))
    recipe = Recipe.resolve(preset=preset, site_rules=read_site_rules(text, name="irb.deid"))
    source = write_instance(tmp_path / "in.dcm", ds)
    return deidentified(source, tmp_path, recipe=recipe)


def test_rules_of_the_site_go_before_the_table(tmp_path: Path) -> None:
    ds = make_instance(
        PatientComments="knee pain",
        SeriesDescription="knee",
        ProtocolName="knee",
        Occupation="cook",
    )

    after, report = result_of(
        tmp_path, ds,
        "%header",
        "REMOVE ProtocolName",
        "REPLACE SeriesDescription knees of the study",
        "BLANK contains:PatientComments",
        "ADD ClinicalTrialProtocolID IRB 41449",
        "ADD Occupation var:patient_pseudonym",
    )  # fmt: skip

    assert "ProtocolName" not in after or after.ProtocolName != "knee"
    assert after.SeriesDescription == "knees of the study"
    assert after.PatientComments == ""
    assert after.ClinicalTrialProtocolID == "IRB 41449"
    assert after.Occupation == after.PatientID
    assert report.rules["site:irb.deid:4"] == 1


def test_what_a_rule_keeps_is_still_cleaned_and_moved(tmp_path: Path) -> None:
    ds = make_instance(PatientComments="knee of Sandpiper", StudyDate="20240304")

    after, _ = result_of(
        tmp_path, ds, "%header", "KEEP PatientComments", "KEEP StudyDate", preset="basic"
    )

    assert "knee" in after.PatientComments
    assert "Sandpiper" not in after.PatientComments
    assert after.StudyDate not in ("", "20240304")


def test_a_pattern_puts_no_text_where_it_cannot_stand(tmp_path: Path) -> None:
    ds = make_instance(SliceThickness="2.5", SeriesDescription="knee", StudyDate="20240304")

    after, _ = result_of(tmp_path, ds, "%header", "REPLACE ALL thin")

    assert (after.SliceThickness, after.SeriesDescription) == (2.5, "thin")
    assert after.StudyDate == "20231125"


@pytest.mark.parametrize("line", ["KEEP contains:Date", "JITTER ALL 3", "REPLACE select:VR:DA x"])
def test_no_pattern_reaches_a_date_of_birth(tmp_path: Path, line: str) -> None:
    ds = make_instance(PatientBirthDate="19700304", StudyDate="20240304")

    after, _ = result_of(tmp_path, ds, "%header", line)

    assert after.PatientBirthDate == ""


def test_dates_move_by_the_days_of_a_rule(tmp_path: Path) -> None:
    ds = make_instance(ContentDate="20240304", LastMenstrualDate="20240304")

    after, _ = result_of(tmp_path, ds, "%header", "JITTER LastMenstrualDate 10")

    assert after.LastMenstrualDate == "20240314"


def test_an_identifier_that_a_rule_puts_in_is_refused(tmp_path: Path) -> None:
    ds = make_instance(PatientName="Sandpiper^Amalia")

    with pytest.raises(Exception, match="IDENTIFIER_LEFT"):
        result_of(tmp_path, ds, "%header", "ADD PatientComments Sandpiper")


def test_a_flagged_instance_is_excluded(tmp_path: Path) -> None:
    lines = ("%filter blacklist", "LABEL secondary", "contains ImageType SECONDARY")
    ds = make_instance(ImageType=["DERIVED", "SECONDARY"])

    with pytest.raises(Excluded, match=r"LISTED: site:irb.deid:3"):
        result_of(tmp_path, ds, *lines)


def test_a_white_label_lets_through_what_a_black_one_flags(tmp_path: Path) -> None:
    ds = make_instance(modality="MR")

    after, _ = result_of(
        tmp_path, ds,
        "%filter whitelist", "LABEL ours", "present Modality",
        "%filter blacklist", "LABEL all", "contains Modality MR",
    )  # fmt: skip

    assert after.Modality


def test_a_private_element_that_the_site_keeps_stays_without_the_option(tmp_path: Path) -> None:
    ds = make_instance(modality="MR")
    ds.add_new(0x00330010, "LO", "ACME 1.0")
    ds.add_new(0x0033101E, "FD", 1.5)
    ds.add_new(0x0033101F, "FD", 2.5)
    ds.add_new(0x00190010, "LO", "SIEMENS MR HEADER")
    ds.add_new(0x0019100C, "IS", "1000")

    after, _ = result_of(tmp_path, ds, "%header", 'KEEP (0033,"ACME 1.0",1E)', preset="basic")

    assert [elem.tag for elem in after if elem.tag.is_private] == [0x00330010, 0x0033101E]


def test_site_rules_are_part_of_the_digest() -> None:
    rules = read_site_rules("FORMAT dicom\n%header\nREMOVE ProtocolName", name="a.deid")

    assert Recipe.resolve().digest != Recipe.resolve(site_rules=rules).digest


def test_a_uid_that_is_required_gets_a_new_one_where_it_cannot_go(tmp_path: Path) -> None:
    source = Dataset()
    source.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    ds = make_instance(modality="MR")
    ds.SourceImageSequence = [source]
    before = ds.FrameOfReferenceUID

    after, _ = result_of(tmp_path, ds, "%header", "REMOVE contains:UID")

    assert after.FrameOfReferenceUID not in ("", before)
    assert after.SourceImageSequence[0].SOPClassUID == source.SOPClassUID
