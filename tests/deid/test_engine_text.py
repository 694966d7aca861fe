from pathlib import Path

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from sendit.deid import Engine, Recipe
from sendit.errors import Held
from tests.deid.engines import deidentified, identities_for
from tests.support.make_study import make_instance, write_instance

RESEARCH = Recipe.resolve(preset="research")
MOVED = Recipe.resolve(preset="research", options=("retain-longitudinal-modified-dates",))


def result_of(tmp_path: Path, recipe: Recipe = RESEARCH, **attributes: object):
    source = write_instance(tmp_path / "in.dcm", make_instance(**attributes))
    return deidentified(source, tmp_path, recipe=recipe)


def test_description_keeps_its_words_and_loses_the_name(tmp_path: Path) -> None:
    after, report = result_of(tmp_path, SeriesDescription="Axial head of SANDPIPER amalia")

    assert "Axial head" in after.SeriesDescription
    assert "sandpiper" not in after.SeriesDescription.lower()
    assert report.rules["option:clean-descriptors"] >= 1


def test_attribute_that_no_table_lists_is_searched(tmp_path: Path) -> None:
    after, report = result_of(tmp_path, ConvolutionKernel="SANDPIPER 30")

    assert "SANDPIPER" not in str(after.ConvolutionKernel)
    assert report.rules["known-identifier"] == 1


def test_name_that_stands_only_in_a_private_element_is_known(tmp_path: Path) -> None:
    ds = make_instance(SeriesDescription="head, told to Yellowhammer")
    ds.add_new(0x00090010, "LO", "SOME VENDOR")
    ds.add_new(0x00091001, "PN", "Yellowhammer^Ida")
    source = write_instance(tmp_path / "in.dcm", ds)

    after, _ = deidentified(source, tmp_path, recipe=RESEARCH)

    assert "Yellowhammer" not in after.SeriesDescription


def test_name_in_another_alphabet_is_found_and_the_rest_stays_readable(tmp_path: Path) -> None:
    after, _ = result_of(
        tmp_path,
        SpecificCharacterSet="ISO_IR 192",
        PatientName="Мухина^Анна",
        SeriesDescription="голова МУХИНА",
    )

    assert after.SeriesDescription.startswith("голова")
    assert "МУХИНА" not in after.SeriesDescription


def test_codes_that_people_make_up_are_searched(tmp_path: Path) -> None:
    after, _ = result_of(
        tmp_path,
        ContentLabel="SANDPIPER",
        GraphicLayer="LAYER1",
        ScanOptions="FAST\\D20190314\\2019_03_14\\07MAY2020\\2019 3 4\\3DFSE12",
    )

    assert after.ContentLabel == "REMOVED"
    assert after.GraphicLayer == "LAYER1"
    assert list(after.ScanOptions) == ["FAST", *["REMOVED"] * 4, "3DFSE12"]


def test_what_should_be_a_time_or_a_number_names_nobody(tmp_path: Path) -> None:
    ds = make_instance()
    for tag, vr in ((0x00080031, "TM"), (0x00180060, "DS"), (0x00180050, "DS")):
        ds[tag] = RawDataElement(tag, vr, 9, b"SANDPIPER ", 0, False, True)
    ds[0x00180050] = RawDataElement(0x00180050, "DS", 6, b"1.#IND", 0, False, True)
    source = write_instance(tmp_path / "in.dcm", ds)

    result = deidentified(source, tmp_path, recipe=RESEARCH)[1]

    written = (tmp_path / str(result.file)).read_bytes()
    assert b"SANDPIPER" not in written
    assert b"1.#IND" in written


@pytest.mark.parametrize("encoding", ["ascii", "utf-16-be", "utf-16-le"])
def test_names_among_bytes_are_blanked(tmp_path: Path, encoding: str) -> None:
    text = "desc of sandpiper's screen"
    profile = b"\0\1\2\3mntr" + text.encode(encoding) + b"\0\0\xff\xfe"

    after, _ = result_of(tmp_path, ICCProfile=profile)

    expected = text.replace("sandpiper", " " * 9).encode(encoding)
    assert after.ICCProfile == b"\0\1\2\3mntr" + expected + b"\0\0\xff\xfe"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16-be", "utf-16-le"])
