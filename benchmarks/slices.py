"""Make the corpus: CT and MR slices of 0.5 MB under headers of real scanners.

The headers come from the files that the pydicom wheel ships (GE, Philips), with their
private elements; the pixels are a 512 x 512 pattern, since the shipped ones are cut down to
a few kilobytes.  Each Study is one header repeated as one Series, the way a scanner writes
it: the instances differ in number, position, UID and pixels.
"""

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileDataset
from pydicom.uid import generate_uid

SOURCES = (
    "CT_small.dcm",
    "dicomdirtests/98892003/MR2/*",
    "dicomdirtests/77654033/CT2/*",
    "dicomdirtests/98892003/MR1/*",
    "dicomdirtests/98892001/CT5N/*",
    "dicomdirtests/98892001/CT2N/*",
)
"""Below pydicom's ``data/test_files``; the first match of each is taken.

Uncompressed and original: derived images may be held back, since they may carry text.
"""
SIDE = 512
IMAGES_PER_STUDY = 100


def make_slices(folder: Path, n_images: int) -> int:
    """Write ``folder/study<nr>/image<nr>.dcm`` and return the bytes written."""
    headers = [_read_header(pattern) for pattern in SOURCES]
    total = 0
    for number in range(n_images):
        study, position = divmod(number, IMAGES_PER_STUDY)
        ds = headers[study % len(headers)]
        if position == 0:
            _begin_study(ds, study)
        _begin_image(ds, study, position)
        path = folder / f"study{study:03}" / f"image{position:03}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        ds.save_as(path)
        total += path.stat().st_size
    return total


def _read_header(pattern: str) -> FileDataset:
    root = Path(pydicom.__file__).parent / "data" / "test_files"
    ds = pydicom.dcmread(min(root.glob(pattern)))
    ds.Rows = ds.Columns = SIDE
    return ds


def _begin_study(ds: FileDataset, study: int) -> None:
    ds.PatientID = f"{ds.PatientID or 'BENCH'}-{study}"
    ds.PatientName = f"Benchmark^Number{study:03}"
    ds.StudyInstanceUID = generate_uid(entropy_srcs=[f"study {study}"])
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=[f"series {study}"])
    ds.AccessionNumber = f"BENCH{study:05}"


def _begin_image(ds: FileDataset, study: int, position: int) -> None:
    ds.SOPInstanceUID = generate_uid(entropy_srcs=[f"image {study} {position}"])
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.InstanceNumber = str(position + 1)
    ds.SliceLocation = str(position * 2.5)
    ds.ImagePositionPatient = ["-125", "-125", str(position * 2.5)]
    ds.PixelData = _plane(position).tobytes()


def _plane(position: int) -> np.ndarray:
    """Return one plane; no two positions are alike, and none is a constant a disk could skip."""
    return (np.arange(SIDE * SIDE, dtype="<u2") * (2 * position + 7)) & 0x0FFF
