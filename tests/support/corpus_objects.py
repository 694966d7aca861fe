"""Objects that ``make_study`` does not make: NM, DX, MG, RT, SEG, PR and enhanced multi-frame.

Each builder adds the modules of its IOD to a Dataset that has patient, study and series; what
comes out is small and valid (``dciodvfy`` finds no error).
"""

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalXRayImageStorageForPresentation,
    GrayscaleSoftcopyPresentationStateStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    NuclearMedicineImageStorage,
    RTPlanStorage,
    RTStructureSetStorage,
    SegmentationStorage,
    generate_uid,
)

from tests.support.modalities import BUILDERS as PLAIN_BUILDERS
from tests.support.modalities import SOP_CLASSES as PLAIN_SOP_CLASSES
from tests.support.modalities import Builder

_CT = "1.2.840.10008.5.1.4.1.1.2"


def build_nm(ds: Dataset, *, seed: str, number: int, rows: int, columns: int) -> None:
    """Add one static frame of nuclear medicine."""
    ds.ImageType = ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"]
    ds.AcquisitionTerminationCondition = "TIME"
    ds.FrameIncrementPointer = [0x00540010, 0x00540020]
    ds.NumberOfFrames = 1
    ds.EnergyWindowVector = 1
    ds.NumberOfEnergyWindows = 1
    ds.DetectorVector = 1
    ds.NumberOfDetectors = 1
    ds.PatientOrientationCodeSequence = Sequence([_code("102538003", "SCT", "recumbent")])
    ds.PatientOrientationCodeSequence[0].PatientOrientationModifierCodeSequence = Sequence(
        [_code("40199007", "SCT", "supine")]
    )
    ds.PatientGantryRelationshipCodeSequence = Sequence([_code("102540008", "SCT", "headfirst")])
    window = Dataset()
    window.EnergyWindowName = "Tc99m"
    ds.EnergyWindowInformationSequence = Sequence([window])
    drug = Dataset()
    drug.RadionuclideCodeSequence = Sequence()
    ds.RadiopharmaceuticalInformationSequence = Sequence([drug])
    detector = Dataset()
    detector.CollimatorType = "PARA"
    detector.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    detector.ImagePositionPatient = ["-100", "-100", "0"]
    ds.DetectorInformationSequence = Sequence([detector])
    ds.PixelSpacing = ["4", "4"]
    _grey(ds, rows=rows, columns=columns, number=number, frames=1)
    ds.BitsStored, ds.HighBit = 16, 15


def build_dx(ds: Dataset, *, seed: str, number: int, rows: int, columns: int) -> None:
    """Add a digital radiograph for presentation."""
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
    ds.PatientOrientation = ["L", "F"]
    ds.ImageLaterality = "U"
    ds.BodyPartExamined = "CHEST"
    ds.AnatomicRegionSequence = Sequence([_code("51185008", "SCT", "Chest")])
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.AcquisitionDeviceProcessingDescription = "thorax 2"
    ds.DetectorType = "DIRECT"
    ds.ImagerPixelSpacing = ["0.15", "0.15"]
    ds.PixelIntensityRelationship = "LOG"
    ds.PixelIntensityRelationshipSign = -1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    ds.PresentationLUTShape = "IDENTITY"
    ds.LossyImageCompression = "00"
    ds.BurnedInAnnotation = "NO"
    ds.WindowCenter, ds.WindowWidth = "2048", "4096"
    ds.ViewCodeSequence = Sequence([_code("399348003", "SCT", "antero-posterior")])
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = Sequence()
    ds.PositionerType = None
    ds.AcquisitionContextSequence = Sequence()
    _grey(ds, rows=rows, columns=columns, number=number)


def build_mg(ds: Dataset, *, seed: str, number: int, rows: int, columns: int) -> None:
    """Add a mammogram for presentation."""
    build_dx(ds, seed=seed, number=number, rows=rows, columns=columns)
    ds.BodyPartExamined = "BREAST"
    ds.PatientOrientation = ["A", "F"]
    ds.ImageLaterality = "R"
    ds.AnatomicRegionSequence = Sequence([_code("76752008", "SCT", "Breast")])
    ds.ViewCodeSequence = Sequence([_code("399162004", "SCT", "cranio-caudal")])
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = Sequence()
    ds.PositionerType = "MAMMOGRAPHIC"
    ds.OrganExposed = "BREAST"


