"""Site rules: what is read, what is refused, what it chooses."""

import re
from pathlib import Path

import pytest

from sendit.deid.private import SafeElement
from sendit.deid.site_fields import Attribute, selector_of, tag_of
from sendit.deid.site_file import read_site_rules
from sendit.deid.site_filters import Area, Shade, judge
from sendit.deid.site_rules import Do, From, SiteRules, Value
from sendit.errors import ConfigurationInvalid

PATIENT_NAME, COMMENTS, STUDY_DATE, MODALITY = 0x00100010, 0x00104000, 0x00080020, 0x00080060
IMAGE_TYPE, MODEL = 0x00080008, 0x00081090
REQUEST = 0x00400275


def deid(*lines: str) -> SiteRules:
    return read_site_rules("\n".join(("FORMAT dicom", *lines)), name="irb.deid")


def header(*lines: str) -> SiteRules:
    return deid("%header", *lines)


def toml(text: str) -> SiteRules:
    return read_site_rules(text, name="irb.toml")


def problems_of(text: str, name: str = "irb.deid") -> list[str]:
    with pytest.raises(ConfigurationInvalid) as caught:
        read_site_rules(text, name=name)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("written", "chosen", "passed"),
    [
        ("PatientComments", [COMMENTS], [PATIENT_NAME]),
        ("patient comments", [COMMENTS], [PATIENT_NAME]),
        ("(0010,4000)", [COMMENTS], [PATIENT_NAME]),
        ("00104000", [COMMENTS], [PATIENT_NAME]),
        ("0x00104000", [COMMENTS], [PATIENT_NAME]),
        ("contains:patient", [COMMENTS, PATIENT_NAME], [STUDY_DATE]),
        ("contains:Patient|Study", [COMMENTS, STUDY_DATE], [MODALITY]),
        ("startswith:Study", [STUDY_DATE], [0x0040A121, COMMENTS]),
        ("endswith:Date", [STUDY_DATE], [MODALITY]),
        ("contains:^00104", [COMMENTS], [PATIENT_NAME]),
        ("except:Patient", [STUDY_DATE], [COMMENTS]),
        ("select:VR:DA", [STUDY_DATE], [COMMENTS]),
        ("select:GROUP:0010", [COMMENTS], [STUDY_DATE]),
        ("ALL", [COMMENTS, STUDY_DATE], []),
        ("allfields", [COMMENTS], []),
    ],
)
def test_attributes_are_chosen(written: str, chosen: list[int], passed: list[int]) -> None:
    selector = selector_of(written)
    vrs = {STUDY_DATE: "DA", 0x0040A121: "DA"}

    for tag in chosen:
        assert selector.chooses(Attribute((tag,), vrs.get(tag, "LO")))
    for tag in passed:
        assert not selector.chooses(Attribute((tag,), vrs.get(tag, "LO")))


def test_a_path_is_chosen_at_its_place_and_a_keyword_at_any_depth() -> None:
    nested = Attribute((REQUEST, COMMENTS), "LT")

    assert selector_of("PatientComments").chooses(nested)
    assert selector_of("RequestAttributesSequence__PatientComments").chooses(nested)
    assert not selector_of("RequestAttributesSequence__PatientComments").chooses(
        Attribute((COMMENTS,), "LT")
    )


@pytest.mark.parametrize("written", ['(0033,"ACME: X 1",1E)', '0033,"acme: x 1",1e'])
def test_a_private_element_is_chosen_by_its_creator(written: str) -> None:
    selector = selector_of(written)

    assert selector.chooses(Attribute((0x0033101E,), "LO", "ACME: X 1"))
    assert selector.chooses(Attribute((0x0033111E,), "LO", "ACME: X 1"))
    assert not selector.chooses(Attribute((0x0033101E,), "LO", "OTHER"))


def test_actions_go_in_the_order_of_the_format_not_of_the_lines() -> None:
    rules = header(
        "REMOVE contains:Comments",
        "BLANK PatientComments",
        "KEEP PatientComments",
        "REPLACE AcquisitionComments one",
        "REPLACE AcquisitionComments two  # the later one counts",
    )

    kept = rules.action_for((COMMENTS,), "LT")
    replaced = rules.action_for((0x00184000,), "LT")
    removed = rules.action_for((0x00204000,), "LT")

    assert kept is not None
    assert kept.do is Do.KEEP
    assert kept.rule == "site:irb.deid:5"
    assert replaced is not None
    assert replaced.value == Value(From.TEXT, "two")
    assert removed is not None
    assert removed.do is Do.REMOVE


