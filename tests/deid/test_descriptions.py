"""Folders that are called like what lies in them say nothing about anybody."""

from pathlib import Path

import pydicom
import pytest

from sendit.deid import Engine, Recipe, read_header
from sendit.deid.descriptions import descriptions_in, without_descriptions
from sendit.deid.known import collect
from sendit.deid.vocabulary import load_vocabulary
from tests.deid.engines import identities_for
from tests.support.make_study import make_instance, write_instance

SERIES, STUDY, PATIENT = 0x0008103E, 0x00081030, 0x00100010
KNOWN = [
    (SERIES, "LO", "Head 0.75 H31s"),
    (SERIES, "LO", "Plan 1 VMAT 70Gy/35fx"),
    (STUDY, "LO", "Left knee pain, r/o meniscal tear"),
    (SERIES, "LO", "SANDPIPER"),
    (PATIENT, "PN", "Liver^Amalia"),
]
DESCRIPTIONS = descriptions_in(KNOWN, load_vocabulary())


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("Head 0.75 H31s", ""),
        ("5_Head_0_75_H31s_IM0001", "5_ _IM0001"),
        ("Plan 1 VMAT 70Gy35fx", ""),
        ("20240305_Left knee pain_ r_o meniscal tear", "20240305_"),
        ("SANDPIPER", "SANDPIPER"),
        ("SANDPIPER_Head 0.75 H31s", "SANDPIPER_"),
        ("xHead 0.75 H31sx", "xHead 0.75 H31sx"),
        ("Liver^Amalia", "Liver^Amalia"),
    ],
)
def test_a_whole_description_is_left_out_of_a_name(name: str, left: str) -> None:
    assert without_descriptions(name, DESCRIPTIONS).strip() == left


def test_what_stands_beside_a_description_is_still_known() -> None:
    found = collect((), extra=["SANDPIPER 4427810 Head 0.75 H31s"], descriptions=DESCRIPTIONS)

    assert {one.letters for one in found.identifiers} == {"sandpiper", "4427810"}


def test_lists_of_numbers_and_uids_in_names_are_no_identifiers() -> None:
    found = collect((), extra=["DWI b=0,50,400,800", "1.2.826.0.1.99991231"])

    assert not [one for one in found.identifiers if one.letters.isdigit() and len(one.letters) < 6]
    assert not found.dates


def test_series_keep_the_descriptions_that_their_folders_are_called_after(tmp_path: Path) -> None:
    described = {"a": "Head 0.75 H31s", "b": "iDose (4) VMAT 3i21s plan"}
    files = []
    for number, (name, text) in enumerate(described.items()):
        ds = make_instance(
            SOPInstanceUID=f"1.2.3.4.2.{number}",
            PatientName="Sandpiper^Amalia",
            StudyInstanceUID="1.2.3.4.1",
            SeriesDescription=text,
            ConvolutionKernel="H31s",
            ImageComments="3i21s of Sandpiper, told to Yellowhammer",
        )
        folder = f"Yellowhammer {text}"
        files.append(write_instance(tmp_path / "in" / folder / f"{name}.dcm", ds))
    known = frozenset(value for file in files for value in read_header(file, knowledge=True).known)
    identities = identities_for(*files)
    object.__setattr__(identities, "known", known)
    names = [part for file in files for part in file.relative_to(tmp_path / "in").parts]
    engine = Engine(Recipe.resolve(preset="research"), identities, extra_known=names)

    results = [engine.deidentify_into(file, tmp_path).file or "" for file in files]

    after = [pydicom.dcmread(tmp_path / result) for result in results]
    assert [ds.SeriesDescription for ds in after] == list(described.values())
    assert {ds.ConvolutionKernel for ds in after} == {"H31s"}
    assert {ds.ImageComments for ds in after} == {"3i21s of *, told to *"}