def test_an_accented_name_among_bytes_is_blanked_in_any_encoding(
    tmp_path: Path, encoding: str
) -> None:
    profile = b"\0\1\2\3mntr" + "scan of Krähenbühl knee".encode(encoding) + b"\0\0\xff\xfe\0"

    after, _ = result_of(
        tmp_path,
        SpecificCharacterSet="ISO_IR 100",
        PatientName="Krähenbühl^Jörg",
        ICCProfile=profile + b"\0" * (len(profile) & 1),
    )

    left = after.ICCProfile.replace(b"\0", b"")
    assert b"scan of" in left
    assert b"knee" in left
    assert b"henb" not in left


def test_a_folder_named_like_a_word_of_the_method_costs_nothing(tmp_path: Path) -> None:
    source = write_instance(tmp_path / "in.dcm", make_instance())
    recipe = Recipe.resolve(preset="keep-everything-safe")
    names = ["everything_safe_private", "Basic", "Profile", "Retain Device"]
    engine = Engine(recipe, identities_for(source), extra_known=names)

    engine.deidentify_to(source, tmp_path / "out.dcm")


def test_what_names_a_product_keeps_versions_and_their_dates(tmp_path: Path) -> None:
    versions = ["Ver2.0[20010925]", "453561454581", "https://example.org/tool"]

    after, _ = result_of(
        tmp_path,
        PatientID="2",
        SoftwareVersions=versions,
        ManufacturerModelName="Scanner 2 of Sandpiper",
        StationName="Acme",
        ReceiveCoilManufacturerName="Acme Coils 2",
        SecondaryCaptureDeviceSoftwareVersions="Ver2.0[20010925]",
    )

    assert list(after.SoftwareVersions) == versions
    assert after.ReceiveCoilManufacturerName == "Acme Coils 2"
    assert after.SecondaryCaptureDeviceSoftwareVersions == "Ver2.0[20010925]"
    assert after.ManufacturerModelName == "Scanner 2 of *"


@pytest.mark.parametrize(
    "value",
    [
        "call (251) 432-3347",
        "2514323347",
        "14.03.2019",
        "03142019",
        "MRN: 77-1234",
        "a@b.org",
        "95 years",
        "SN4410233",
        "ftp://10.23.247.12/in",
        "http://store.abx.local/a",
    ],
)
def test_a_product_is_not_named_by_a_telephone_or_a_day_of_the_patient(
    tmp_path: Path, value: str
) -> None:
    after, _ = result_of(
        tmp_path,
        Recipe.resolve(),
        StudyDate="20190314",
        PatientTelephoneNumbers="251-432-3347",
        DeviceSerialNumber="SN4410233",
        Manufacturer=f"Acme {value}",
        SoftwareVersions=value,
    )

    assert value not in str(after.Manufacturer)
    assert value not in str(after.get("SoftwareVersions", ""))


def test_a_device_named_after_the_patient_keeps_its_place(tmp_path: Path) -> None:
    ds = make_instance(SOPClassUID="1.2.840.10008.5.1.4.1.1.4.1", DeviceSerialNumber="Sandpiper")

    after, _ = deidentified(write_instance(tmp_path / "in.dcm", ds), tmp_path, recipe=RESEARCH)

    assert after.DeviceSerialNumber == "REMOVED"


def test_a_code_of_clinical_words_is_nobodys_name(tmp_path: Path) -> None:
    after, _ = result_of(
        tmp_path,
        PatientName="TRIAL-HEADNECK-01",
        BodyPartExamined="HEADNECK",
        ScanOptions="HEADNET",
    )

    assert after.BodyPartExamined == "HEADNECK"


