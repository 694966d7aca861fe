"""What research reads from a series is the same before and after, under ``research``.

dcm2niix turns the series of the packages, and those of ``SENDIT_TEST_DICOM``, into volumes;
voxels, affine matrices, b-values, gradient directions and slice times have to be the same.
"""

import json
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import dcm2niix
import pydicom
import pytest
from pydicom.tag import Tag

from sendit.deid import Engine, Recipe, read_header
from sendit.errors import ImageError
from tests.deid.engines import identities_for
from tests.deid.real_files import further_files, packaged_files

RECIPE = Recipe.resolve(
    preset="research", pixels="off", pixels_off_reason="compared with the original"
)
pytestmark = pytest.mark.filterwarnings("ignore")
VOXELS, AFFINE = slice(352, None), slice(252, 344)
MAY_DIFFER = frozenset(
    (
        *("PatientName", "PatientID", "PatientBirthDate", "StudyID", "AccessionNumber"),
        *("StudyInstanceUID", "SeriesInstanceUID", "AcquisitionDateTime", "SeriesNumber"),
        *("InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName"),
        *("ReferringPhysicianName", "StationName", "ProcedureStepDescription"),
        *("StudyDescription", "ProtocolName", "SequenceName", "BidsGuess"),
        *("DeidentificationMethod", "DeidentificationMethodCodeSequence"),
    )
)
"""What tells of somebody, or in what a name may stand (the patient of one series is called like
its protocol); the guess is made of them."""
SITES_OWN = "%CustomerSeq%"
"""A pulse sequence that a site wrote has a name that the site gave it."""
SAME = ("SliceTiming", "RepetitionTime", "EchoTime", "FlipAngle", "EffectiveEchoSpacing")


def series_of(files: list[Path]) -> dict[str, list[Path]]:
    """Return the CT, MR and PT files by folder and series."""
    found: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        try:
            header = read_header(file)
        except ImageError:
            continue
        if header.modality in ("CT", "MR", "PT") and header.values["PatientID"]:
            found[f"{file.parent.name}/{header.series_instance_uid[-9:]}"].append(file)
    return found


PACKAGED = series_of([file for file in packaged_files() if file.suffix == ".dcm"])
FURTHER = series_of(further_files())


def volumes_of(folder: Path, out: Path) -> dict[str, bytes]:
    """Return what dcm2niix makes of a folder, by file name."""
    out.mkdir()
    subprocess.run(
        [dcm2niix.bin, "-b", "y", "-ba", "n", "-f", "volume", "-o", out, folder],
        capture_output=True,
        check=False,
        timeout=60,
    )
    # A region of interest is an overlay, and overlays go.
    return {file.name: file.read_bytes() for file in out.iterdir() if "_ROI" not in file.name}


def compare(files: list[Path], folder: Path) -> int:
    """Compare a series with its de-identified self; return how many volumes it has."""
    before, after = folder / "before", folder / "after"
    before.mkdir()
    after.mkdir()
    engine = Engine(RECIPE, identities_for(*files))
    for number, file in enumerate(files):
        shutil.copy(file, before / f"{number:04}.dcm")
        engine.deidentify_to(file, after / f"{number:04}.dcm")

    old, new = volumes_of(before, folder / "old"), volumes_of(after, folder / "new")

    assert sorted(old) == sorted(new)
    for name, content in old.items():
        if name.endswith(".nii"):
            assert new[name][VOXELS] == content[VOXELS]
            assert new[name][AFFINE] == content[AFFINE]
        elif name.endswith((".bval", ".bvec")):
            assert new[name] == content
        else:
            told, tells = json.loads(content), json.loads(new[name])
            assert {key: tells.get(key) for key in SAME} == {key: told.get(key) for key in SAME}
            if not any(map(has_orphans, files)):
                assert {key: tells.get(key) for key in told if tells_technique(key, told)} == {
                    key: value for key, value in told.items() if tells_technique(key, told)
                }
    return len(old)


def tells_technique(key: str, told: dict[str, object]) -> bool:
    own = key == "PulseSequenceDetails" and str(told[key]).startswith(SITES_OWN)
    return key not in MAY_DIFFER and not own


def has_orphans(file: Path) -> bool:
    """Return whether private elements stand without their creator; nobody can vouch for those."""
    ds = pydicom.dcmread(file, stop_before_pixels=True)
    return any(
        elem.tag.is_private
        and not elem.tag.is_private_creator
        and Tag(elem.tag.group, elem.tag.element >> 8) not in ds
        for elem in ds
    )


def test_series_of_the_packages_keep_their_volumes(tmp_path: Path) -> None:
    volumes = 0
    for number, files in enumerate(list(PACKAGED.values())[:12]):
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            volumes += compare(files, folder)
        except ImageError:
            continue

    assert volumes > 3


if FURTHER:

    @pytest.mark.parametrize("name", sorted(FURTHER))
    def test_further_series_keep_their_volumes(name: str, tmp_path: Path) -> None:
        compare(FURTHER[name], tmp_path)
