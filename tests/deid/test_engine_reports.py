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


def number(value: str, meaning: str, amount: str) -> Dataset:
    measured = Dataset()
    measured.MeasurementUnitsCodeSequence = Sequence([code("a", "year")])
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


def test_age_above_89_is_capped_and_other_numbers_stay(tmp_path: Path, report: Path) -> None:
    after, _ = deidentified(report, tmp_path, recipe=STRUCTURED)

    items = after.ContentSequence
    assert items[4].MeasuredValueSequence[0].NumericValue == 90
    assert items[5].MeasuredValueSequence[0].NumericValue == 96