def test_text_of_a_presentation_state_is_cleaned_in_place(tmp_path: Path) -> None:
    text = Dataset()
    text.UnformattedTextValue = "lesion of SANDPIPER, 2 mm"
    name = Dataset()
    name.UnformattedTextValue = "SANDPIPER"
    annotation = Dataset()
    annotation.TextObjectSequence = [text, name]
    source = write_instance(
        tmp_path / "in.dcm", make_instance(GraphicAnnotationSequence=[annotation])
    )

    after, _ = deidentified(source, tmp_path, recipe=Recipe.resolve(preset="tcia"))

    texts = after.GraphicAnnotationSequence[0].TextObjectSequence
    assert [one.UnformattedTextValue for one in texts] == ["lesion of *, 2 mm", "REMOVED"]


def test_an_age_without_leading_zeros_is_mended(tmp_path: Path) -> None:
    ds = make_instance()
    ds[0x00101010] = RawDataElement(0x00101010, "AS", 4, b"75Y ", 0, False, True)

    after, _ = deidentified(write_instance(tmp_path / "in.dcm", ds), tmp_path, recipe=RESEARCH)

    assert after.PatientAge == "075Y"


def test_uid_in_a_text_goes(tmp_path: Path) -> None:
    after, _ = result_of(tmp_path, ProtocolName="1.2.840.113619.2.55.3.99")

    assert "113619" not in str(after.ProtocolName)


def test_age_over_89_is_capped(tmp_path: Path) -> None:
    old, _ = result_of(tmp_path / "a", PatientAge="093Y")
    young, _ = result_of(tmp_path / "b", PatientAge="061Y")

    assert (old.PatientAge, young.PatientAge) == ("090Y", "061Y")


def test_folder_name_is_known(tmp_path: Path) -> None:
    ds = make_instance(SeriesDescription="head WAGTAIL77310")
    source = write_instance(tmp_path / "in.dcm", ds)
    engine = Engine(RESEARCH, identities_for(source), extra_known=["WAGTAIL77310"])

    engine.deidentify_to(source, tmp_path / "out.dcm")

    assert b"WAGTAIL" not in (tmp_path / "out.dcm").read_bytes()


@pytest.mark.parametrize("preset", ["basic", "research", "tcia", "keep-everything-safe"])
def test_result_of_one_instance_does_not_depend_on_another(tmp_path: Path, preset: str) -> None:
    first = write_instance(tmp_path / "1.dcm", make_instance(OperatorsName="Redstart^Ole"))
    second = write_instance(tmp_path / "2.dcm", make_instance(number=2))
    recipe = Recipe.resolve(preset=preset)
    both = Engine(recipe, identities_for(first, second))
    alone = Engine(recipe, identities_for(first, second))

    both.deidentify_to(first, tmp_path / "first.dcm")
    both.deidentify_to(second, tmp_path / "b.dcm")
    alone.deidentify_to(second, tmp_path / "a.dcm")

    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()


def coded(scheme: str | None, meaning: str, value: str = "XA12") -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodeMeaning = value, meaning
    if scheme is not None:
        code.CodingSchemeDesignator = scheme
    return code


@pytest.mark.parametrize("scheme", ["99RIS", "L", "KIS", None])
def test_what_a_sites_own_code_means_is_cleaned(tmp_path: Path, scheme: str | None) -> None:
    codes = [
        coded("DCM", "Head"),
        coded(scheme, "MR head of Sandpiper"),
        coded(scheme, "Sandpiper"),
    ]
    after, report = result_of(tmp_path, ProcedureCodeSequence=codes)

    meanings = [code.CodeMeaning for code in after.ProcedureCodeSequence]
    assert meanings == ["Head", "MR head of *", "REMOVED"]
    assert {code.CodeValue for code in after.ProcedureCodeSequence} == {"XA12"}
    assert report.rules["known-identifier"] == 2


