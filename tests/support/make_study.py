"""Make small, valid DICOM studies; nothing is shipped that can be made.

``make_study`` writes files, ``make_instance`` returns a Dataset, and the functions at the
end break a file in one way each.  Defaults are valid DICOM (``dciodvfy`` finds no error) and
full of invented identifiers; any keyword argument in DICOM's own spelling overrides one::

    make_study(folder, n_series=2, modality="US", PatientName="CANARY^ONE")

UIDs follow from the folder's path and the numbers, so a test that fails fails again.
"""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import dcmread
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
    generate_uid,
)
from pydicom.valuerep import PersonName

from tests.support.modalities import BUILDERS, SOP_CLASSES

PLAIN = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)


def make_study(
    folder: Path,
    *,
    n_series: int = 2,
    n_images: int = 3,
    modality: str = "CT",
    transfer_syntax_uid: str = ExplicitVRLittleEndian,
    rows: int = 16,
    columns: int = 16,
    **attributes: object,
) -> list[Path]:
    """Write one Study as ``folder/series<nr>/image<nr>.dcm`` and return the files in order."""
    files = []
    for series in range(1, n_series + 1):
        for number in range(1, n_images + 1):
            ds = make_instance(
                modality=modality,
                seed=str(folder),
                series=series,
                number=number,
                rows=rows,
                columns=columns,
                **attributes,
            )
            path = folder / f"series{series}" / f"image{number:03}.dcm"
            files.append(write_instance(path, ds, transfer_syntax_uid=transfer_syntax_uid))
    return files


def make_instance(
    *,
    modality: str = "CT",
    seed: str = "study",
    series: int = 1,
    number: int = 1,
    rows: int = 16,
    columns: int = 16,
    **attributes: object,
) -> Dataset:
    """Return one Instance; the same ``seed`` is the same Study, with ``series`` the same Series."""
    ds = Dataset()
    _describe_patient(ds)
    _describe_study(ds, seed=seed)
    _describe_series(ds, modality=modality, seed=seed, series=series)
    ds.SOPClassUID = SOP_CLASSES[modality]
    ds.SOPInstanceUID = _uid(seed, "instance", series, number)
    ds.InstanceNumber = str(number)
    BUILDERS[modality](ds, seed=seed, number=number, rows=rows, columns=columns)
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def write_instance(
    path: Path, ds: Dataset, *, transfer_syntax_uid: str = ExplicitVRLittleEndian
) -> Path:
    """Write a Dataset as a DICOM file, compressing it if the transfer syntax says so."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.ImplementationVersionName = "SCANNER_1"
    if transfer_syntax_uid in PLAIN:
        ds.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
        if transfer_syntax_uid == ExplicitVRBigEndian and getattr(ds, "BitsAllocated", 8) == 16:
            ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
    else:
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.compress(transfer_syntax_uid, generate_instance_uid=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True, overwrite=True)
    return path


def _describe_patient(ds: Dataset) -> None:
    ds.PatientName = PersonName("Sandpiper^Amalia")
    ds.PatientID = "MRN4427810"
    ds.PatientBirthDate = "19610412"
    ds.PatientSex = "F"


def _describe_study(ds: Dataset, *, seed: str) -> None:
    ds.StudyInstanceUID = _uid(seed, "study")
    ds.StudyDate = "20190314"
    ds.StudyTime = "101500"
    ds.AccessionNumber = "ACC7301955"
    ds.StudyID = "S5518"
    ds.ReferringPhysicianName = PersonName("Fieldfare^Oskar")
    ds.StudyDescription = "Follow-up"
    ds.InstitutionName = "Lapwing General Hospital"


def _describe_series(ds: Dataset, *, modality: str, seed: str, series: int) -> None:
    ds.Modality = modality
    ds.SeriesInstanceUID = _uid(seed, "series", series)
    ds.SeriesNumber = str(series)
    ds.SeriesDate = "20190314"
    ds.SeriesTime = "101700"
    ds.ContentDate = "20190314"
    ds.ContentTime = "101730"
    ds.AcquisitionDate = "20190314"
    ds.AcquisitionTime = "101720"
    ds.Manufacturer = "Example"
    ds.StationName = "ROOM2"
    ds.DeviceSerialNumber = "SN99182"
    ds.SoftwareVersions = "1.0"


def _uid(*parts: object) -> UID:
    return generate_uid(prefix="2.25.", entropy_srcs=[repr(parts)])


# One way of breaking a file each.


def truncate(path: Path, *, missing: int = 100) -> Path:
    """Cut bytes off the end, as a copy does that was interrupted."""
    path.write_bytes(path.read_bytes()[:-missing])
    return path


def empty(path: Path) -> Path:
    """Leave a file of 0 bytes."""
    path.write_bytes(b"")
    return path


def without_preamble(path: Path) -> Path:
    """Drop preamble, magic word and File Meta Information: the data set begins at byte 0."""
    content = path.read_bytes()
    group_length = int.from_bytes(content[140:144], "little")
    path.write_bytes(content[144 + group_length :])
    return path


def giant_length(path: Path, *, length: int = 0xFFFF_FFF0) -> Path:
    """Let the first OB, OW, UN or SQ element of a data set claim almost 4 GB."""
    content = bytearray(path.read_bytes())
    at = content.rfind(b"\xe0\x7f\x10\x00")
    content[at + 8 : at + 12] = length.to_bytes(4, "little")
    path.write_bytes(content)
    return path


def not_dicom(path: Path) -> Path:
    """Write a text where an instance is expected."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("Reminder: call ward 7 about the second scan.\n")
    return path


def make_dicomdir(path: Path, files: list[Path]) -> Path:
    """Write a DICOMDIR that names the files and, as on a patient's CD, the patient."""
    ds = Dataset()
    ds.SOPClassUID = MediaStorageDirectoryStorage
    ds.SOPInstanceUID = _uid(str(path), "dicomdir")
    ds.FileSetID = "CD1"
    ds.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = 0
    ds.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = 0
    ds.FileSetConsistencyFlag = 0
    ds.DirectoryRecordSequence = Sequence(_directory_record(file) for file in files)
    return write_instance(path, ds)


def _directory_record(file: Path) -> Dataset:
    image = dcmread(file, stop_before_pixels=True)
    record = Dataset()
    record.OffsetOfTheNextDirectoryRecord = 0
    record.RecordInUseFlag = 0xFFFF
    record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    record.DirectoryRecordType = "IMAGE"
    record.ReferencedFileID = [file.parent.name.upper(), file.stem.upper()]
    record.PatientName = image.PatientName
    record.PatientID = image.PatientID
    record.StudyInstanceUID = image.StudyInstanceUID
    return record