def build_rtstruct(ds: Dataset, *, seed: str, number: int, rows: int, columns: int) -> None:
    """Add two contours on a CT slice."""
    frame = generate_uid(prefix="2.25.", entropy_srcs=[seed, "frame"])
    slice_uid = generate_uid(prefix="2.25.", entropy_srcs=[seed, "slice"])
    ds.OperatorsName = None
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = frame, None
    ds.StructureSetLabel = "PLAN"
    ds.StructureSetDate, ds.StructureSetTime = ds.StudyDate, "103000"
    image = Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = _CT, slice_uid
    series = Dataset()
    series.SeriesInstanceUID = generate_uid(prefix="2.25.", entropy_srcs=[seed, "ct"])
    series.ContourImageSequence = Sequence([image])
    study = Dataset()
    study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    study.ReferencedSOPInstanceUID = ds.StudyInstanceUID
    study.RTReferencedSeriesSequence = Sequence([series])
    reference = Dataset()
    reference.FrameOfReferenceUID = frame
    reference.RTReferencedStudySequence = Sequence([study])
    ds.ReferencedFrameOfReferenceSequence = Sequence([reference])
    ds.StructureSetROISequence = Sequence(_roi(index, frame) for index in (1, 2))
    ds.ROIContourSequence = Sequence(_contour(index, slice_uid) for index in (1, 2))
    ds.RTROIObservationsSequence = Sequence(_observation(index) for index in (1, 2))


def build_rtplan(ds: Dataset, *, seed: str, number: int, rows: int, columns: int) -> None:
    """Add a plan without beams."""
    ds.FrameOfReferenceUID = generate_uid(prefix="2.25.", entropy_srcs=[seed, "frame"])
    ds.PositionReferenceIndicator = None
    ds.OperatorsName = None
    ds.RTPlanLabel = "PLAN A"
    ds.RTPlanDate, ds.RTPlanTime = ds.StudyDate, "104500"
    ds.RTPlanGeometry = "TREATMENT_DEVICE"
    group = Dataset()
    group.FractionGroupNumber = 1
    group.NumberOfFractionsPlanned = 20
    group.NumberOfBeams = 0
    group.NumberOfBrachyApplicationSetups = 0
    ds.FractionGroupSequence = Sequence([group])
    ds.ApprovalStatus = "UNAPPROVED"


def build_seg(ds: Dataset, *, seed: str, number: int, rows: int, columns: int) -> None:
    """Add a binary segmentation of one slice."""
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.ContentLabel, ds.ContentDescription = "SEGMENTATION", "liver"
    ds.ManufacturerModelName = "EXAMPLE 5"
    ds.ContentCreatorName = None
    ds.FrameOfReferenceUID = generate_uid(prefix="2.25.", entropy_srcs=[seed, "frame"])
    ds.PositionReferenceIndicator = None
    ds.SegmentationType = "BINARY"
    segment = Dataset()
    segment.SegmentNumber = 1
    segment.SegmentLabel = "liver"
    segment.SegmentAlgorithmType = "MANUAL"
    segment.SegmentedPropertyCategoryCodeSequence = Sequence(
        [_code("123037004", "SCT", "Anatomical Structure")]
    )
    segment.SegmentedPropertyTypeCodeSequence = Sequence([_code("10200004", "SCT", "Liver")])
    ds.SegmentSequence = Sequence([segment])
    reference = Dataset()
    reference.SeriesInstanceUID = generate_uid(prefix="2.25.", entropy_srcs=[seed, "ct"])
    reference.ReferencedInstanceSequence = Sequence([_reference(seed)])
    ds.ReferencedSeriesSequence = Sequence([reference])
    frame = Dataset()
    derived = Dataset()
    source = _reference(seed)
    source.PurposeOfReferenceCodeSequence = Sequence(
        [_code("121322", "DCM", "Source image for image processing operation")]
    )
    derived.SourceImageSequence = Sequence([source])
    derived.DerivationCodeSequence = Sequence([_code("113076", "DCM", "Segmentation")])
    frame.DerivationImageSequence = Sequence([derived])
    content = Dataset()
    content.DimensionIndexValues = [1]
    frame.FrameContentSequence = Sequence([content])
    identification = Dataset()
    identification.ReferencedSegmentNumber = 1
    frame.SegmentIdentificationSequence = Sequence([identification])
    _add_plane_to(frame, number)
    ds.PerFrameFunctionalGroupsSequence = Sequence([frame])
    ds.SharedFunctionalGroupsSequence = Sequence([_shared_plane()])
    _add_dimensions(ds, seed, pointer=0x0062000B, group=0x0062000A)
    ds.LossyImageCompression = "00"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.NumberOfFrames = 1
    ds.Rows, ds.Columns = rows, columns
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 1, 1, 0, 0
    bits = np.arange(rows * columns) % (number + 2) == 0
    data = np.packbits(bits, bitorder="little").tobytes()
    ds.PixelData = data + b"\0" * (len(data) & 1)