def test_published_term_is_never_rewritten(tmp_path: Path) -> None:
    codes = [coded("99RIS", "Head"), coded("SCT", "Sandpiper disease")]

    with pytest.raises(Held, match="NUMBER_HIT"):
        result_of(tmp_path, ProcedureCodeSequence=codes)


def test_number_of_the_patient_in_a_code_holds_the_image(tmp_path: Path) -> None:
    with pytest.raises(Held, match="NUMBER_HIT"):
        result_of(
            tmp_path,
            PatientID="77310425",
            ProcedureCodeSequence=[coded("99RIS", "MR head", value="77310425")],
        )


@pytest.mark.parametrize("part", ["CSPINE", "SCALP", "CIRCLEOFWILLIS", "HEAD"])
def test_body_part_stays_though_the_patient_is_called_like_it(tmp_path: Path, part: str) -> None:
    after, _ = result_of(tmp_path, PatientName=f"{part.title()}^Ann", BodyPartExamined=part)

    assert after.BodyPartExamined == part


@pytest.mark.parametrize(
    ("written", "age"),
    [
        *((b"45", "045Y"), (b"7 ", "007Y"), (b"0061Y ", "061Y"), (b"45 years", "045Y")),
        *((b"5m", "005M"), (b"95", "090Y"), (b"3.5 ", ""), (b"Sand", "")),
    ],
)
def test_age_is_written_as_the_standard_wants_it(tmp_path: Path, written: bytes, age: str) -> None:
    ds = make_instance()
    ds[0x00101010] = RawDataElement(Tag(0x00101010), "AS", len(written), written, 0, False, True)
    source = write_instance(tmp_path / "in.dcm", ds)

    after, report = deidentified(source, tmp_path, recipe=RESEARCH)

    assert after.PatientAge == age
    assert ("repair:age" in report.rules) is (age not in ("", "090Y"))


def test_station_is_taken_out_of_the_name_of_a_product(tmp_path: Path) -> None:
    def model(station: str, name: str) -> str:
        after, _ = result_of(
            tmp_path, Recipe.resolve(), StationName=station, ManufacturerModelName=name
        )
        return str(after.ManufacturerModelName)

    assert model("KLCT12", "Aquilion KLCT12") == "Aquilion *"
    assert model("GALAN3T", "Vantage Galan 3T") == "Vantage Galan 3T"
    assert model("GALAN3T", "Vantage GALAN3T") == "Vantage GALAN3T"
    assert model("UMR790", "uMR790") == "uMR790"


def planted(
    tmp_path: Path, *elements: tuple[int, str, bytes], recipe: Recipe = RESEARCH
) -> Dataset:
    """Return the result for an instance with elements that pydicom would not write."""
    ds = make_instance(PatientBirthDate="19390407")
    for tag, vr, value in elements:
        padded = value + b" " * (len(value) & 1)
        ds[tag] = RawDataElement(Tag(tag), vr, len(padded), padded, 0, False, True)
    source = write_instance(tmp_path / "in.dcm", ds)
    after, report = deidentified(source, tmp_path, recipe=recipe)
    content = (tmp_path / str(report.file)).read_bytes()
    assert b"sandpiper" not in content.lower().replace(b"\0", b"")
    return after


@pytest.mark.parametrize("tag", [0x00200060, 0x00281040, 0x00541220, 0x00700306])
def test_no_code_string_of_any_group_names_somebody(tmp_path: Path, tag: int) -> None:
    after = planted(tmp_path, (tag, "CS", b"SANDPIPER"))

    assert after[tag].value == "REMOVED"


