"""Make files that are nearly all header: many private elements, deep sequences, few pixels.

The headers come from the files that PyPI packages ship (GE and Siemens CT with about a hundred
private elements each, a structured report of a few hundred nested ones).
"""

from pathlib import Path

import deid_data
import pydicom
from pydicom.uid import generate_uid

PYDICOM = Path(pydicom.__file__).parent / "data" / "test_files"
DEID_DATA = Path(deid_data.__file__).parent / "data" / "humans"
SOURCES = (
    PYDICOM / "CT_small.dcm",
    DEID_DATA / "ctbrain2.dcm",
    PYDICOM / "dicomdirtests" / "98892001" / "CT5N" / "2062",
    PYDICOM / "test-SR.dcm",
)
IMAGES_PER_STUDY = 50


def make_headers(folder: Path, n_images: int) -> int:
    """Write ``folder/study<nr>/<nr>.dcm`` and return the bytes written."""
    total = 0
    for number in range(n_images):
        study, position = divmod(number, IMAGES_PER_STUDY)
        ds = pydicom.dcmread(SOURCES[study % len(SOURCES)])
        ds.PatientID = f"HEADERS-{study}"
        ds.PatientName = f"Benchmark^Headers{study:03}"
        ds.AccessionNumber = f"HEADERS{study:05}"
        ds.StudyInstanceUID = generate_uid(entropy_srcs=[f"headers {study}"])
        ds.SeriesInstanceUID = generate_uid(entropy_srcs=[f"headers series {study}"])
        ds.SOPInstanceUID = generate_uid(entropy_srcs=[f"headers {study} {position}"])
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.InstanceNumber = str(position + 1)
        path = folder / f"study{study:03}" / f"{position:03}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        ds.save_as(path)
        total += path.stat().st_size
    return total
