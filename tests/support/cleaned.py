"""Make what a good engine would have written, by hand: the ground that the gate's tests stand on.

``clean_copy`` knows the invented instances of ``make_study`` and nothing else, so that the
release check can be tried without the engine; ``rewrite`` then spoils a copy in one way.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import dcmread
from pydicom.sequence import Sequence
from pydicom.uid import UID, generate_uid

OPTIONS = frozenset(("retain-longitudinal-modified-dates", "clean-descriptors"))
DAYS = -100
PSEUDONYM = "KESTREL-7"

_CLASSES = ("SOPClassUID", "ReferencedSOPClassUID", "CodingSchemeUID")
_EMPTIED = (
    "AccessionNumber",
    "StudyID",
    "ReferringPhysicianName",
    "PatientBirthDate",
    "PatientSex",
)
_REMOVED = (
    "InstitutionName",
    "StationName",
    "DeviceSerialNumber",
    "PatientAge",
    "PatientWeight",
    "OperatorsName",
    "PatientAddress",
)


def clean_copy(original: Path, result: Path) -> Path:
    """Write the de-identified copy of one invented instance."""
    ds = dcmread(original)
    ds.remove_private_tags()
    _replace(ds)
    for keyword in _REMOVED:
        if keyword in ds:
            delattr(ds, keyword)
    for keyword in _EMPTIED:
        setattr(ds, keyword, None)
    ds.PatientID = ds.PatientName = PSEUDONYM
    mark(ds)
    return write(ds, result)


def rewrite(result: Path, spoil: Callable[[Dataset], object]) -> Path:
    """Change a written result in one way."""
    ds = dcmread(result)
    spoil(ds)
    return write(ds, result)


def mark(ds: Dataset) -> None:
    """Add the markers of PS3.15 E.1.1 for ``OPTIONS``."""
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = "by hand"
    ds.LongitudinalTemporalInformationModified = "MODIFIED"
    ds.DeidentificationMethodCodeSequence = Sequence(
        _code(value) for value in ("113100", "113105", "113107")
    )


def write(ds: Dataset, path: Path) -> Path:
    """Write a Dataset with a File Meta Information of its own."""
    syntax = ds.file_meta.TransferSyntaxUID
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.get("SOPClassUID")
    ds.file_meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID")
    ds.preamble = b"\0" * 128
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True, overwrite=True)
    return path


def _replace(ds: Dataset) -> None:
    for elem in ds:
        if elem.VR == "SQ":
            for item in elem.value:
                _replace(item)
        elif elem.VR == "UI" and elem.keyword not in _CLASSES and elem.value:
            elem.value = new_uid(elem.value)
        elif elem.VR in ("DA", "DT") and elem.value:
            elem.value = moved(str(elem.value))


def new_uid(uid: str) -> UID:
    """Return the UID that stands for another one in clean copies."""
    return generate_uid(prefix="2.25.", entropy_srcs=["clean", str(uid)])


def moved(value: str) -> str:
    """Return a DA or DT value moved by ``DAYS``."""
    date = datetime.strptime(value[:8], "%Y%m%d") + timedelta(days=DAYS)  # noqa: DTZ007
    return f"{date:%Y%m%d}{value[8:]}"


def _code(value: str) -> Dataset:
    code = Dataset()
    code.CodeValue = value
    code.CodingSchemeDesignator = "DCM"
    code.CodeMeaning = "Profile or option"
    return code