@pytest.mark.parametrize(
    "code", [b"1939-04-07", b"020 7946 0958", b"7.4.1939", b"AM@X.EXAMPLE.ORG"]
)
def test_code_that_is_no_code_is_read_like_a_text(tmp_path: Path, code: bytes) -> None:
    after = planted(tmp_path, (0x00200060, "CS", code))

    assert after[0x00200060].value == "REMOVED"


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        *((0x00201041, "DS", b"Sandpiper"), (0x00281050, "DS", b"07.04.1939")),
        (0x00540073, "DS", b"1939-04-07"),
        *((0x0040A30A, "DS", b"A. Sandpiper"), (0x00080031, "TM", b"1939-04-07")),
    ],
)
def test_what_is_no_number_or_time_and_tells_something_goes(
    tmp_path: Path, tag: int, vr: str, value: bytes
) -> None:
    after = planted(tmp_path, (tag, vr, value))

    assert not after[tag].value


@pytest.mark.parametrize("value", [b"1,5 ", b"1.#IND"])
def test_odd_numbers_stay(tmp_path: Path, value: bytes) -> None:
    ds = make_instance()
    ds[0x00201041] = RawDataElement(Tag(0x00201041), "DS", len(value), value, 0, False, True)
    source = write_instance(tmp_path / "in.dcm", ds)

    report = deidentified(source, tmp_path, recipe=RESEARCH)[1]

    assert value in (tmp_path / str(report.file)).read_bytes()


def test_text_of_two_bytes_a_character_is_read(tmp_path: Path) -> None:
    after = planted(
        tmp_path,
        (0x00181030, "LO", "B30 Sandpiper".encode("utf-16-le")),
        (0x00204000, "LT", b"liver\0seen by Sandpiper"),
    )

    assert after.ProtocolName == "B30 *"
    assert after.ImageComments == "liver seen by *"


def test_words_among_bytes_are_blanked(tmp_path: Path) -> None:
    text = b"\1\2report of 07.04.1939 for a.b@example.org, "
    after = planted(tmp_path, (0x00143050, "OW", text + b"Sandpiper "))

    assert len(after[0x00143050].value) == len(text) + 10
    assert b"1939" not in after[0x00143050].value
    assert b"example" not in after[0x00143050].value


def test_age_in_any_attribute_is_capped(tmp_path: Path) -> None:
    assert planted(tmp_path, (0x0072005F, "AS", b"093Y"))[0x0072005F].value == "090Y"


@pytest.mark.parametrize("code", [b"AGE93 ", b"F93 ", b"093Y", b"93 YO "])
def test_age_in_a_code_string_goes(tmp_path: Path, code: bytes) -> None:
    after = planted(tmp_path, (0x00080008, "CS", b"ORIGINAL\\PRIMARY\\" + code))

    assert after.ImageType == ["ORIGINAL", "PRIMARY", "REMOVED"]


@pytest.mark.parametrize("code", [b"DOB 390407", b"390407", b"BORN_070439"])
def test_day_of_birth_in_six_digits_goes_from_a_code_string(tmp_path: Path, code: bytes) -> None:
    after = planted(tmp_path, (0x00200060, "CS", code))

    assert after[0x00200060].value == "REMOVED"


def test_other_six_digits_stay_in_a_code_string(tmp_path: Path) -> None:
    after = planted(tmp_path, (0x00200060, "CS", b"SEQ 123456"))

    assert after[0x00200060].value == "SEQ 123456"


def test_option_that_keeps_the_device_keeps_none_of_its_days(tmp_path: Path) -> None:
    after = planted(
        tmp_path, (0x300C0127, "DT", b"20190314101500"), (0x0018700C, "DA", b"20190101")
    )

    assert after[0x300C0127].value == "20181204101500"
    assert 0x0018700C not in after


def test_class_of_a_device_stays_and_its_gateway_loses_the_link(tmp_path: Path) -> None:
    after = planted(
        tmp_path,
        (0x0018100B, "UI", b"1.2.840.113619.9.9.1.777"),
        (0x00181008, "LO", b"GW1 http://pacs.example.org/x +49 421 5550173"),
    )

    assert after.ManufacturerDeviceClassUID == "1.2.840.113619.9.9.1.777"
    assert after[0x00181008].value == "GW1 *"


