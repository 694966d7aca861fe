import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from pydicom.datadict import dictionary_description

from sendit.deid import Recipe
from sendit.deid.explain import explain_tag
from sendit.deid.profile import Decision, Profile

ROOT = Path(__file__).parents[2]
DATA = ROOT / "src" / "sendit" / "deid" / "data"

PART15 = """<?xml version="1.0"?>
<book xmlns="http://docbook.org/ns/docbook" xmlns:xml="http://www.w3.org/XML/1998/namespace">
<table xml:id="table_E.1-1"><thead><tr><th>Name</th></tr></thead><tbody>
<tr><td><para>Accession Number</para></td><td>(0008,0050)</td><td>N</td><td>Y</td><td>Z</td>
<td/><td/><td/><td/><td/><td/><td/><td/><td/><td/></tr>
<tr><td>Study Date</td><td>(0008,0020)</td><td>N</td><td>Y</td><td>Z</td>
<td/><td/><td/><td/><td/><td>K</td><td>C</td><td/><td/><td/></tr>
<tr><td>Overlay Data</td><td>(60xx,3000)</td><td>N</td><td>Y</td><td>X</td>
<td/><td/><td/><td/><td/><td/><td/><td/><td/><td>C</td></tr>
</tbody></table>
<table xml:id="table_E.3.10-1"><tbody>
<tr><td>(7053,xx00)</td><td>Philips PET Private Group</td><td>DS</td><td>1</td><td>SUV</td></tr>
</tbody></table></book>
"""


@pytest.fixture
def builder() -> ModuleType:
    path = ROOT / "scripts" / "build_deid_tables.py"
    spec = importlib.util.spec_from_file_location("build_deid_tables", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def rebuilt(builder: ModuleType, tmp_path: Path) -> Path:
    source = tmp_path / "part15.xml"
    source.write_text(PART15)
    builder.main(
        ["--part15", str(source), "--edition", "2026c", "--highdicom", "--output", str(tmp_path)]
    )
    return tmp_path


def test_table_of_the_profile_is_read(rebuilt: Path) -> None:
    table = json.loads((rebuilt / "attributes.json").read_text())

    assert table["edition"] == "2026c"
    assert table["attributes"]["00080020"] == {
        "name": "Study Date",
        "basic": "Z",
        "options": {
            "retain-longitudinal-full-dates": "K",
            "retain-longitudinal-modified-dates": "C",
        },
    }
    assert table["attributes"]["60XX3000"]["options"] == {"clean-graphics": "C"}


def test_shipped_tables_have_the_shape_that_the_script_writes(rebuilt: Path) -> None:
    for name in ("attributes", "safe_private", "iod_types"):
        ours = json.loads((DATA / f"{name}.json").read_text())
        theirs = json.loads((rebuilt / f"{name}.json").read_text())
        assert set(ours) == set(theirs), name
        for key, value in theirs.items():
            assert type(ours[key]) is type(value), (name, key)
    attributes = json.loads((DATA / "attributes.json").read_text())["attributes"]
    assert all(set(row) == {"name", "basic", "options"} for row in attributes.values())
    assert len(attributes) >= 650


def test_types_are_what_the_package_says_today(rebuilt: Path, builder: ModuleType) -> None:
    listed = DATA / "attributes.json"

    assert builder.iod_types(listed) == json.loads((DATA / "iod_types.json").read_text())


def test_what_is_said_beyond_the_table_names_attributes_and_why() -> None:
    rows = json.loads((DATA / "beyond_table.json").read_text())["attributes"]

    for tag, row in rows.items():
        assert row["name"] == dictionary_description(int(tag, 16))
        assert row["basic"] in ("X", "Z")
        assert row["why"]


@pytest.mark.parametrize(("options", "kept"), [((), False), (("retain-device-identity",), True)])
def test_id_of_a_device_goes_unless_an_option_keeps_devices(
    options: tuple[str, ...], kept: bool
) -> None:
    for tag in (0x00181003, 0x00181006):
        decision = Profile(options).decide(tag, required=0, known_iod=True)
        assert decision == (
            Decision("K", "option:retain-device-identity")
            if kept
            else Decision("X", "beyond-table")
        )


def test_an_explanation_tells_what_is_beyond_the_table() -> None:
    told = explain_tag(Recipe.resolve(preset="research"), 0x00100024)

    assert "beyond PS3.15 Table E.1-1: X" in told
    assert "rule beyond-table" in told
