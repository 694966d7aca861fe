"""The gate refuses a result that is spoilt in one way, and passes the one that is not."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filereader import dcmread
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

from sendit.deid import Recipe, check_release, known_of
from sendit.deid.release import Allowance, Gate
from sendit.deid.release_compare import Comparison
from sendit.deid.release_content import Level, key_of
from sendit.deid.release_table import Profile
from sendit.deid.release_words import dates_in
from sendit.errors import Held, ImageError, Rejected
from sendit.terms import Reason
from tests.deid.engines import deidentified
from tests.support.cleaned import OPTIONS, clean_copy, moved, rewrite
from tests.support.make_study import make_instance, without_preamble, write_instance

SYNTAXES = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big-endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}


def pair(
    folder: Path,
    *,
    modality: str = "CT",
    syntax: str = ExplicitVRLittleEndian,
    prepare: Callable[[Dataset], object] = lambda _: None,
    **attributes: object,
) -> tuple[Path, Path]:
    """Write an original and its clean copy; ``prepare`` adds to the original first."""
    ds = make_instance(modality=modality, **attributes)
    prepare(ds)
    original = write_instance(folder / "in" / "a.dcm", ds, transfer_syntax_uid=syntax)
    return original, clean_copy(original, folder / "out" / "a.dcm")


def refusal(original: Path, result: Path, **allowance: object) -> ImageError:
    with pytest.raises(ImageError) as caught:
        check(original, result, **allowance)
    return caught.value


def check(original: Path, result: Path, **allowance: object) -> None:
    allowed = Allowance(OPTIONS, **allowance)  # type: ignore[arg-type]
    check_release(result, known=known_of(original), original=original, allowance=allowed)


@pytest.mark.parametrize("modality", ["CT", "MR", "PT", "US", "CR", "OT", "SR"])
def test_a_clean_copy_passes(tmp_path: Path, modality: str) -> None:
    original, result = pair(tmp_path, modality=modality)

    check(original, result)


@pytest.mark.parametrize("syntax", SYNTAXES.values(), ids=SYNTAXES)
def test_a_clean_copy_passes_in_every_transfer_syntax(tmp_path: Path, syntax: str) -> None:
    original, result = pair(tmp_path, syntax=syntax)

    check(original, result)


def test_options_are_read_from_the_markers_when_nobody_names_them(tmp_path: Path) -> None:
    original, result = pair(tmp_path)

    check_release(result, known=known_of(original))


SPOILT_VALUES = {
    "name in a description": ("SeriesDescription", "Thorax Sandpiper"),
    "name in other order": ("ImageComments", "seen: Amalia, SANDPIPER"),
    "name glued": ("ProtocolName", "SANDPIPERAMALIA_T1"),
    "name in single letters": ("ImageComments", "seen S a n d p i p e r"),
    "short name in single letters": ("ImageComments", "A.m.a.l.i.a was seen"),
    "label with a name": ("ImageComments", "Referring: Hausdorf"),
    "name in camel case": ("SeriesDescription", "CTSandpiper2"),
    "given name alone": ("StudyDescription", "ask Amalia"),
    "third person": ("ImageComments", "report to dr fieldfare"),
    "patient id": ("ImageComments", "see MRN4427810"),
    "patient id, separated": ("ImageComments", "see mrn 442-7810"),
    "accession number": ("SeriesDescription", "ACC7301955 chest"),
    "institution": ("ImageComments", "Lapwing General Hospital"),
    "device serial": ("ProtocolName", "SN99182"),
    "date of the study": ("ImageComments", "seen on 14.03.2019"),
    "date in words": ("ImageComments", "seen on 14 March 2019"),
    "date of birth": ("ImageComments", "born 1961-04-12"),
    "mail": ("ImageComments", "write to a.b@example.org"),
    "phone": ("ImageComments", "call +49 761 270 39220"),
    "link": ("ImageComments", "https://example.org/case/1"),
    "labelled number": ("ImageComments", "Patient ID: 99-81723"),
    "person's name kept": ("OperatorsName", "Sandpiper"),
    "login": ("ImageComments", "by asandpip"),
}


@pytest.mark.parametrize(("keyword", "value"), SPOILT_VALUES.values(), ids=SPOILT_VALUES)
def test_an_identifier_in_a_text_is_refused(tmp_path: Path, keyword: str, value: str) -> None:
    original, result = pair(tmp_path)
    rewrite(result, lambda ds: setattr(ds, keyword, value))

    refused = refusal(original, result)

    assert refused.reason is Reason.IDENTIFIER_LEFT
    assert value not in str(refused)


def test_the_first_find_in_the_order_of_tags_is_told(tmp_path: Path) -> None:
    original, result = pair(tmp_path)
    keywords = ("ImageComments", "ProtocolName", "SeriesDescription", "StudyDescription")
    rewrite(result, lambda ds: [setattr(ds, one, "Sandpiper") for one in keywords])

    refused = refusal(original, result)

    assert "(0008,1030)" in str(refused)


HARMLESS_TEXTS = {
    "technique": "Thorax nativ 1.0 Br59 S2",
    "numbers": "FOV 350, 512 x 512, 1.25 mm",
    "version": "syngo 2019A",
    "moved date": moved("20190314"),
    "an unknown name": "de Quervain",
    "a version that could be a date": "Slicer v4.11.20, TE 10 11 12, iso 2.5.10",
}


def test_the_year_of_a_date_and_a_measure_are_no_date() -> None:
    assert dates_in("28 November 2009 1.5mm") == {"20091128"}
    assert dates_in("2009.1.5 or 5/1/2009") == {"20090105", "20090501"}


@pytest.mark.parametrize("value", HARMLESS_TEXTS.values(), ids=HARMLESS_TEXTS)
def test_a_harmless_text_passes(tmp_path: Path, value: str) -> None:
    original, result = pair(tmp_path, SeriesDescription=value)
    rewrite(result, lambda ds: setattr(ds, "SeriesDescription", value))

    check(original, result)


NAMESAKES = {
    "a modality before a part of the body": ("Foot^Neil", "1", "MR FOOT, MR foot"),
    "a measure": ("Sandpiper^Amalia", "10", "1.0 mmol/ml"),
    "what operators do": ("TECH", "1", "tech"),
    "a half of a name": ("St. Clair^Amalia", "1", "ST"),
    "an eponym of six letters": ("Graves^Amalia", "1", "Graves disease, thyroid enlarged"),
    "a long eponym": ("Parkinson^Amalia", "1", "R/O Parkinson disease, Parkinson's disease"),
    "an eponym that owns something": ("Baker^Amalia", "1", "Baker's cyst left knee"),
}


@pytest.mark.parametrize(("name", "number", "value"), NAMESAKES.values(), ids=NAMESAKES)
def test_a_word_that_reads_like_a_name_passes(
    tmp_path: Path, name: str, number: str, value: str
) -> None:
    original, result = pair(tmp_path, PatientID=number, OperatorsName=name, SeriesDescription=value)
    rewrite(result, lambda ds: setattr(ds, "SeriesDescription", value))

    check(original, result)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Foot^Neil", "for Mr. Foot"),
        ("Foot^Neil", "for Mr Foot"),
        ("Foot^Neil", "MR. FOOT"),
        ("Baker^Tom", "cyst; Baker"),
        ("Parkinson^Tom", "Parkinson disease of Parkinson"),
        ("Parkinson^Tom", "xParkinsony"),
        ("Parkinson^Tom", "Parkinson's CT"),
        ("Baker^Tom", "Bakers CT"),
    ],
)
def test_a_word_of_the_field_that_names_somebody_is_refused(
    tmp_path: Path, name: str, value: str
) -> None:
    original, result = pair(tmp_path, PatientName=name, SeriesDescription=value)
    rewrite(result, lambda ds: setattr(ds, "SeriesDescription", value))

    assert refusal(original, result).reason is Reason.IDENTIFIER_LEFT


@pytest.mark.parametrize(
    ("meaning", "passes"),
    [
        ("white matter lesion", True),
        ("lesion of White", False),
        ("Hodgkin lymphoma", True),
        ("staged by Hodgkin", False),
    ],
)
def test_a_phrase_in_a_code_meaning_is_no_name(tmp_path: Path, meaning: str, passes: bool) -> None:
    def add(ds: Dataset) -> None:
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "X1", "99LOCAL", meaning
        ds.AnatomicRegionSequence = Sequence([code])

    original, result = pair(tmp_path, PatientName="White^Hodgkin", prepare=add)

    if passes:
        check(original, result)
    else:
        assert refusal(original, result).reason is Reason.NUMBER_HIT


def test_escape_sequences_read_as_letters_are_no_name(tmp_path: Path) -> None:
    original, result = pair(
        tmp_path,
        SpecificCharacterSet=["", "ISO 2022 IR 149"],
        PatientName="Kim^Minsu=金^民秀=김^민수",
        SeriesDescription="2.0 CE Abdomen",
    )
    rewrite(result, lambda ds: setattr(ds, "SeriesDescription", "2.0 CE Abdomen"))

    check(original, result)


@pytest.mark.parametrize(("station", "passes"), [("CT0183", True), ("AWP40183", False)])
def test_a_station_called_like_many_others_is_no_find(
    tmp_path: Path, station: str, passes: bool
) -> None:
    original, result = pair(tmp_path, StationName=station)
    rewrite(result, lambda ds: setattr(ds, "ImageComments", f"done on {station}"))

    if passes:
        check(original, result)
    else:
        assert refusal(original, result).reason is Reason.IDENTIFIER_LEFT


def test_a_part_of_a_word_of_the_field_in_a_folder_names_nobody(tmp_path: Path) -> None:
    original, result = pair(tmp_path, ImageComments="BestDiast 75 %")
    rewrite(result, lambda ds: setattr(ds, "ImageComments", "BestDiast 75 %"))
    gate = Gate(Allowance(OPTIONS), extra=["CardiacCTA BestDiast 1"])

    gate.check(result, known=gate.known_of(original), original=original)


def test_a_folder_called_after_a_description_names_nobody(tmp_path: Path) -> None:
    original, result = pair(tmp_path, ImageComments="Zuzzmat, not Yellowhammer")
    names, described = ["Yellowhammer plan Zuzzmat"], ["plan Zuzzmat"]

    for comment, passes in (("Zuzzmat", True), ("Yellowhammer", False)):
        rewrite(result, lambda ds, comment=comment: setattr(ds, "ImageComments", comment))
        gate = Gate(Allowance(OPTIONS), extra=names, descriptions=described)
        known = gate.known_of(original)
        if passes:
            gate.check(result, known=known, original=original)
        else:
            with pytest.raises(Rejected):
                gate.check(result, known=known, original=original)


SPOILERS: dict[str, tuple[Callable[[Dataset], object], Reason]] = {
    "no removed marker": (lambda ds: delattr(ds, "PatientIdentityRemoved"), Reason.MARKERS_MISSING),
    "no method": (lambda ds: delattr(ds, "DeidentificationMethod"), Reason.MARKERS_MISSING),
    "no codes": (
        lambda ds: delattr(ds, "DeidentificationMethodCodeSequence"),
        Reason.MARKERS_MISSING,
    ),
    "no temporal marker": (
        lambda ds: delattr(ds, "LongitudinalTemporalInformationModified"),
        Reason.MARKERS_MISSING,
    ),
    "says not burned in": (
        lambda ds: setattr(ds, "BurnedInAnnotation", "NO"),
        Reason.MARKERS_MISSING,
    ),
    "slope": (lambda ds: setattr(ds, "RescaleSlope", "2"), Reason.VALUE_LOST),
    "slope gone": (lambda ds: delattr(ds, "RescaleSlope"), Reason.IOD_BROKEN),
    "position": (
        lambda ds: setattr(ds, "ImagePositionPatient", ["0", "0", "0"]),
        Reason.VALUE_LOST,
    ),
    "thickness gone": (lambda ds: delattr(ds, "KVP"), Reason.IOD_BROKEN),
    "type 2 gone": (lambda ds: delattr(ds, "PatientBirthDate"), Reason.IOD_BROKEN),
    "type 1 emptied": (lambda ds: setattr(ds, "StudyInstanceUID", None), Reason.IOD_BROKEN),
    "private": (
        lambda ds: ds.private_block(0x0029, "EXAMPLE", create=True).add_new(1, "LO", "abc"),
        Reason.IDENTIFIER_LEFT,
    ),
    "overlay label": (
        lambda ds: ds.add_new(0x60001500, "LO", "label"),
        Reason.IDENTIFIER_LEFT,
    ),
    "one date moved otherwise": (
        lambda ds: setattr(ds, "SeriesDate", moved(str(ds.SeriesDate))),
        Reason.VALUE_LOST,
    ),
    "pixels": (
        lambda ds: setattr(ds, "PixelData", bytes(len(ds.PixelData))),
        Reason.VALUE_LOST,
    ),
    "pixels cut": (lambda ds: setattr(ds, "PixelData", ds.PixelData[:-2]), Reason.VALUE_LOST),
    "pixels padded": (
        lambda ds: setattr(ds, "PixelData", ds.PixelData + b"Amalia S."),
        Reason.IDENTIFIER_LEFT,
    ),
}


@pytest.mark.parametrize(("spoil", "reason"), SPOILERS.values(), ids=SPOILERS)
def test_a_spoilt_result_is_refused(
    tmp_path: Path, spoil: Callable[[Dataset], object], reason: Reason
) -> None:
    original, result = pair(tmp_path)
    rewrite(result, spoil)

    assert refusal(original, result).reason is reason


@pytest.mark.parametrize("syntax", SYNTAXES.values(), ids=SYNTAXES)
@pytest.mark.parametrize("share", [0.001, 0.3, 0.7, 0.999])
def test_one_changed_pixel_of_a_large_picture_is_noticed(
    tmp_path: Path, share: float, syntax: str
) -> None:
    original, result = pair(tmp_path, syntax=syntax, rows=512, columns=520)

    def change(ds: Dataset) -> None:
        pixels = bytearray(ds.PixelData)
        pixels[int(share * len(pixels)) & ~1] ^= 1
        ds.PixelData = bytes(pixels)

    rewrite(result, change)

    assert refusal(original, result).reason is Reason.VALUE_LOST


KEPT = [
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "StudyDate",
    "AcquisitionDate",
    "PatientID",
    "PatientName",
    "AccessionNumber",
    "InstitutionName",
    "StationName",
    "DeviceSerialNumber",
    "ReferringPhysicianName",
]


@pytest.mark.parametrize("keyword", KEPT)
def test_an_original_value_is_refused(tmp_path: Path, keyword: str) -> None:
    original, result = pair(tmp_path)
    value = dcmread(original)[keyword].value
    rewrite(result, lambda ds: setattr(ds, keyword, value))

    assert refusal(original, result).reason is Reason.IDENTIFIER_LEFT


def test_bytes_around_the_data_set_are_refused(tmp_path: Path) -> None:
    original, result = pair(tmp_path)
    plain = result.read_bytes()

    for spoilt in (b"TIFF" + plain[4:], plain + b"\xfc\xff\xfc\xffOB\0\0\x02\0\0\0ab"):
        result.write_bytes(spoilt)
        assert refusal(original, result).reason is Reason.IDENTIFIER_LEFT


def test_file_meta_of_the_original_is_refused(tmp_path: Path) -> None:
    original, result = pair(tmp_path)
    ds = dcmread(result)
    ds.file_meta.SourceApplicationEntityTitle = "ANY"
    ds.save_as(result)

    assert refusal(original, result).detail == "(0002,0016)"


@pytest.mark.parametrize("place", ["comment", "tail"])
def test_text_beside_compressed_pixels_is_refused(tmp_path: Path, place: str) -> None:
    original, result = pair(tmp_path, modality="US")

    def compress(ds: Dataset) -> None:
        comment = b"\xff\xfe\x00\x0bSandpiper" if place == "comment" else b""
        behind = b"Sandpiper\0" if place == "tail" else b""
        stream = b"\xff\xd8" + comment + b"\xff\xda\x00\x02\x12\x34\xff\xd9" + behind
        ds.PixelData = encapsulate([stream])
        ds["PixelData"].VR = "OB"
        ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit

    for path in (original, result):
        rewrite(path, compress)

    assert refusal(original, result).detail == "(7FE0,0010) beside the picture"


def run_length(
    *, header: bytes = b"", behind: bytes = b"", table: bytes = b"", more: bytes = b""
) -> Callable[[Dataset], None]:
    """Return what gives an instance pixels as RLE fragments, with other bytes in them."""

    def compress(ds: Dataset) -> None:
        frame = (b"\1\0\0\0\x40\0\0\0" + header).ljust(64, b"\0") + b"\x0f" + b"a" * 16 + b"\0"
        fragments = [table, frame + behind, *([more] if more else [])]
        items = (b"\xfe\xff\0\xe0" + len(one).to_bytes(4, "little") + one for one in fragments)
        ds.PixelData = b"".join(items)
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
        ds.file_meta.TransferSyntaxUID = RLELossless

    return compress


@pytest.mark.parametrize("place", ["table", "header", "behind", "more"])
@pytest.mark.parametrize(
    "name",
    [b"Sandpiper^Al".ljust(16, b"\0"), "Sandpiper\0".encode("utf-16-le")],
    ids=["ascii", "utf-16"],
)
def test_text_in_run_length_fragments_is_refused(tmp_path: Path, place: str, name: bytes) -> None:
    original, result = pair(tmp_path, modality="CT")

    for path in (original, result):
        rewrite(path, run_length(**{place: name}))

    assert refusal(original, result).detail == "(7FE0,0010) beside the picture"


@pytest.mark.parametrize("name", ["Cook^Ada", "Müller^Ada"])
def test_name_in_other_letters_than_ascii_is_refused_in_a_picture(
    tmp_path: Path, name: str
) -> None:
    original, result = pair(tmp_path, PatientName=name, SpecificCharacterSet="ISO_IR 192")
    text = name.encode() + bytes(len(name.encode()) & 1)

    for path in (original, result):
        rewrite(path, run_length(behind=text))

    assert refusal(original, result).detail == "(7FE0,0010) beside the picture"


def test_bytes_of_a_picture_that_read_like_a_short_name_pass(tmp_path: Path) -> None:
    original, result = pair(tmp_path, modality="CT", PatientName="Cook^Ada")

    for path in (original, result):
        rewrite(path, run_length(behind=b"\x01C\xf5ok\xb4\x90cook\x01\x02\x03"))

    check(original, result)


@pytest.mark.parametrize("written", ["utf-8", "utf-16-be"])
def test_a_name_in_another_encoding_among_bytes_is_refused(tmp_path: Path, written: str) -> None:
    profile = b"\0" * 128 + "Krähenbühl".encode(written) + b"\0" * 4
    original, result = pair(
        tmp_path, SpecificCharacterSet="ISO_IR 100", PatientName="Krähenbühl^Jörg"
    )
    for path in (original, result):
        rewrite(path, lambda ds: setattr(ds, "ICCProfile", profile))

    assert str(refusal(original, result)).endswith("(0028,2000) known-identifier")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    original, result = pair(tmp_path)
    content = result.read_bytes()

    for broken in (content[:-40], content[:200], b"", b"no"):
        result.write_bytes(broken)
        assert refusal(original, result).reason is Reason.IOD_BROKEN


def test_a_file_without_preamble_is_read_as_original(tmp_path: Path) -> None:
    original, result = pair(tmp_path)
    without_preamble(original)
    rewrite(result, lambda ds: setattr(ds, "ImageComments", "Sandpiper"))

    assert refusal(original, result).reason is Reason.IDENTIFIER_LEFT


def test_an_identifier_in_a_number_is_held(tmp_path: Path) -> None:
    original, result = pair(tmp_path, PatientID="44278105", TableHeight="44278105")

    refused = refusal(original, result)

    assert isinstance(refused, Held)
    assert refused.reason is Reason.NUMBER_HIT
    assert refused.detail.startswith("(0018,1130)")


def test_a_short_number_counts_as_a_word_of_a_text_only(tmp_path: Path) -> None:
    original, result = pair(tmp_path, PatientID="512", AcquisitionNumber="512", Rows=16)

    check(original, result)
    rewrite(result, lambda ds: setattr(ds, "ImageComments", "patient 512 seen"))

    assert isinstance(refusal(original, result), Rejected)


@pytest.mark.parametrize(
    ("text", "passes"),
    [("white matter lesion", True), ("Long axis", True), ("Long, Berenike", False)],
)
def test_a_name_that_is_a_word_of_the_field_counts_beside_a_name(
    tmp_path: Path, text: str, passes: bool
) -> None:
    name = "White^Long" if passes else "Long^Berenike"
    original, result = pair(tmp_path, PatientName=name)
    rewrite(result, lambda ds: setattr(ds, "SeriesDescription", text))

    if passes:
        check(original, result)
    else:
        assert refusal(original, result).reason is Reason.IDENTIFIER_LEFT


def test_a_name_in_another_character_set_is_found(tmp_path: Path) -> None:
    names = {
        "ISO_IR 192": "Müller^Jörg",
        "GB18030": "Wang^XiaoDong=王^小东",
        "ISO 2022 IR 87": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    }
    texts = {
        "ISO_IR 192": ("JOERG", "mueller"),
        "GB18030": ("王小东", "小东"),
        "ISO 2022 IR 87": ("山田", "太郎さん"),
    }
    for charset, name in names.items():
        sets = ["", charset] if charset.startswith("ISO 2022") else charset
        original, result = pair(tmp_path / charset, SpecificCharacterSet=sets, PatientName=name)
        for text in texts[charset]:
            rewrite(result, lambda ds, text=text: setattr(ds, "ImageComments", text))
            assert refusal(original, result).reason is Reason.IDENTIFIER_LEFT


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Щербаков^Юрий", "as Schtscherbakow said"),
        ("Щербаков^Юрий", "Shcherbakov"),
        ("Ivanova^Anna", "Иванова"),
        ("Παπαδόπουλος^Νίκος", "Papadopoulos"),
        ("أحمد^عبد الله", "for Abdullah"),
        ("أحمد^محمد", "Mohammed"),
        ("הורוביץ^משה", "Horowitz"),
        ("גרנברג^משה", "grnbrg"),
        ("ﾔﾏﾀﾞ^ｼﾝｲﾁﾛｳ", "SINITIRO"),
        ("Yamada^Tarou=山田^太郎=さかもと^たろう", "Sakamoto"),
        ("김영수", "Kim"),
        ("김^영수", "Young-Soo"),
        ("欧阳晓明", "Ouyang"),
        ("王^晓明", "xiaoming"),
        ("Çîëîòóõèíà^Åâäîêèÿ", "Zolotukhina"),
        ("úÏÌÏÔÕÈÉÎÁ", "Zolotukhina"),
    ],
)
def test_a_name_is_found_in_the_letters_of_another_country(
    tmp_path: Path, name: str, text: str
) -> None:
    original, result = pair(tmp_path, SpecificCharacterSet="ISO_IR 192", PatientName=name)
    rewrite(result, lambda ds: setattr(ds, "SpecificCharacterSet", "ISO_IR 192"))
    rewrite(result, lambda ds: setattr(ds, "ImageComments", text))

    assert refusal(original, result).reason is Reason.IDENTIFIER_LEFT


LIKELY = {
    "uid": "ref 1.3.12.2.1107.5.2.32.35049.1 x",
    "guid": "id 01234567-89ab-cdef-0123-456789abcdef",
    "host": "host 192.168.17.44 ok",
    "mac": "mac 00:1B:44:11:3A:B7",
    "phone": "0711/1234567",
    "phone-fr": "01 42 34 56 78",
    "pager": "pager 4711",
    "iban": "DE89370400440532013000",
    "ahv": "756.1234.5678.97",
    "number": "nr 4857773 x",
    "groups": "nr 4857 773 9913",
    "label": "case no 881",
    "address": "12 Main Street, Springfield",
    "address-de": "Hauptstraße 12",
    "address-fr": "12 rue de Rivoli",
    "postcode": "London SW1A 1AA",
    "titled": "Dr. Hausdorf reported",
    "named": "performed by Petra Hausdorf",
    "caret": "Hausdorf^Petra",
    "server": "at pacs.example.org ok",
    "mail": "mail b.linnet@*",
    "path": "in /home/user/data/x",
    "month": "seen Mar 2019",
    "day": "seen 14/03",
    "worded": "am 14. März 2019",
    "eastern": "2019年3月14日",
    "blanks in a date": "am 14 / 3 / 2019",
    "a blank before the year": "am 14.03. 2019",
    "a tax number": "RSSMRA85T10A562S",
    "a degree": "PETRA HAUSDORF, MD",
    "an initial": "read by A. Hausdorf",
    "a relative": "with mother Hausdorf",
    "address-ru": "ул. Ленина, д. 5",
    "address-kr": "서울시 강남구 테헤란로 152",
    "address-jp": "東京都千代田区丸の内1-9-1",
    "phone-ru": "8 (495) 555-01-23",
    "a copy": "cc Hausdorf x",
    "a given name": "RT: Thomas Hausdorf x",
    "an insurance": "Medicare 1EG4-TE5-MK73",
    "a mail inside": "to hausdorf@hosp x",
    "a town": "in 75002 Hausdorf x",
    "a numbered street": "at 4410 W 32nd Ave x",
    "six digits": "DOB 430917 x",
    "a day and a month": "CT vom 27.11. und x",
    "a number before": "b=1000 mother Hausdorf",
    "a reader": "reader 2: Hausdorf",
    "a review": "Reviewed by Hausdorf",
    "a degree alone": "seen Hausdorf MD",
    "a day of a year": "am 2019/073 x",
    "a day of a week": "am 2019-W11-4 x",
}


@pytest.mark.parametrize("text", LIKELY.values(), ids=LIKELY)
def test_what_looks_like_an_identifier_of_anybody_is_refused(tmp_path: Path, text: str) -> None:
    original, result = pair(tmp_path, StudyDate="20190314")

    def spoil(ds: Dataset) -> None:
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.ImageComments = text

    rewrite(result, spoil)

    assert refusal(original, result).reason is Reason.IDENTIFIER_LEFT


HARMLESS = {
    "sides and initials": ({"OperatorsName": "LR"}, "Knee L/R"),
    "abbreviation and initials": ({"OperatorsName": "PA"}, "Thorax p.a."),
    "decimal and short id": ({"PatientID": "1"}, "level 1,0"),
    "letters of a number": ({"StationName": "A12A"}, "-0.0154733464465"),
    "accents of a place": ({"InstitutionName": "Schädel Zentrum Nord"}, "Schädel nativ"),
    "words of an address": ({"InstitutionName": "Falkenhof, MRI Center 2"}, "MRI Center 2"),
    "units and initials": ({"OperatorsName": "MM"}, "nodule of 5 mm, 3-mm slices"),
    "labelled day": ({"StudyDate": "20190314"}, "patient 20181204"),
    "six other digits": ({}, "date 999999, vom 123456, CT 191127"),
    "signs and numbers": ({}, "peak@lesion, 64000 Points, scan@rest"),
    "makers": ({}, "Karl Storz, Thomas Test, Peter Spine, Ann Arbor, Robert Xyster disease"),
    "nobody": ({"OperatorsName": "QA", "PatientName": "TBD"}, "phantom QA, TBD"),
    "what an id was cut from": ({"PatientID": "M"}, "*/ND/ECHO_00/MOSAIC"),
    "a day that moved": ({"StudyDate": "20190314"}, "vom 12.02. 2019, prior 12.11. x"),
    "no server": ({}, "ab12cd@host"),
    "parts of a protocol": ({}, "3D/Radial/[2]/Br36/Spleen/FSE"),
    "a map": ({}, "Tensor MD, Diffusivity MD"),
    "a vessel": ({}, "100 cc Omnipaque, sister Mary Joseph nodule, son Autism, ul. Nerve 5"),
    "a day of another year": ({"StudyDate": "20190314"}, "2018/073, 2000/100"),
    "month of another day": ({"StudyDate": "20190314"}, "on 05-MAR-2019"),
}


@pytest.mark.parametrize(("attributes", "text"), HARMLESS.values(), ids=HARMLESS)
def test_what_names_nobody_passes(tmp_path: Path, attributes: dict[str, str], text: str) -> None:
    original, result = pair(tmp_path, ImageComments="x", **attributes)

    rewrite(result, lambda ds: setattr(ds, "ImageComments", text))

    check(original, result)


@pytest.mark.parametrize("patient_id", ["00000000", "0000007"])
def test_a_number_of_zeros_stands_for_no_binary_number(tmp_path: Path, patient_id: str) -> None:
    def prepare(ds: Dataset) -> None:
        ds.add_new(0x00209057, "UL", 0)
        ds.add_new(0x00209128, "UL", 7)

    original, result = pair(tmp_path, prepare=prepare, PatientID=patient_id, ImageComments="x")
    rewrite(result, lambda ds: setattr(ds, "ImageComments", "slope 0.00000000"))

    known = known_of(original, extra=["PT000000", "IM000007"])
    allowed = Allowance(OPTIONS)

    check_release(result, known=known, original=original, allowance=allowed)


def test_a_chinese_name_makes_no_word_of_a_day_in_chinese(tmp_path: Path) -> None:
    original, result = pair(
        tmp_path,
        SpecificCharacterSet="ISO_IR 192",
        PatientName="Zhang^LiHua=张^丽华",
        ImageComments="x",
    )

    rewrite(result, lambda ds: setattr(ds, "ImageComments", "2014年2月04日"))

    check(original, result)


def test_initials_with_points_are_refused(tmp_path: Path) -> None:
    original, result = pair(tmp_path, OperatorsName="WS")

    rewrite(result, lambda ds: setattr(ds, "ImageComments", "scan of W.S."))

    assert refusal(original, result).reason is Reason.IDENTIFIER_LEFT


def test_a_term_of_the_standard_names_nobody(tmp_path: Path) -> None:
    concept = Dataset()
    concept.CodeValue, concept.CodingSchemeDesignator = "121008", "DCM"
    concept.CodeMeaning = "Person Observer Name"

    def prepare(ds: Dataset) -> None:
        ds.AnatomicRegionSequence = Sequence([concept])

    original, result = pair(tmp_path, prepare=prepare, OperatorsName="Observer^Ida")

    check(original, result)


MISPLACED = {
    "date in DS": (0x00181130, "DS", b"14.03.2019"),
    "phone in DS": (0x00181130, "DS", b"0761/5550123"),
    "date in TM": (0x00080033, "TM", b"14.03.2019"),
    "date in OB": (0x00282000, "OB", b"\0\1\2\3on 14.03.2019\0\0\0"),
    "mail in OB": (0x00282000, "OB", b"\0\1\2\3b.linnet@example.org\0\0"),
    "wide in OB": (0x00282000, "OB", b"\0\1\2\3" + "Sandpiper".encode("utf-16-be")),
    "link in versions": (0x00181020, "LO", b"ftp://10.23.247.12/in"),
    "mail in model": (0x00081090, "LO", b"b.linnet@example.org"),
    "number in CS": (0x00080008, "CS", b"ORIGINAL\\4857773"),
    "phone in CS": (0x00080008, "CS", b"ORIGINAL\\+49 761 5550123"),
    "mail in CS": (0x00080008, "CS", b"ORIGINAL\\b.l@example.org"),
}


@pytest.mark.parametrize(("tag", "vr", "value"), MISPLACED.values(), ids=MISPLACED)
@pytest.mark.filterwarnings("ignore")
def test_what_identifies_where_no_text_belongs_is_refused(
    tmp_path: Path, tag: int, vr: str, value: bytes
) -> None:
    def spoil(ds: Dataset) -> None:
        place = Tag(tag)
        ds[place] = RawDataElement(place, vr, len(value), value, 0, False, True)

    original, result = pair(
        tmp_path, prepare=spoil, StudyDate="20190314", PatientName="Sandpiper^Amalia"
    )
    rewrite(result, spoil)

    assert refusal(original, result).reason in (Reason.IDENTIFIER_LEFT, Reason.NUMBER_HIT)


def test_numbers_stand_where_an_option_keeps_a_device(tmp_path: Path) -> None:
    source = write_instance(tmp_path / "in.dcm", make_instance(DeviceSerialNumber="4857773"))

    after, _ = deidentified(source, tmp_path, recipe=Recipe.resolve(preset="research"))

    assert after.DeviceSerialNumber == "4857773"


@pytest.mark.parametrize(
    ("keyword", "value", "left"),
    [
        ("PatientBirthDate", "19300504", "19290504"),
        ("DateOfManufacture", "20100504", "20090504"),
        ("GPSLatitude", "47.5", "47.5"),
        ("GPSLatitudeRef", "N", "N"),
        ("PatientBirthTime", "101112", "101112"),
        ("InstanceOriginStatus", "IMPORTED", "IMPORTED"),
    ],
)
def test_what_has_to_go_is_not_let_stay_or_move(
    tmp_path: Path, keyword: str, value: str, left: str
) -> None:
    original, result = pair(tmp_path, **{keyword: value})
    rewrite(result, lambda ds: setattr(ds, keyword, left))

    assert refusal(original, result).reason is Reason.IDENTIFIER_LEFT


def test_a_sequence_that_has_to_go_is_not_let_stay(tmp_path: Path) -> None:
    def add(ds: Dataset) -> None:
        ds.OtherPatientIDsSequence = [Dataset()]
        ds.OtherPatientIDsSequence[0].SeriesNumber = "1"

    original, result = pair(tmp_path, prepare=add)
    rewrite(result, add)

    assert refusal(original, result).detail == "(0010,1002) unchanged"


@pytest.mark.parametrize("text", ["93 yo", "F93", "93 F", "aged 93", "104 years", "Age: 093"])
def test_an_age_over_90_in_a_text_or_a_code_is_refused(tmp_path: Path, text: str) -> None:
    for keyword in ("ImageComments", "ImageType"):
        original, result = pair(tmp_path / keyword)
        written = text.upper().replace(":", "") if keyword == "ImageType" else text
        rewrite(result, lambda ds, keyword=keyword, to=written: setattr(ds, keyword, to))

        assert refusal(original, result).detail.endswith("pattern:age")


@pytest.mark.parametrize(
    ("concept", "content"),
    [
        ("121033", {"TextValue": "95"}),
        ("30525-0", {"TextValue": "95 years"}),
        ("121033", {"NumericValue": "95"}),
        ("397669002", {"FloatingPointValue": 95.0}),
        ("121031", {"TextValue": "1930"}),
        ("21112-8", {"Date": "19300504"}),
    ],
)
def test_an_age_or_a_day_of_birth_in_a_report_is_refused(
    tmp_path: Path, concept: str, content: dict[str, object]
) -> None:
    original, result = pair(tmp_path, modality="SR")

    def spoil(ds: Dataset) -> None:
        name = Dataset()
        name.CodeValue = concept
        item = Dataset()
        item.ConceptNameCodeSequence = [name]
        for keyword, value in content.items():
            setattr(item, keyword, value)
        ds.ContentSequence.append(item)

    rewrite(original, spoil)
    rewrite(result, spoil)

    assert refusal(original, result).reason is Reason.IDENTIFIER_LEFT


FORMS = {
    "entity": "M&uuml;ller",
    "number": "M&#252;ller",
    "percent": "M%C3%BCller",
    "quoted-printable": "M=FCller",
    "json": "M\\u00fcller",
    "hex": b"Mueller".hex(),
    "hex-apart": "Müller".encode("latin-1").hex(" ").upper(),
    "base64": base64.b64encode(b"Mueller").decode(),
    "base64-1": base64.b64encode(b"<Mueller>").decode(),
    "base64-2": "x" + base64.b64encode("<nMüller/>".encode()).decode(),
    "base64-wide": base64.b64encode("Müller".encode("utf-16-le")).decode(),
    "base64-id": base64.b64encode(b"[4427810]").decode(),
}


@pytest.mark.parametrize("written", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("place", ["text", "bytes", "code"])
def test_a_name_in_another_form_is_found(tmp_path: Path, written: str, place: str) -> None:
    original, result = pair(
        tmp_path, SpecificCharacterSet="ISO_IR 192", PatientName="Müller^Jörg", PatientID="4427810"
    )

    def spoil(ds: Dataset) -> None:
        if place == "text":
            ds.ImageComments = f"seen by {written}, knee"
        elif place == "bytes":
            ds.ICCProfile = b"\0\1\2\3" * 8 + written.encode() + bytes(8)
        else:
            ds.ScheduledProtocolCodeSequence = [Dataset()]
            ds.ScheduledProtocolCodeSequence[0].CodeMeaning = written

    rewrite(result, spoil)

    reason = Reason.NUMBER_HIT if place == "code" else Reason.IDENTIFIER_LEFT
    assert refusal(original, result).reason is reason


@pytest.mark.parametrize(
    ("charset", "name", "text"),
    [
        ("ISO_IR 192", "Dvořák^Željko", "A1/FS"),
        ("GB18030", "Zibaström^Ada", "Pedazuström 2m"),
        ("ISO 2022 IR 87", "Kato^Ada=鷹羽嶋^辰之助", "A, B, C"),
    ],
)
def test_syllables_of_misread_bytes_are_no_names(
    tmp_path: Path, charset: str, name: str, text: str
) -> None:
    sets = ["", charset] if charset.startswith("ISO 2022") else charset
    original, result = pair(tmp_path, SpecificCharacterSet=sets, PatientName=name)
    rewrite(result, lambda ds: setattr(ds, "ImageComments", text))

    check(original, result)


def test_a_name_under_a_wrongly_declared_character_set_is_found(tmp_path: Path) -> None:
    name = "Grünwald^Zoë".encode()

    def mislabel(ds: Dataset) -> None:
        ds.SpecificCharacterSet = "ISO_IR 100"
        ds.PatientName = name.decode("latin-1")

    original, result = pair(tmp_path, prepare=mislabel)
    rewrite(result, lambda ds: setattr(ds, "ImageComments", "Gruenwald"))

    assert refusal(original, result).reason is Reason.IDENTIFIER_LEFT


@pytest.mark.parametrize(
    ("comment", "is_name"), [("D'SA", True), ("d'sa", True), ("DSA of the head", False)]
)
def test_a_name_with_an_apostrophe_is_no_term(tmp_path: Path, comment: str, is_name: bool) -> None:
    original, result = pair(
        tmp_path, prepare=lambda ds: setattr(ds, "PatientName", "D'Sa^Quillwort")
    )
    rewrite(result, lambda ds: setattr(ds, "ImageComments", comment))

    if is_name:
        assert refusal(original, result).reason is Reason.IDENTIFIER_LEFT
    else:
        check_release(result, known=known_of(original), original=original)


def test_a_name_that_stands_only_in_a_private_element_is_known(tmp_path: Path) -> None:
    def hide(ds: Dataset) -> None:
        block = ds.private_block(0x0029, "EXAMPLE", create=True)
        block.add_new(0x01, "LO", "Bergamotte^Ilka")

    original, result = pair(tmp_path, prepare=hide)
    rewrite(result, lambda ds: setattr(ds, "ImageComments", "Ilka"))

    assert refusal(original, result).reason is Reason.IDENTIFIER_LEFT


def named_by(creator: str) -> Callable[[Dataset], object]:
    """Return what adds a private element that holds a name if the creator is MMCPrivate."""

    def add(ds: Dataset) -> None:
        ds.private_block(0x0009, creator, create=True).add_new(0x55, "LO", "Whimbrel, Jon")

    return add


@pytest.mark.parametrize("creator", ["MMCPrivate", "MMCPRIVATE "])
def test_a_name_in_a_private_element_that_is_called_so_is_known(
    tmp_path: Path, creator: str
) -> None:
    original, result = pair(tmp_path, prepare=named_by(creator))
    rewrite(result, lambda ds: setattr(ds, "ImageComments", "seen with Whimbrel"))

    assert refusal(original, result).reason is Reason.IDENTIFIER_LEFT


def test_a_private_value_is_looked_at_again_under_another_creator(tmp_path: Path) -> None:
    first, _ = pair(tmp_path / "1", prepare=named_by("EXAMPLE 1"))
    second, result = pair(tmp_path / "2", prepare=named_by("MMCPrivate"))
    rewrite(result, lambda ds: setattr(ds, "ImageComments", "seen with Whimbrel"))
    gate = Gate(Allowance(OPTIONS))
    gate.known_of(first)

    with pytest.raises(Rejected):
        gate.check(result, known=gate.known_of(second), original=second)


@pytest.mark.parametrize(
    ("text", "cleaned", "passes"),
    [
        ("Pelikan^Ida claustrophobic, sedated", "* claustrophobic, sedated", True),
        ("anxiolysis for Pelikan^Ida", "anxiolysis for *", True),
        ("Pelikan Storch^Ida claustrophobic", "* Storch^*", False),
        ("Pelikan^Ida Maudine claustrophobic", "* Maudine", False),
    ],
)
def test_running_text_around_a_name_with_carets_is_no_name(
    tmp_path: Path, text: str, cleaned: str, *, passes: bool
) -> None:
    original, result = pair(tmp_path, ImageComments=text)
    rewrite(result, lambda ds: setattr(ds, "ImageComments", cleaned))

    if passes:
        check(original, result)
    else:
        assert refusal(original, result).reason is Reason.IDENTIFIER_LEFT


def test_a_syllable_of_a_name_with_a_hyphen_is_nobodys(tmp_path: Path) -> None:
    original, result = pair(tmp_path, PatientName="Al-Mutairi^Noura")
    rewrite(result, lambda ds: setattr(ds, "ImageComments", "Al-*S, al filter"))

    check(original, result)


def test_a_name_that_stands_only_in_a_report_is_known(tmp_path: Path) -> None:
    def observe(ds: Dataset) -> None:
        item = Dataset()
        item.RelationshipType = "HAS OBS CONTEXT"
        item.ValueType = "PNAME"
        item.PersonName = "Ortolan^Hedda"
        ds.ContentSequence.append(item)

    original, result = pair(tmp_path, modality="SR", prepare=observe)

    def spoil(ds: Dataset) -> None:
        ds.ContentSequence[1].PersonName = "Nobody"
        ds.ContentSequence[0].TextValue = "discussed with Ortolan"

    rewrite(result, spoil)

    refused = refusal(original, result)
    assert refused.reason is Reason.IDENTIFIER_LEFT
    assert refused.detail.startswith("(0040,A730)/(0040,A160)")


def test_what_one_file_of_a_patient_knows_counts_in_the_others(tmp_path: Path) -> None:
    first, _ = pair(tmp_path / "1", OperatorsName="Whimbrel^Jon")
    second, result = pair(tmp_path / "2")
    rewrite(result, lambda ds: setattr(ds, "ImageComments", "by Whimbrel"))
    gate = Gate(Allowance(OPTIONS))

    gate.check(result, known=gate.known_of(second), original=second)
    gate.known_of(first)

    with pytest.raises(Rejected):
        gate.check(result, known=gate.known_of(second), original=second)


def test_folder_names_count(tmp_path: Path) -> None:
    original, result = pair(tmp_path)
    rewrite(result, lambda ds: setattr(ds, "ImageComments", "Kingfisher follow-up"))

    check(original, result)

    known = known_of(original, extra=["Kingfisher_Ada", "IM0001.dcm"])
    with pytest.raises(Rejected):
        check_release(result, known=known, allowance=Allowance(OPTIONS))


def test_references_of_a_batch_stay_together(tmp_path: Path) -> None:
    first, one = pair(tmp_path / "1", number=1)
    second, two = pair(tmp_path / "2", number=2)
    rewrite(two, lambda ds: setattr(ds, "StudyInstanceUID", "2.25.7"))
    gate = Gate(Allowance(OPTIONS))
    gate.check(one, known=gate.known_of(first), original=first)

    with pytest.raises(Rejected) as caught:
        gate.check(two, known=gate.known_of(second), original=second)

    assert caught.value.reason is Reason.VALUE_LOST


def test_a_refused_result_says_nothing_of_what_uids_became(tmp_path: Path) -> None:
    first, one = pair(tmp_path / "1", number=1)
    second, two = pair(tmp_path / "2", number=2)
    rewrite(
        one, lambda ds: ds.update({"StudyInstanceUID": "2.25.7", "ImageComments": "Tel 5551234"})
    )
    gate = Gate(Allowance(OPTIONS))
    with pytest.raises(Rejected) as caught:
        gate.check(one, known=gate.known_of(first), original=first)

    gate.check(two, known=gate.known_of(second), original=second)

    assert caught.value.reason is Reason.IDENTIFIER_LEFT


def test_what_uids_became_holds_though_a_refused_result_said_the_same(tmp_path: Path) -> None:
    pairs = [pair(tmp_path / str(number), number=number) for number in range(3)]
    rewrite(pairs[0][1], lambda ds: setattr(ds, "ImageComments", "Tel 5551234"))
    rewrite(pairs[2][1], lambda ds: setattr(ds, "StudyInstanceUID", "2.25.7"))
    gate = Gate(Allowance(OPTIONS))
    known = [gate.known_of(original) for original, _ in pairs]
    with pytest.raises(Rejected):
        gate.check(pairs[0][1], known=known[0], original=pairs[0][0])
    gate.check(pairs[1][1], known=known[1], original=pairs[1][0])

    with pytest.raises(Rejected) as caught:
        gate.check(pairs[2][1], known=known[2], original=pairs[2][0])

    assert caught.value.detail == "(0020,000D) reference broken"


def test_two_results_that_may_leave_do_not_share_a_uid(tmp_path: Path) -> None:
    first, one = pair(tmp_path / "1", number=1)
    second, two = pair(tmp_path / "2", number=2)
    theirs = dcmread(one).SOPInstanceUID
    rewrite(two, lambda ds: setattr(ds, "SOPInstanceUID", theirs))
    gate = Gate(Allowance(OPTIONS))
    gate.check(one, known=gate.known_of(first), original=first)

    with pytest.raises(Rejected) as caught:
        gate.check(two, known=gate.known_of(second), original=second)

    assert caught.value.detail == "(0008,0018) reference shared"


def test_what_went_from_one_file_is_compared_where_it_stands_in_another(tmp_path: Path) -> None:
    pairs = [
        pair(tmp_path / str(number), number=number, InstanceCreatorUID="1.2.826.0.1.77")
        for number in range(3)
    ]
    rewrite(pairs[1][1], lambda ds: delattr(ds, "InstanceCreatorUID"))
    rewrite(pairs[2][1], lambda ds: setattr(ds, "InstanceCreatorUID", "2.25.7"))
    gate = Gate(Allowance(OPTIONS))
    for original, result in pairs[:2]:
        gate.check(result, known=gate.known_of(original), original=original)
    original, result = pairs[2]

    with pytest.raises(Rejected) as caught:
        gate.check(result, known=gate.known_of(original), original=original)

    assert caught.value.detail == "(0008,0014) reference broken"


def test_a_number_that_one_creator_may_lose_another_may_not() -> None:
    comparison = Comparison(
        Profile(frozenset({"retain-safe-private"})), touched=frozenset(), pixels_changed=False
    )

    def lose(creator: bytes) -> None:
        b_value = [(key_of(0x00190010, "LO"), creator), (key_of(0x0019100C, "IS"), b"1000")]
        comparison.compare(Level(b_value), Level(), sop_class="")

    lose(b"EXAMPLE 1 ")

    with pytest.raises(Rejected) as caught:
        lose(b"SIEMENS MR HEADER ")

    assert caught.value.detail == "(0019,100C) private"


def test_what_one_sop_class_may_lose_another_may_not(tmp_path: Path) -> None:
    secondary, one = pair(tmp_path / "1", modality="OT", FrameOfReferenceUID="1.2.826.0.1.9")
    slices, two = pair(tmp_path / "2", modality="CT", FrameOfReferenceUID="1.2.826.0.1.9")
    for result in (one, two):
        rewrite(result, lambda ds: delattr(ds, "FrameOfReferenceUID"))
    gate = Gate(Allowance(OPTIONS))
    gate.check(one, known=gate.known_of(secondary), original=secondary)

    with pytest.raises(Rejected) as caught:
        gate.check(two, known=gate.known_of(slices), original=slices)

    assert caught.value.reason is Reason.IOD_BROKEN


def test_item_counts_are_compared(tmp_path: Path) -> None:
    original, result = pair(tmp_path, modality="US")
    rewrite(result, lambda ds: setattr(ds, "AnatomicRegionSequence", Sequence()))

    assert refusal(original, result).reason is Reason.VALUE_LOST


def test_what_a_site_rule_touches_is_not_compared(tmp_path: Path) -> None:
    original, result = pair(tmp_path)
    rewrite(result, lambda ds: setattr(ds, "SliceThickness", "1"))

    assert refusal(original, result).reason is Reason.VALUE_LOST
    check(original, result, touched=frozenset((0x00180050,)))


def test_kept_institution_may_stand(tmp_path: Path) -> None:
    original, result = pair(tmp_path)

    def keep(ds: Dataset) -> None:
        ds.InstitutionName = "Lapwing General Hospital"
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "113112", "DCM", "x"
        ds.DeidentificationMethodCodeSequence.append(item)

    rewrite(result, keep)

    check_release(result, known=known_of(original), original=original)


@pytest.mark.parametrize("where", ["folder", "link"])
def test_a_place_named_after_a_kept_institution_may_stand(tmp_path: Path, where: str) -> None:
    link = "https://pacs/LapwingGeneralHospital/wado" if where == "link" else ""
    original, result = pair(tmp_path, RetrieveURL=link)
    folders = ("Lapwing General Hospital",) if where == "folder" else ()

    def keep(ds: Dataset) -> None:
        ds.InstitutionName = "Lapwing General Hospital"
        ds.RetrieveURL = "REMOVED" if link else ""
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "113112", "DCM", "x"
        ds.DeidentificationMethodCodeSequence.append(item)

    rewrite(result, keep)

    check_release(result, known=known_of(original, extra=folders), original=original)


def test_known_shows_nothing(tmp_path: Path) -> None:
    original, _ = pair(tmp_path)

    shown = repr(known_of(original)) + repr(Gate().known_of(original))

    for value in ("sandpiper", "Sandpiper", "4427810", "2.25.", "20190314"):
        assert value not in shown


def test_result_in_a_character_set_that_the_standard_has_not_is_refused(tmp_path: Path) -> None:
    original, result = pair(tmp_path, SpecificCharacterSet="ISO_IR 192")
    content = result.read_bytes()
    assert b"ISO_IR " in content
    result.write_bytes(content.replace(b"ISO_IR ", b"ISO-IR "))

    refused = refusal(original, result)

    assert refused.reason is Reason.IOD_BROKEN
    assert refused.detail == "(0008,0005)"


def test_a_name_in_binary_numbers_is_found(tmp_path: Path) -> None:
    original, result = pair(tmp_path)
    rewrite(result, lambda ds: ds.add_new(0x0018605A, "FL", [0.0] * 4))
    content = result.read_bytes()
    place = content.index(b"\x18\x00\x5a\x60FL") + 8
    result.write_bytes(content[:place] + b"of Sandpiper, A." + content[place + 16 :])

    assert refusal(original, result).reason is Reason.IDENTIFIER_LEFT


@pytest.mark.parametrize("vr", ["IS", "DS"])
def test_the_day_of_birth_in_a_number_is_held(tmp_path: Path, vr: str) -> None:
    keyword = {"IS": "AcquisitionNumber", "DS": "TableHeight"}[vr]
    original, result = pair(tmp_path, PatientBirthDate="19390407", **{keyword: "19390407"})

    assert refusal(original, result).reason is Reason.NUMBER_HIT
