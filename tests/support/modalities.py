"""What each modality adds to an invented instance; see ``make_study``."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    BasicTextSRStorage,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    EncapsulatedPDFStorage,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
    generate_uid,
)


class Builder(Protocol):
    """Adds the modules of one modality to a Dataset that has patient, study and series."""

    def __call__(self, ds: Dataset, *, seed: str, number: int, rows: int, columns: int) -> None: ...


def build_ct(ds: Dataset, *, seed: str, number: int, rows: int, columns: int) -> None:
    _add_plane(ds, seed=seed, number=number)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.AcquisitionNumber = "1"
    ds.KVP = "120"
    ds.RescaleIntercept = "-1024"
    ds.RescaleSlope = "1"
    ds.RescaleType = "HU"
    ds.PatientAge = "057Y"
    _add_grey(ds, rows=rows, columns=columns, bits=16, number=number)


def build_mr(ds: Dataset, *, seed: str, number: int, rows: int, columns: int) -> None:
    _add_plane(ds, seed=seed, number=number)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    ds.ScanningSequence = "SE"
    ds.SequenceVariant = "NONE"
    ds.ScanOptions = None
    ds.MRAcquisitionType = "2D"
    ds.RepetitionTime = "2000"
    ds.EchoTime = "30"
    ds.EchoTrainLength = "1"
    ds.AcquisitionNumber = "1"
    _add_grey(ds, rows=rows, columns=columns, bits=16, number=number)


def build_pt(ds: Dataset, *, seed: str, number: int, rows: int, columns: int) -> None:
    _add_plane(ds, seed=seed, number=number)
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.PatientWeight = "71"
    ds.Units = "BQML"
    ds.CountsSource = "EMISSION"
    ds.SeriesType = ["STATIC", "IMAGE"]
    ds.NumberOfSlices = 3
    ds.CorrectedImage = ["DECY", "ATTN"]
    ds.DecayCorrection = "START"
    ds.CollimatorType = "NONE"
    ds.FrameReferenceTime = "0"
    ds.ActualFrameDuration = "120000"
    ds.DecayFactor = "1"
    ds.ImageIndex = number
    ds.RescaleIntercept = "0"
    ds.RescaleSlope = "1.5"
    del ds.PatientPosition  # told by the sequences below
    ds.PatientOrientationCodeSequence = Sequence([_code("102538003", "SCT", "recumbent")])
    ds.PatientOrientationCodeSequence[0].PatientOrientationModifierCodeSequence = Sequence(
        [_code("40199007", "SCT", "supine")]
    )
    ds.PatientGantryRelationshipCodeSequence = Sequence([_code("102540008", "SCT", "headfirst")])
    dose = Dataset()
    dose.RadionuclideCodeSequence = Sequence([_code("77004003", "SCT", "^18^Fluorine")])
    dose.RadiopharmaceuticalStartTime = "091500"
    dose.RadiopharmaceuticalStartDateTime = "20190314091500"
    dose.RadionuclideTotalDose = "350000000"
    dose.RadionuclideHalfLife = "6586.2"
    ds.RadiopharmaceuticalInformationSequence = Sequence([dose])
    _add_grey(ds, rows=rows, columns=columns, bits=16, number=number)
    ds.BitsStored = 16
    ds.HighBit = 15


def build_us(ds: Dataset, *, seed: str, number: int, rows: int, columns: int) -> None:
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.PatientOrientation = None
    ds.AnatomicRegionSequence = Sequence([_code("69536005", "SCT", "Head")])
    ds.LossyImageCompression = "00"
    _add_pixel_module(ds, rows=rows, columns=columns, bits=8)
    ds.SamplesPerPixel = 3
    ds.PhotometricInterpretation = "RGB"
    ds.PlanarConfiguration = 0
    ds.PixelData = _pattern(rows * columns * 3, number).astype("u1").tobytes()


def build_cr(ds: Dataset, *, seed: str, number: int, rows: int, columns: int) -> None:
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.PatientOrientation = ["L", "F"]
    ds.ViewPosition = "PA"
    _add_grey(ds, rows=rows, columns=columns, bits=16, number=number)


def build_ot(ds: Dataset, *, seed: str, number: int, rows: int, columns: int) -> None:
    ds.ConversionType = "WSD"
    ds.PatientOrientation = None
    _add_grey(ds, rows=rows, columns=columns, bits=8, number=number)


def build_sr(ds: Dataset, *, seed: str, number: int, rows: int, columns: int) -> None:
    ds.ReferencedPerformedProcedureStepSequence = Sequence()
    ds.PerformedProcedureCodeSequence = Sequence()
    ds.CompletionFlag = "COMPLETE"
    ds.VerificationFlag = "UNVERIFIED"
    ds.ValueType = "CONTAINER"
    ds.ContinuityOfContent = "SEPARATE"
    ds.ConceptNameCodeSequence = Sequence([_code("18748-4", "LN", "Diagnostic imaging report")])
    finding = Dataset()
    finding.RelationshipType = "CONTAINS"
    finding.ValueType = "TEXT"
    finding.ConceptNameCodeSequence = Sequence([_code("121071", "DCM", "Finding")])
    finding.TextValue = "No change since the last examination."
    ds.ContentSequence = Sequence([finding])


def build_doc(ds: Dataset, *, seed: str, number: int, rows: int, columns: int) -> None:
    ds.ConversionType = "WSD"
    ds.AcquisitionDateTime = "20190314101720"
    ds.BurnedInAnnotation = "YES"
    ds.DocumentTitle = "Report"
    ds.ConceptNameCodeSequence = Sequence()
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    ds.EncapsulatedDocument = b"%PDF-1.4\n%%EOF\n "


def _add_plane(ds: Dataset, *, seed: str, number: int) -> None:
    ds.FrameOfReferenceUID = generate_uid(prefix="2.25.", entropy_srcs=[f"frame {seed}"])
    ds.PositionReferenceIndicator = None
    ds.PatientPosition = "HFS"
    ds.ImagePositionPatient = ["-100", "-100", str(5 * number)]
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.PixelSpacing = ["0.5", "0.5"]
    ds.SliceThickness = "5"
    ds.SliceLocation = str(5 * number)


def _add_grey(ds: Dataset, *, rows: int, columns: int, bits: int, number: int) -> None:
    _add_pixel_module(ds, rows=rows, columns=columns, bits=bits)
    ds.BodyPartExamined = "CHEST"
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.PixelData = _pattern(rows * columns, number).astype(f"<u{bits // 8}").tobytes()


def _add_pixel_module(ds: Dataset, *, rows: int, columns: int, bits: int) -> None:
    ds.Rows = rows
    ds.Columns = columns
    ds.BitsAllocated = bits
    ds.BitsStored = 8 if bits == 8 else 12
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = 0


def _pattern(size: int, number: int) -> np.ndarray:
    return np.arange(size) * (2 * number + 1) % 251


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue = value
    code.CodingSchemeDesignator = scheme
    code.CodeMeaning = meaning
    return code


BUILDERS: Mapping[str, Builder] = {
    "CT": build_ct,
    "MR": build_mr,
    "PT": build_pt,
    "US": build_us,
    "CR": build_cr,
    "OT": build_ot,
    "SR": build_sr,
    "DOC": build_doc,
}

SOP_CLASSES = {
    "CT": CTImageStorage,
    "MR": MRImageStorage,
    "PT": PositronEmissionTomographyImageStorage,
    "US": UltrasoundImageStorage,
    "CR": ComputedRadiographyImageStorage,
    "OT": SecondaryCaptureImageStorage,
    "SR": BasicTextSRStorage,
    "DOC": EncapsulatedPDFStorage,
}
