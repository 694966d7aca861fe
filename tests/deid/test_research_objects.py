"""What is derived from images still points at them, and a PET keeps what an SUV needs.

highdicom makes segmentations, reports and parametric maps of a CT series; the batch is
de-identified as one, and highdicom reads the results and follows their references.
"""

from datetime import datetime, timedelta
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from sendit.deid import Engine, Recipe
from tests.deid.engines import SHIFT, deidentified, identities_for
from tests.support.make_study import make_instance, make_study, write_instance

pytestmark = pytest.mark.filterwarnings("ignore")
RECIPE = Recipe.resolve(preset="research", pixels="off", pixels_off_reason="made by the test")
EQUIPMENT = {
    "manufacturer": "Example",
    "manufacturer_model_name": "Example 1",
    "device_serial_number": "7",
    "software_versions": "1.0",
}


@pytest.fixture
def series(tmp_path: Path) -> list[Dataset]:
    """Return a CT series of three slices."""
    files = make_study(tmp_path / "in", n_series=1, n_images=3, modality="CT")
    return [pydicom.dcmread(file) for file in files]


def study_of(tmp_path: Path, series: list[Dataset], made: Dataset) -> tuple[list[Dataset], Path]:
    """De-identify a series and what was made of it; return the slices and the other's file."""
    derived = tmp_path / "in" / "derived.dcm"
    made.save_as(derived)
    files = [Path(str(ds.filename)) for ds in series]
    engine = Engine(RECIPE, identities_for(*files, derived))
    out = tmp_path / "out"
    reports = [engine.deidentify_into(file, out) for file in (*files, derived)]
    *slices, result = [out / str(report.file) for report in reports]
    return [pydicom.dcmread(path) for path in slices], result


def common(series: list[Dataset], number: int) -> dict[str, object]:
    return {
        "series_instance_uid": hd.UID(),
        "series_number": number,
        "sop_instance_uid": hd.UID(),
        "instance_number": 1,
    }


def instances(series: list[Dataset]) -> set[str]:
    return {str(ds.SOPInstanceUID) for ds in series}


def test_segmentation_is_read_and_refers_to_the_slices(
    tmp_path: Path, series: list[Dataset]
) -> None:
    mask = np.zeros((3, series[0].Rows, series[0].Columns), np.uint8)
    mask[1, 2:5, 3:6] = 1
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="Liver of Sandpiper",
        segmented_property_category=codes.SCT.Organ,
        segmented_property_type=codes.SCT.Liver,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
    )
    made = hd.seg.Segmentation(
        series,
        mask,
        hd.seg.SegmentationTypeValues.BINARY,
        [segment],
        content_creator_name="Sandpiper^Amalia",
        **common(series, 100),
        **EQUIPMENT,
    )

    slices, result = study_of(tmp_path, series, made)

    read = hd.seg.segread(result)
    assert {str(uids[2]) for uids in read.get_source_image_uids()} <= instances(slices)
    uids = [str(ds.SOPInstanceUID) for ds in slices]
    pixels = read.get_pixels_by_source_instance(uids, combine_segments=True)
    assert np.array_equal(pixels, mask)
    assert "Sandpiper" not in read.get_segment_description(1).segment_label
    assert b"Sandpiper" not in result.read_bytes()


def test_report_is_read_and_refers_to_the_slices(tmp_path: Path, series: list[Dataset]) -> None:
    observer = hd.sr.ObserverContext(
        observer_type=codes.DCM.Person,
        observer_identifying_attributes=hd.sr.PersonObserverIdentifyingAttributes(
            name="Quillfeather^Ann"
        ),
    )
    region = hd.sr.ImageRegion(
        graphic_type=hd.sr.GraphicTypeValues.POINT,
        graphic_data=np.array([[3.0, 4.0]]),
        source_image=hd.sr.SourceImageForRegion.from_source_image(series[1]),
    )
    group = hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=hd.UID(), identifier="lesion 1"),
        referenced_region=region,
        finding_type=codes.SCT.Nodule,
        measurements=[
            hd.sr.Measurement(name=codes.SCT.Diameter, value=9.5, unit=codes.UCUM.Millimeter)
        ],
    )
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_person_context=observer),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=[group],
    )
    made = hd.sr.Comprehensive3DSR(
        evidence=series, content=content[0], manufacturer="Example", **common(series, 101)
    )

    slices, result = study_of(tmp_path, series, made)

    read = hd.sr.srread(result)
    [found] = read.content.get_planar_roi_measurement_groups()
    assert float(found.get_measurements()[0].value) == 9.5
    evidence = {
        str(item.ReferencedSOPInstanceUID)
        for study in read.CurrentRequestedProcedureEvidenceSequence
        for one in study.ReferencedSeriesSequence
        for item in one.ReferencedSOPSequence
    }
    assert evidence == instances(slices)
    assert b"Quillfeather" not in result.read_bytes()