def build_pr(ds: Dataset, *, seed: str, number: int, rows: int, columns: int) -> None:
    """Add a presentation state with a line of text on an image."""
    ds.ContentLabel, ds.ContentDescription = "ARROWS", "arrows"
    ds.Laterality = None
    ds.ContentCreatorName = None
    ds.PresentationCreationDate, ds.PresentationCreationTime = ds.StudyDate, "105000"
    series = Dataset()
    series.SeriesInstanceUID = generate_uid(prefix="2.25.", entropy_srcs=[seed, "ct"])
    series.ReferencedImageSequence = Sequence([_reference(seed)])
    ds.ReferencedSeriesSequence = Sequence([series])
    area = Dataset()
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = [columns, rows]
    area.PresentationSizeMode = "SCALE TO FIT"
    area.PresentationPixelAspectRatio = ["1", "1"]
    ds.DisplayedAreaSelectionSequence = Sequence([area])
    layer = Dataset()
    layer.GraphicLayer, layer.GraphicLayerOrder = "TEXT", 1
    ds.GraphicLayerSequence = Sequence([layer])
    text = Dataset()
    text.UnformattedTextValue = "lesion"
    text.BoundingBoxAnnotationUnits = "DISPLAY"
    text.BoundingBoxTopLeftHandCorner = [0.1, 0.1]
    text.BoundingBoxBottomRightHandCorner = [0.4, 0.2]
    text.BoundingBoxTextHorizontalJustification = "LEFT"
    note = Dataset()
    note.GraphicLayer = "TEXT"
    note.TextObjectSequence = Sequence([text])
    ds.GraphicAnnotationSequence = Sequence([note])
    ds.PresentationLUTShape = "IDENTITY"


def build_enhanced_ct(ds: Dataset, *, seed: str, number: int, rows: int, columns: int) -> None:
    """Add three frames of CT, converted to one multi-frame instance."""
    _add_enhanced(ds, seed=seed, number=number, rows=rows, columns=columns)
    kind = _frame_type()
    ds.SharedFunctionalGroupsSequence[0].CTImageFrameTypeSequence = Sequence([kind])


def build_enhanced_mr(ds: Dataset, *, seed: str, number: int, rows: int, columns: int) -> None:
    """Add three frames of MR, converted to one multi-frame instance."""
    _add_enhanced(ds, seed=seed, number=number, rows=rows, columns=columns)
    ds.ResonantNucleus = "1H"
    for frame in ds.PerFrameFunctionalGroupsSequence:
        frame.MRImageFrameTypeSequence = Sequence([_frame_type()])


def _frame_type() -> Dataset:
    kind = Dataset()
    kind.FrameType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    kind.PixelPresentation, kind.VolumetricProperties = "MONOCHROME", "VOLUME"
    kind.VolumeBasedCalculationTechnique = "NONE"
    return kind


def _add_enhanced(ds: Dataset, *, seed: str, number: int, rows: int, columns: int) -> None:
    ds.FrameOfReferenceUID = generate_uid(prefix="2.25.", entropy_srcs=[seed, "frame"])
    ds.PositionReferenceIndicator = None
    ds.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    ds.ContentQualification = "PRODUCT"
    ds.AcquisitionDateTime = f"{ds.StudyDate}101720"
    ds.AcquisitionDuration = 12.5
    ds.PatientPosition = "HFS"
    ds.ManufacturerModelName = "EXAMPLE 5"
    ds.Laterality = None
    ds.AcquisitionContextSequence = Sequence()
    ds.PixelPresentation, ds.VolumetricProperties = "MONOCHROME", "VOLUME"
    ds.VolumeBasedCalculationTechnique = "NONE"
    ds.BurnedInAnnotation, ds.LossyImageCompression = "NO", "00"
    ds.PresentationLUTShape = "IDENTITY"
    shared = _shared_plane()
    transformation = Dataset()
    transformation.RescaleIntercept, transformation.RescaleSlope = "-1024", "1"
    transformation.RescaleType = "HU"
    shared.PixelValueTransformationSequence = Sequence([transformation])
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = []
    for index in range(3):
        frame = Dataset()
        content = Dataset()
        content.FrameAcquisitionDateTime = f"{ds.StudyDate}10172{index}.5"
        content.FrameReferenceDateTime = f"{ds.StudyDate}10172{index}.7"
        content.FrameAcquisitionDuration = 500.0
        content.DimensionIndexValues = [index + 1]
        frame.FrameContentSequence = Sequence([content])
        frame.UnassignedPerFrameConvertedAttributesSequence = Sequence([Dataset()])
        _add_plane_to(frame, index)
        frames.append(frame)
    ds.PerFrameFunctionalGroupsSequence = Sequence(frames)
    _add_dimensions(ds, seed, pointer=0x00200032, group=0x00209113)
    _grey(ds, rows=rows, columns=columns, number=number, frames=3)