def test_a_site_says_nothing_about_most() -> None:
    assert header("REMOVE PatientComments").action_for((STUDY_DATE,), "DA") is None


@pytest.mark.parametrize("tag", [PATIENT_NAME, 0x0020000D, 0x00080016, 0x00280010, 0x7FE00010])
def test_a_pattern_never_reaches_what_the_engine_writes(tag: int) -> None:
    assert header("REMOVE ALL").action_for((tag,), "LO") is None
    assert tag not in header("REMOVE ALL").touched


def test_values_are_texts_variables_or_registered_functions() -> None:
    rules = header(
        "ADD ClinicalTrialProtocolID IRB 41449",
        "REPLACE PatientComments var:study_pseudonym",
        "REPLACE StudyDate var:item_timestamp",
        "REPLACE IrradiationEventUID func:generate_uid",
        "JITTER endswith:Date var:jitter",
        "JITTER AcquisitionDate -31",
    )

    values = {
        tag: rules.action_for((tag,), "DA").value  # type: ignore[union-attr]
        for tag in (COMMENTS, STUDY_DATE, 0x00083010, 0x00080021, 0x00080022)
    }
    assert values[COMMENTS] == Value(From.VARIABLE, "study_pseudonym")
    assert values[STUDY_DATE] == Value(From.FUNCTION, "shift")
    assert values[0x00083010] == Value(From.FUNCTION, "uid")
    assert values[0x00080021] == Value(From.VARIABLE, "shift_days")
    assert values[0x00080022] == Value(From.DAYS, "-31")
    assert [tag for tag, _ in rules.additions] == [0x00120020]


def test_what_happens_anyway_is_noted_not_refused() -> None:
    rules = header(
        "ADD PatientIdentityRemoved YES",
        "REMOVE PatientID",
        "ADD PatientID var:entity_id",
        "REPLACE StudyInstanceUID func:generate_uid",
        "REMOVE jitter",
    )

    assert not rules.rules
    assert [note.split(":")[1] for note in rules.notes] == ["3", "4", "5", "6", "7"]


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        *(("ReferringPhysiciansName", 0x00080090), ("PatientsSex", 0x00100040)),
        *(("OverlayDescription", 0x60000022), ("Patient's Weight", 0x00101030)),
        *(("Manfacturer", 0x00080070), ("Manufacture", 0x00080070)),
    ],
)
def test_names_of_older_recipes_are_understood(written: str, tag: int) -> None:
    assert tag_of(written) == tag


def test_lists_of_attributes_are_used_by_name() -> None:
    rules = deid(
        "%fields dates", "FIELD endswith:Date", "FIELD PatientComments", "%header",
        "REMOVE fields:dates",
    )  # fmt: skip

    assert rules.action_for((COMMENTS,), "LT") is not None
    assert rules.action_for((STUDY_DATE,), "DA") is not None