def test_parametric_map_is_read_and_refers_to_the_slices(
    tmp_path: Path, series: list[Dataset]
) -> None:
    values = np.linspace(0, 1, 3 * series[0].Rows * series[0].Columns, dtype=np.float32)
    values = values.reshape(3, series[0].Rows, series[0].Columns)
    mapping = hd.pm.RealWorldValueMapping(
        lut_label="1",
        lut_explanation="feature",
        unit=codes.UCUM.NoUnits,
        value_range=[0.0, 1.0],
        slope=1.0,
        intercept=0.0,
    )
    made = hd.pm.ParametricMap(
        series,
        values,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        window_center=0.5,
        window_width=1.0,
        **common(series, 102),
        **EQUIPMENT,
    )

    slices, result = study_of(tmp_path, series, made)

    read = hd.imread(result)
    # highdicom sorts the frames by their position.
    assert np.array_equal(pydicom.dcmread(result).pixel_array, made.pixel_array)
    sources = {
        str(source.ReferencedSOPInstanceUID)
        for frame in read.PerFrameFunctionalGroupsSequence
        for derivation in frame.DerivationImageSequence
        for source in derivation.SourceImageSequence
    }
    assert sources == instances(slices)


def uptake(ds: Dataset) -> timedelta:
    """Return the time from injection to acquisition, as an SUV is corrected for decay with."""
    [drug] = ds.RadiopharmaceuticalInformationSequence
    injected = datetime.strptime(drug.RadiopharmaceuticalStartDateTime[:14], "%Y%m%d%H%M%S")  # noqa: DTZ007
    acquired = datetime.strptime(ds.AcquisitionDate + ds.AcquisitionTime[:6], "%Y%m%d%H%M%S")  # noqa: DTZ007
    return acquired - injected


def test_pet_over_midnight_keeps_what_an_suv_needs(tmp_path: Path) -> None:
    ds = make_instance(
        modality="PT",
        SeriesDate="20190314",
        SeriesTime="235500",
        AcquisitionDate="20190315",
        AcquisitionTime="000730",
        PatientWeight="71.5",
        PatientSize="1.8",
    )
    drug = Dataset()
    drug.RadiopharmaceuticalStartDateTime = "20190314225010.00"
    drug.RadiopharmaceuticalStartTime = "225010.00"
    drug.RadionuclideTotalDose = "351000000"
    drug.RadionuclideHalfLife = "6586.2"
    drug.RadiopharmaceuticalVolume = "2"
    ds.RadiopharmaceuticalInformationSequence = [drug]
    source = write_instance(tmp_path / "in.dcm", ds)
    before = pydicom.dcmread(source)

    after, _ = deidentified(source, tmp_path, recipe=RECIPE)

    assert uptake(after) == uptake(before) == timedelta(hours=1, minutes=17, seconds=20)
    day = datetime(2019, 3, 14) + timedelta(days=SHIFT)  # noqa: DTZ001
    assert after.SeriesDate == f"{day:%Y%m%d}"
    assert after.AcquisitionDate == f"{day + timedelta(days=1):%Y%m%d}"
    for keyword in ("PatientWeight", "PatientSize", "SeriesTime", "Units", "DecayCorrection"):
        assert after[keyword].value == before[keyword].value
    [kept] = after.RadiopharmaceuticalInformationSequence
    for keyword in ("RadionuclideTotalDose", "RadionuclideHalfLife"):
        assert kept[keyword].value == drug[keyword].value
    assert kept.RadiopharmaceuticalStartTime == "225010.00"
