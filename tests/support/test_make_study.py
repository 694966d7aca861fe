import shutil
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from tests.support.make_study import make_dicomdir, make_study, without_preamble
from tests.support.modalities import SOP_CLASSES


@pytest.mark.parametrize("modality", sorted(SOP_CLASSES))
def test_invented_instance_is_valid_dicom(tmp_path: Path, modality: str) -> None:
    validator = shutil.which("dciodvfy", path=str(Path(sys.executable).parent))
    (file,) = make_study(tmp_path, n_series=1, n_images=1, modality=modality)

    done = subprocess.run(
        [validator or "dciodvfy", "-new", str(file)], capture_output=True, text=True, check=False
    )

    assert "Error - " not in done.stderr


def test_study_has_one_study_uid_and_the_series_asked_for(tmp_path: Path) -> None:
    files = make_study(tmp_path, n_series=12, n_images=12, PatientName="CANARY^ONE")

    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]

    assert len({ds.SOPInstanceUID for ds in headers}) == 144
    assert len({ds.SeriesInstanceUID for ds in headers}) == 12
    assert len({ds.StudyInstanceUID for ds in headers}) == 1
    assert {str(ds.PatientName) for ds in headers} == {"CANARY^ONE"}


@pytest.mark.parametrize(
    "transfer_syntax_uid",
    [ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless],
    ids=["implicit", "big-endian", "rle"],
)
def test_pixels_are_the_same_in_every_transfer_syntax(
    tmp_path: Path, transfer_syntax_uid: str
) -> None:
    plain = make_study(tmp_path / "a", transfer_syntax_uid=ExplicitVRLittleEndian)
    other = make_study(tmp_path / "b", transfer_syntax_uid=transfer_syntax_uid)

    assert (pydicom.dcmread(plain[0]).pixel_array == pydicom.dcmread(other[0]).pixel_array).all()


def test_file_without_preamble_begins_with_the_data_set(tmp_path: Path) -> None:
    file = without_preamble(make_study(tmp_path)[0])

    assert file.read_bytes()[:2] == b"\x08\x00"


def test_dicomdir_is_one(tmp_path: Path) -> None:
    files = make_study(tmp_path / "study", n_series=1, n_images=2)

    dicomdir = make_dicomdir(tmp_path / "DICOMDIR", files)

    assert len(pydicom.dcmread(dicomdir).DirectoryRecordSequence) == 2