def _add_plane_to(frame: Dataset, index: int) -> None:
    position = Dataset()
    position.ImagePositionPatient = ["-100", "-100", str(5 * index)]
    frame.PlanePositionSequence = Sequence([position])


def _shared_plane() -> Dataset:
    shared = Dataset()
    orientation = Dataset()
    orientation.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    shared.PlaneOrientationSequence = Sequence([orientation])
    measures = Dataset()
    measures.SliceThickness, measures.PixelSpacing = "5", ["0.5", "0.5"]
    shared.PixelMeasuresSequence = Sequence([measures])
    return shared


def _add_dimensions(ds: Dataset, seed: str, *, pointer: int, group: int) -> None:
    uid = generate_uid(prefix="2.25.", entropy_srcs=[seed, "dimension"])
    organization = Dataset()
    organization.DimensionOrganizationUID = uid
    ds.DimensionOrganizationSequence = Sequence([organization])
    index = Dataset()
    index.DimensionOrganizationUID = uid
    index.DimensionIndexPointer, index.FunctionalGroupPointer = pointer, group
    ds.DimensionIndexSequence = Sequence([index])


def _roi(index: int, frame: str) -> Dataset:
    roi = Dataset()
    roi.ROINumber, roi.ReferencedFrameOfReferenceUID = index, frame
    roi.ROIName = ("GTV", "cord")[index - 1]
    roi.ROIGenerationAlgorithm = "MANUAL"
    return roi


def _contour(index: int, slice_uid: str) -> Dataset:
    image = Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = _CT, slice_uid
    line = Dataset()
    line.ContourImageSequence = Sequence([image])
    line.ContourGeometricType, line.NumberOfContourPoints = "CLOSED_PLANAR", 3
    line.ContourData = ["0", "0", "5", "10", "0", "5", "10", "10", "5"]
    contour = Dataset()
    contour.ReferencedROINumber, contour.ROIDisplayColor = index, [255, 0, 0]
    contour.ContourSequence = Sequence([line])
    return contour


def _observation(index: int) -> Dataset:
    observation = Dataset()
    observation.ObservationNumber = observation.ReferencedROINumber = index
    observation.RTROIInterpretedType = ("GTV", "ORGAN")[index - 1]
    observation.ROIInterpreter = None
    return observation


def _reference(seed: str) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = _CT
    reference.ReferencedSOPInstanceUID = generate_uid(prefix="2.25.", entropy_srcs=[seed, "slice"])
    return reference


def _grey(ds: Dataset, *, rows: int, columns: int, number: int, frames: int = 1) -> None:
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = rows, columns
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    if frames > 1:
        ds.NumberOfFrames = frames
    values = np.arange(rows * columns * frames) * (2 * number + 1) % 251
    ds.PixelData = values.astype("<u2").tobytes()


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


BUILDERS: dict[str, Builder] = {
    **{name: PLAIN_BUILDERS[name] for name in ("CT", "MR", "PT", "US", "CR", "OT", "SR")},
    "NM": build_nm,
    "DX": build_dx,
    "MG": build_mg,
    "RTSTRUCT": build_rtstruct,
    "RTPLAN": build_rtplan,
    "SEG": build_seg,
    "PR": build_pr,
    "CT-ENH": build_enhanced_ct,
    "MR-ENH": build_enhanced_mr,
}
SOP_CLASSES = {
    **{name: PLAIN_SOP_CLASSES[name] for name in ("CT", "MR", "PT", "US", "CR", "OT", "SR")},
    "NM": NuclearMedicineImageStorage,
    "DX": DigitalXRayImageStorageForPresentation,
    "MG": DigitalMammographyXRayImageStorageForPresentation,
    "RTSTRUCT": RTStructureSetStorage,
    "RTPLAN": RTPlanStorage,
    "SEG": SegmentationStorage,
    "PR": GrayscaleSoftcopyPresentationStateStorage,
    "CT-ENH": LegacyConvertedEnhancedCTImageStorage,
    "MR-ENH": LegacyConvertedEnhancedMRImageStorage,
}