def test_labels_tell_about_the_file_and_release() -> None:
    rules = deid("%labels", "ADD AUTHOR somebody", "ADD RELEASE OPAQUE_PRIVATE")

    assert ("AUTHOR", "somebody") in rules.labels
    assert rules.releases == ("OPAQUE_PRIVATE",)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("REMOVE PatientNam", 'no attribute "PatientNam"; did you mean "PatientName"?'),
        ("SHUFFLE PatientComments", 'no action "SHUFFLE"'),
        ("REMOVE", "needs an attribute"),
        ("REPLACE PatientComments", "needs a value"),
        ("REPLACE PatientComments var:mrn", 'no "var:mrn"'),
        ("REPLACE PatientComments func:os.system", 'no "func:os.system"'),
        ("REMOVE ALL func:is_private", "takes no value"),
        ("REPLACE PatientName John", "not a site's to change"),
        ("KEEP StudyInstanceUID", "not a site's to change"),
        ("REPLACE Rows 3", "not a site's to change"),
        ("KEEP InstitutionName", "identifies"),
        ("KEEP ReferringPhysicianName", "identifies"),
        ("ADD PatientBirthDate var:item_timestamp", "date of birth"),
        ("ADD PatientBirthDate var:entity_timestamp", "date of birth"),
        ("JITTER PatientBirthDate var:jitter", "date of birth"),
        ("KEEP PatientBirthDate", "date of birth"),
        ("REPLACE SliceThickness thin", "fits into DS"),
        ("REPLACE StudyDate someday", "fits into DA"),
        ("JITTER PatientComments 3", "moves dates"),
        ("JITTER StudyDate 0", "0 days"),
        ("JITTER StudyDate soon", "number of days"),
        ("REPLACE Manufacturer func:uid", "makes a UID"),
        ("REPLACE ConceptNameCodeSequence x", "cannot be given as text"),
        ("REPLACE SeriesNumber much-too-long", "at most 12"),
        ("REPLACE contains:( x", "no regular expression"),
        ("REMOVE looks:Date", 'no expander "looks:"'),
        ("REMOVE select:VR:XX", '"select:" takes'),
        ("REMOVE fields:gone", 'no list "%fields gone"'),
        ("ADD contains:Date 20200101", "ADD takes one public attribute"),
        ("ADD (0011,0010) x", "ADD takes one public attribute"),
        ("ADD 00189999 x", "ADD takes one public attribute"),
        ("REMOVE SOPClassUID", "not a site's to change"),
        ("ADD TableSpeed var:patient_pseudonym", "takes a value that fits into FD"),
        ("REPLACE SelectorUSValue 70000", "takes a value that fits into US"),
        ("REPLACE SelectorUSValue var:shift_days", "takes a value that fits into US"),
    ],
)
def test_what_cannot_be_carried_out_is_an_error_with_its_line(line: str, problem: str) -> None:
    (said,) = problems_of(f"FORMAT dicom\n%header\n{line}\n")

    assert said.startswith("irb.deid:3: ")
    assert problem in said


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("%header\nREMOVE PatientComments", 1, '"FORMAT dicom" is missing'),
        ("FORMAT nifti", 1, 'format "nifti" is not supported'),
        ("FORMAT dicom\nREMOVE PatientComments", 2, "stands in no section"),
        ("FORMAT dicom\n%pixels", 2, 'no section "%pixels"'),
        ("FORMAT dicom\n%filter", 2, "needs a name"),
        ("FORMAT dicom\n%filter x\ncontains Modality CT", 3, "under a LABEL"),
        ("FORMAT dicom\n%filter x\nLABEL y\nlike Modality CT", 4, 'no criterion "like"'),
        ("FORMAT dicom\n%filter x\nLABEL y\ncontains Modality", 4, "a value"),
        ("FORMAT dicom\n%filter x\nLABEL y\nmissing Manufactur", 4, '"Manufacturer"?'),
        ("FORMAT dicom\n%filter x\nLABEL y\ncoordinates 1,2,3", 4, "four numbers"),
        ("FORMAT dicom\n%filter x\nLABEL y\ncoordinates 5,5,1,9", 4, "empty"),
        ("FORMAT dicom\n%filter x\nLABEL y\ncoordinates all", 4, "nothing here blanks pixels"),
    ],
)
def test_a_file_that_is_not_the_format_is_refused(text: str, line: int, problem: str) -> None:
    said = problems_of(text)

    assert any(one.startswith(f"irb.deid:{line}: ") and problem in one for one in said)


def test_all_problems_are_told_at_once() -> None:
    said = problems_of("FORMAT dicom\n%header\nREMOVE A\n\nREMOVE B # no\nKEEP PatientComments")

    assert [one.split(":")[1] for one in said] == ["3", "5"]


def test_problems_of_a_toml_file_are_told_in_the_order_of_its_lines() -> None:
    rules = "\n".join(f"[[rule]]\nattribute = 'X{at}'\ndo = 'remove'\n" for at in range(6))

    with pytest.raises(ConfigurationInvalid) as invalid:
        read_site_rules(f"[[filter]]\nlist = 'pink'\n{rules}", name="irb.toml")

    lines = [int(line.split(":")[1]) for line in str(invalid.value).splitlines()]
    assert len(lines) == 7
    assert lines == sorted(lines)


FILTERS = """FORMAT dicom
%filter whitelist
LABEL clean # (somebody)
  contains BurnedInAnnotation No
%filter graylist
LABEL dose report
  contains ManufacturerModelName LightSpeed|Optima
  + contains Modality CT
  + contains ImageType SCREEN SAVE || contains SeriesDescription Dose
  coordinates 0,0,512,121
  ctpkeepcoordinates 10,20,5,5
%filter blacklist
LABEL derived
  missing ImageType || empty ImageType
"""