@pytest.mark.parametrize("number", ["+33 1 55 55 01 77", "(617)-555-0199", "020 7946 0958"])
def test_telephone_behind_an_underscore_is_found(tmp_path: Path, number: str) -> None:
    after, _ = result_of(tmp_path, SeriesDescription=f"T1_{number}")

    assert after.SeriesDescription == "T1_*"


def test_a_term_of_the_standard_is_nobodys_name(tmp_path: Path) -> None:
    term = Dataset()
    term.CodeValue, term.CodingSchemeDesignator = "121008", "DCM"
    term.CodeMeaning = "Person Observer Name"

    after, _ = result_of(tmp_path, AnatomicRegionSequence=[term], OperatorsName="Observer^Ida")

    assert after.AnatomicRegionSequence[0].CodeMeaning == "Person Observer Name"


@pytest.mark.parametrize("released", [False, True])
def test_a_published_term_with_a_person_of_the_batch_holds(tmp_path: Path, released: bool) -> None:
    term = Dataset()
    term.CodeValue, term.CodingSchemeDesignator = "T-D4000", "SRT"
    term.CodeMeaning = "Abdomen Yellowhammer"
    ds = make_instance(AnatomicRegionSequence=[term])
    source = write_instance(tmp_path / "in.dcm", ds)
    identities = identities_for(source)
    named_elsewhere = frozenset({(0x00081070, "PN", "Yellowhammer^Ida")})
    object.__setattr__(identities, "known", named_elsewhere)
    releases = ["NUMBER_HIT"] if released else []
    engine = Engine(Recipe.resolve(preset="research", releases=releases), identities)

    if released:
        assert engine.deidentify_into(source, tmp_path).file
    else:
        with pytest.raises(Held, match="NUMBER_HIT"):
            engine.deidentify_into(source, tmp_path)


@pytest.mark.parametrize(
    "written", ["27, October 2017", "27-October-2017", "27th October 2017", "27.October 2017"]
)
def test_a_date_that_moves_within_its_month_is_not_taken_for_the_month(
    tmp_path: Path, written: str
) -> None:
    ds = make_instance(StudyDate="20171027", SeriesDescription=f"brain {written}")
    source = write_instance(tmp_path / "in.dcm", ds)

    after, _ = deidentified(source, tmp_path, recipe=MOVED, shift_days=-3)

    assert after.SeriesDescription == f"brain {written.replace('27', '24')}"


@pytest.mark.parametrize(
    ("keyword", "text", "short", "long"),
    [
        ("SequenceName", "May 15, 2019 T2", "May 14, 2019 T2", "* T2"),
        ("SequenceName", "May, 15 2019", "May, 14 2019", ""),
        ("SeriesDescription", "T2 of 15 May 2019", "T2 of 14 May 2019", "T2 of 24 December 2018"),
    ],
)
def test_a_date_that_becomes_too_long_for_its_attribute_goes(
    tmp_path: Path, keyword: str, text: str, short: str, long: str
) -> None:
    source = write_instance(tmp_path / "in.dcm", make_instance(**{keyword: text}))

    after = [
        deidentified(source, tmp_path, recipe=MOVED, shift_days=days)[0][keyword].value
        for days in (-1, -142)
    ]

    assert after == [short, long]


@pytest.mark.parametrize("charset", [None, "ISO_IR 144"])
def test_a_month_that_the_character_set_has_not_is_written_in_one_that_has(
    tmp_path: Path, charset: str | None
) -> None:
    ds = make_instance(SeriesDescription="genou 3 mars 2019")
    if charset:
        ds.SpecificCharacterSet = charset
    source = write_instance(tmp_path / "in.dcm", ds)

    after, _ = deidentified(source, tmp_path, recipe=MOVED, shift_days=-20)

    assert after.SpecificCharacterSet == "ISO_IR 192"
    assert after.SeriesDescription == "genou 11 février 2019"
