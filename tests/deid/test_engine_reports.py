"""Structured reports: the tree stays, what its items say is cleaned."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from sendit.deid import Recipe
from tests.deid.engines import deidentified
from tests.support.make_study import make_instance, write_instance

STRUCTURED = Recipe.resolve(preset="keep-everything-safe")


def code(value: str, meaning: str) -> Dataset:
    ds = Dataset()
    ds.CodeValue, ds.CodingSchemeDesignator, ds.CodeMeaning = value, "DCM", meaning
    return ds


def item(kind: str, value: str, meaning: str, **attributes: object) -> Dataset:
    ds = Dataset()
    ds.RelationshipType = "CONTAINS"
    ds.ValueType = kind
    ds.ConceptNameCodeSequence = Sequence([code(value, meaning)])
    for keyword, content in attributes.items():
        setattr(ds, keyword, content)
    return ds


def number(value: str, meaning: str, amount: str, unit: str = "a") -> Dataset:
    measured = Dataset()
    measured.MeasurementUnitsCodeSequence = Sequence([code(unit, "unit")])
    measured.NumericValue = amount
    return item("NUM", value, meaning, MeasuredValueSequence=Sequence([measured]))


@pytest.fixture
def report(tmp_path: Path) -> Path:
    ds = make_instance(modality="SR")
    ds.ContentSequence = Sequence(
        [
            item("TEXT", "121106", "Comment", TextValue="seen by Amalia Sandpiper, no nodule"),
            item("PNAME", "121008", "Person Observer Name", PersonName="Fieldfare^Oskar"),
            item("DATE", "121031", "Subject Birth Date", Date="19230412"),
            item("DATE", "111018", "Content Date", Date="20190314"),
            number("121033", "Subject Age", "96"),
            number("121206", "Distance", "96"),
        ]
    )
    return write_instance(tmp_path / "in.dcm", ds)


def test_every_item_stays_and_names_go(tmp_path: Path, report: Path) -> None:
    after, _ = deidentified(report, tmp_path, recipe=STRUCTURED)

    items = after.ContentSequence
    assert [one.ValueType for one in items] == ["TEXT", "PNAME", "DATE", "DATE", "NUM", "NUM"]
    assert "no nodule" in items[0].TextValue
    assert "sandpiper" not in items[0].TextValue.lower()
    assert "Fieldfare" not in str(items[1].PersonName)


def test_birth_date_goes_while_other_dates_move(tmp_path: Path, report: Path) -> None:
    after, _ = deidentified(report, tmp_path, recipe=STRUCTURED)

    items = after.ContentSequence
    assert items[2].Date == "19000101"
    assert items[3].Date == "20181204"


@pytest.mark.parametrize(
    ("unit", "amount", "expected"),
    [
        ("a", "96", 90),
        ("mo", "1142", 1080),
        ("wk", "5000", 4680),
        ("d", "34750", 32850),
        ("mo", "600", 600),
        ("d", "300", 300),
        ("min", "4000", 4000),
    ],
)
def test_an_age_is_capped_in_its_unit(
    tmp_path: Path, unit: str, amount: str, expected: int
) -> None:
    ds = make_instance(modality="SR")
    concepts = ("121033", "30525-0", "424144002")
    ds.ContentSequence = Sequence([number(one, "Age", amount, unit) for one in concepts])
    source = write_instance(tmp_path / "in.dcm", ds)

    after, _ = deidentified(source, tmp_path, recipe=STRUCTURED)

    ages = [one.MeasuredValueSequence[0].NumericValue for one in after.ContentSequence]
    assert ages == [expected] * 3


@pytest.mark.parametrize("concept", ["121031", "21112-8", "184099003"])
def test_a_birth_date_goes_whatever_code_asks_for_it(tmp_path: Path, concept: str) -> None:
    ds = make_instance(modality="SR")
    dates = [item("DATE", concept, "Birth date", Date="19850412")]
    dates.append(item("DATETIME", concept, "Birth date", DateTime="198504121530"))
    ds.ContentSequence = Sequence(dates)
    source = write_instance(tmp_path / "in.dcm", ds)

    after, _ = deidentified(source, tmp_path, recipe=STRUCTURED)

    assert after.ContentSequence[0].Date == "19000101"
    assert after.ContentSequence[1].DateTime.startswith("19000101")


def test_age_above_89_is_capped_and_other_numbers_stay(tmp_path: Path, report: Path) -> None:
    after, _ = deidentified(report, tmp_path, recipe=STRUCTURED)

    items = after.ContentSequence
    assert items[4].MeasuredValueSequence[0].NumericValue == 90
    assert items[5].MeasuredValueSequence[0].NumericValue == 96


@pytest.mark.parametrize("concept", ["121033", "30525-0", "397669002"])
@pytest.mark.parametrize(
    ("told", "expected"),
    [("95", "90"), ("095Y", "90Y"), ("95 years", "90 years"), ("64", "64"), ("400 d", "400 d")],
)
def test_an_age_that_is_written_as_a_text_is_capped(
    tmp_path: Path, concept: str, told: str, expected: str
) -> None:
    ds = make_instance(modality="SR")
    ds.ContentSequence = Sequence([item("TEXT", concept, "Age", TextValue=told)])
    ds.ContentSequence.append(item("TEXT", "121106", "Comment", TextValue="95"))
    source = write_instance(tmp_path / "in.dcm", ds)

    after, _ = deidentified(source, tmp_path, recipe=STRUCTURED)

    assert after.ContentSequence[0].TextValue == expected
    assert after.ContentSequence[1].TextValue == "95"


def test_an_age_is_capped_in_binary_too(tmp_path: Path) -> None:
    ds = make_instance(modality="SR")
    ds.ContentSequence = Sequence([number("121033", "Age", "95"), number("121206", "Length", "95")])
    for one in ds.ContentSequence:
        one.MeasuredValueSequence[0].FloatingPointValue = 95.0
    source = write_instance(tmp_path / "in.dcm", ds)

    after, _ = deidentified(source, tmp_path, recipe=STRUCTURED)

    ages = [one.MeasuredValueSequence[0].FloatingPointValue for one in after.ContentSequence]
    assert ages == [90.0, 95.0]


def test_a_birth_date_that_is_written_as_a_text_goes(tmp_path: Path) -> None:
    ds = make_instance(modality="SR")
    ds.ContentSequence = Sequence([item("TEXT", "21112-8", "Birth date", TextValue="12 Apr 1985")])
    source = write_instance(tmp_path / "in.dcm", ds)

    after, _ = deidentified(source, tmp_path, recipe=STRUCTURED)

    assert not any(char.isdigit() for char in after.ContentSequence[0].TextValue)


def told(*items: Dataset, tmp_path: Path, preset: str) -> list[str]:
    ds = make_instance(modality="SR", StationName="CT01", ContentSequence=Sequence(items))
    source = write_instance(tmp_path / "in.dcm", ds)
    after, _ = deidentified(source, tmp_path, recipe=Recipe.resolve(preset=preset))
    return [one.TextValue for one in after.ContentSequence]


def test_a_person_named_by_an_answer_is_known_to_the_other_texts(tmp_path: Path) -> None:
    texts = told(
        item("TEXT", "121106", "Comment", TextValue="told to Yellowhammer, no nodule"),
        item("TEXT", "121029", "Subject Name", TextValue="Ida Yellowhammer"),
        item("TEXT", "121106", "Comment", TextValue="Ida: no nodule"),
        tmp_path=tmp_path,
        preset="research",
    )

    assert texts == ["told to *, no nodule", "REMOVED", "*: no nodule"]


@pytest.mark.parametrize(
    ("preset", "device", "place"),
    [
        ("basic", "REMOVED", "REMOVED"),
        ("research", "CT01", "REMOVED"),
        ("keep-everything-safe", "CT01", "Room 4"),
    ],
)
def test_an_answer_goes_unless_an_option_keeps_what_it_names(
    tmp_path: Path, preset: str, device: str, place: str
) -> None:
    texts = told(
        item("TEXT", "121013", "Device Observer Name", TextValue="CT01"),
        item("TEXT", "121017", "Device Observer Physical Location", TextValue="Room 4"),
        item("TEXT", "121030", "Subject ID", TextValue="Z9"),
        item("TEXT", "112039", "Tracking Identifier", TextValue="Z9"),
        tmp_path=tmp_path,
        preset=preset,
    )

    assert texts == [device, place, "REMOVED", "Z9"]