def judged(values: dict[int, list[str]]) -> str | None:
    label = judge(read_site_rules(FILTERS, name="x.deid").filters, values.get)
    return None if label is None else label.name


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({0x00280301: ["NO"]}, "clean"),
        ({IMAGE_TYPE: ["X"], MODEL: ["Optima CT660"], MODALITY: ["CT"], 0x0008103E: ["dose"]},
         "dose report"),
        ({IMAGE_TYPE: ["SCREEN SAVE"], MODEL: ["LightSpeed"], MODALITY: ["CT"]}, "dose report"),
        ({IMAGE_TYPE: ["SCREEN SAVE"], MODEL: ["LightSpeed"], MODALITY: ["MR"]}, None),
        ({}, "derived"),
        ({IMAGE_TYPE: [""]}, "derived"),
        ({IMAGE_TYPE: ["ORIGINAL", "PRIMARY"]}, None),
    ],
)  # fmt: skip
def test_the_first_label_that_fits_judges(values: dict[int, list[str]], name: str | None) -> None:
    assert judged(values) == name


def test_filters_keep_their_shade_place_and_rectangles() -> None:
    white, gray, black = read_site_rules(FILTERS, name="x.deid").filters

    assert (white.shade, gray.shade, black.shade) == (Shade.WHITE, Shade.GRAY, Shade.BLACK)
    assert gray.source == "x.deid:6"
    assert gray.areas == (Area(0, 0, 512, 121), Area(10, 20, 15, 25, keeps=True))


TOML = """
release = ["OPAQUE_PRIVATE"]

[[rule]]
attribute = "PatientComments"
do = "remove"

[[rule]]
attribute = "contains:Comments"
do = "keep"

[[rule]]
attribute = "ClinicalTrialProtocolID"
do = "add"
value = "IRB 41449"

[[filter]]
list = "black"
name = "dose"
when = "contains ImageType SECONDARY + equals Modality CT"
blank = [[0, 0, 512, 110]]

[[private]]
group = "0033"
creator = "ACME 1.0"
element = "07"
vr = "FL"
"""


def test_toml_says_the_same_with_the_first_rule_first() -> None:
    rules = toml(TOML)

    removed = rules.action_for((COMMENTS,), "LT")
    kept = rules.action_for((0x00184000,), "LT")
    assert removed is not None
    assert removed.do is Do.REMOVE
    assert removed.rule == "site:irb.toml:4"
    assert kept is not None
    assert kept.do is Do.KEEP
    assert rules.filters[0].areas == (Area(0, 0, 512, 110),)
    assert rules.private == (SafeElement(0x0033, "ACME 1.0", 0x07, "FL", "irb.toml:23"),)
    assert rules.releases == ("OPAQUE_PRIVATE",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[rule]]\nattribute = 'X'\ndo = 'remove'", 'irb.toml:1: there is no attribute "X"'),
        ("\n[[rule]]\nattribute = 'Modality'\n", 'irb.toml:2: "do" is missing'),
        ("[[rule]]\nattribute = 'Modality'\ndo = 'eat'", 'do: there is no "eat"'),
        ("[[rule]]\nattribute = 'Modality'\ndo = 'keep'\nnow = 1", 'there is no key "now"'),
        ("[[rules]]\n", 'irb.toml:1: there is no "rules"'),
        ("rule = 3", "a list of tables"),
        ("[[rule]", "irb.toml: "),
        ("[[filter]]\nlist = 'red'\nname = 'x'", 'list: there is no "red"'),
        ("[[filter]]\nlist = 'gray'\nname = 'x'", "needs when, blank or both"),
        ("[[private]]\ngroup='0032'\ncreator='A'\nelement='07'\nvr='FL'", "a private group is odd"),
        ("release = 3", "release has to be"),
    ],
)
def test_toml_that_cannot_be_carried_out_is_refused(text: str, problem: str) -> None:
    assert any(problem in one for one in problems_of(text, "irb.toml"))


def test_the_digest_text_tells_rules_apart_and_not_notes() -> None:
    one = header("REMOVE PatientComments")
    same = header("REMOVE PatientComments", "REMOVE PatientID")
    other = header("BLANK PatientComments")

    assert one.digest_text() == same.digest_text()
    assert one.digest_text() != other.digest_text()


def test_touched_tells_every_attribute_that_a_rule_reaches() -> None:
    touched = header("REMOVE contains:Comments", "ADD ClinicalTrialProtocolID X").touched

    assert {COMMENTS, 0x00204000, 0x00120020} <= touched
    assert MODALITY not in touched


def test_the_examples_of_the_documentation_can_be_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "site-rules.md").read_text("utf-8")
    blocks = re.findall(r"```(\w*)\n(.*?)```", page, re.DOTALL)

    read = [
        read_site_rules(text, name=f"example.{language or 'deid'}") for language, text in blocks
    ]

    assert [len(rules.filters) for rules in read] == [1, 2]
    assert all(rules.private and rules.releases for rules in read)
