"""A small instance that shows whether a receiver takes, keeps and gives back what it gets."""

import io
import uuid

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

PROBE_PATIENT = "SENDIT-PROBE"


def probe_instance() -> bytes:
    """Return a file with one picture of four black pixels; its UIDs are new each time."""
    ds = Dataset()
    ds.SOPClassUID = SecondaryCaptureImageStorage
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = (_new_uid() for _ in range(3))
    ds.PatientID = ds.PatientName = PROBE_PATIENT
    ds.PatientBirthDate = ds.PatientSex = ""
    ds.StudyDate = ds.StudyTime = ds.AccessionNumber = ds.ReferringPhysicianName = ds.StudyID = ""
    ds.Modality, ds.ConversionType = "OT", "SYN"
    ds.SeriesNumber = ds.InstanceNumber = "1"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows = ds.Columns = 2
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation = 7, 0
    ds.PixelData = bytes(4)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    written = io.BytesIO()
    ds.save_as(written, enforce_file_format=True)
    return written.getvalue()


def _new_uid() -> UID:
    return UID(f"2.25.{uuid.uuid4().int}")
