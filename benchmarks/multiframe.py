"""Make enhanced multi-frame CT objects of 300 MB, with a functional group for every frame."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

from tests.support.make_study import make_instance

SIDE, FRAMES = 512, 572


def make_multiframe(folder: Path, n_images: int) -> int:
    """Write ``folder/study000/<nr>.dcm`` and return the bytes written."""
    total = 0
    for number in range(n_images):
        ds = _object(number)
        path = folder / "study000" / f"{number:03}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        ds.save_as(path, enforce_file_format=True)
        total += path.stat().st_size
    return total


def _object(number: int) -> Dataset:
    ds = make_instance(modality="CT", seed="multiframe", number=number + 1)
    ds.SOPClassUID = EnhancedCTImageStorage
    ds.SOPInstanceUID = generate_uid(entropy_srcs=[f"multiframe {number}"])
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.Rows = ds.Columns = SIDE
    ds.NumberOfFrames = str(FRAMES)
    ds.SharedFunctionalGroupsSequence = Sequence([_shared()])
    ds.PerFrameFunctionalGroupsSequence = Sequence([_of_frame(frame) for frame in range(FRAMES)])
    plane = (np.arange(SIDE * SIDE, dtype="<u2") * (2 * number + 7)) & 0x0FFF
    ds.PixelData = plane.tobytes() * FRAMES
    return ds


def _shared() -> Dataset:
    measures = Dataset()
    measures.PixelSpacing = ["0.5", "0.5"]
    measures.SliceThickness = "1.0"
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([measures])
    return shared


def _of_frame(frame: int) -> Dataset:
    content = Dataset()
    content.FrameAcquisitionDateTime = f"20190314{frame // 60 % 24:02}{frame % 60:02}00"
    content.StackID = "1"
    content.InStackPositionNumber = frame + 1
    content.DimensionIndexValues = [1, frame + 1]
    position = Dataset()
    position.ImagePositionPatient = ["-125", "-125", str(float(frame))]
    groups = Dataset()
    groups.FrameContentSequence = Sequence([content])
    groups.PlanePositionSequence = Sequence([position])
    return groups
