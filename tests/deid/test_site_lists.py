"""Lists of values (``%values``) and lists of attributes: read, refused, and carried out."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from sendit.deid import Recipe, Report, read_site_rules
from sendit.deid.element_values import texts_of
from sendit.deid.explain import explain_tag
from sendit.deid.site_lists import pick_of
from sendit.deid.site_rules import Do, SiteRules
from sendit.deid.syntax import EXPLICIT_LITTLE
from sendit.errors import ConfigurationInvalid, Excluded
from tests.deid.engines import deidentified
from tests.support.make_study import make_instance, write_instance

COMMENTS, PATIENT_NAME = 0x00104000, 0x00100010
OURS = ("%values ours", "FIELD ProtocolName", "%header")
"""A list of what nobody else looks for: a protocol names no person."""


def rules_of(*lines: str) -> SiteRules:
    return read_site_rules("\n".join(("FORMAT dicom", *lines)), name="irb.deid")


def result_of(
    tmp_path: Path, ds: Dataset, *lines: str, syntax: str = ExplicitVRLittleEndian
) -> tuple[Dataset, Report]:
    recipe = Recipe.resolve(preset="research", site_rules=rules_of(*lines))
    source = write_instance(tmp_path / "in.dcm", ds, transfer_syntax_uid=syntax)
    return deidentified(source, tmp_path, recipe=recipe)


def picked(line: str, value: str) -> list[str]:
    return list(pick_of(line.split()).take(value))


@pytest.mark.parametrize(
    ("line", "value", "parts"),
    [
        ("FIELD PatientID", "999 999", ["999 999"]),
        ("FIELD PatientID", " ", []),
        ('SPLIT PatientName by="^";minlength=4', "SIMPSON^HOMER^J^", ["SIMPSON", "HOMER"]),
        ("SPLIT PatientName splitval='^';minlength='4'", "SIMPSON^HOMER^J", ["SIMPSON", "HOMER"]),
        ("SPLIT PatientName by=^", "SIMPSON^J", ["SIMPSON", "J"]),
        ('SPLIT PatientName by=";"', "A;B", ["A", "B"]),
        ("SPLIT PatientAddress", "1  Evergreen", ["1", "Evergreen"]),
        ("SPLIT PatientAddress minlength=2", "1 Evergreen", ["Evergreen"]),
    ],
)
def test_a_line_takes_a_value_or_its_parts(line: str, value: str, parts: list[str]) -> None:
    assert picked(line, value) == parts


def test_a_space_may_be_what_stands_between_and_a_comment_ends_the_line() -> None:
    rules = rules_of(
        "%values names", 'SPLIT PatientName by=" ";minlength=3 # the given name', "%header",
        "REMOVE values:names",
    )  # fmt: skip

    (one,) = rules.lists
    assert one.name == "names"
    assert [(pick.selector.tag, pick.by, pick.least) for pick in one.picks] == [
        (PATIENT_NAME, " ", 3)
    ]


@pytest.mark.parametrize(
    ("line", "by_attribute"),
    [
        ("REMOVE values:names", True),
        ("REMOVE ALL values:names", True),
        ("BLANK contains:Comments values:names", True),
        ("REPLACE values:names var:patient_pseudonym", True),
        ("REMOVE StudyDescription values:names", False),
        ("REMOVE fields:texts values:names", True),
    ],
)
def test_a_line_may_look_at_the_value(line: str, *, by_attribute: bool) -> None:
    rules = rules_of(
        "%header", line, "%fields texts", "FIELD PatientComments", "%values names",
        "FIELD PatientName",
    )  # fmt: skip

    found = rules.conditions_for((COMMENTS,), "LT")

    assert rules.action_for((COMMENTS,), "LT") is None
    assert [one.holding for one in found] == ["names"] * by_attribute
    assert rules.conditions_for((PATIENT_NAME,), "PN") == ()


def test_what_goes_before_decides_whatever_the_value() -> None:
    rules = rules_of(
        "%values names", "FIELD PatientName", "%header",
        "KEEP PatientComments", "REMOVE values:names",
    )  # fmt: skip

    wish = rules.action_for((COMMENTS,), "LT")

    assert rules.conditions_for((COMMENTS,), "LT") == ()
    assert wish is not None
    assert wish.do is Do.KEEP


@pytest.mark.parametrize(
    ("lines", "number", "problem"),
    [
        (("%values",), 2, "%values needs a name"),
        (("%values a", "SHUFFLE PatientName"), 3, 'lines FIELD and SPLIT, not "SHUFFLE"'),
        (("%values a", "SPLIT"), 3, "SPLIT needs an attribute"),
        (("%values a", "SPLIT Nowhere"), 3, 'no attribute "Nowhere"'),
        (("%values a", "FIELD PatientName by=^"), 3, "FIELD takes an attribute and nothing else"),
        (("%values a", "SPLIT PatientName length=4"), 3, 'SPLIT cannot do "length=4"'),
        (("%values a", "SPLIT PatientName minlength=0"), 3, 'cannot do "minlength=0"'),
        (("%values a", "SPLIT PatientName minlength=four"), 3, 'cannot do "minlength=four"'),
        (("%values a", "SPLIT PatientName by"), 3, 'SPLIT takes by="^";minlength=4'),
        (("%header", "REMOVE values:a"), 3, 'there is no list "%values a"'),
        (("%values b", "FIELD PatientName", "%header", "BLANK values:a"), 5, "there are: b"),
        (("%values a", "%header", "REMOVE values:a"), 4, 'the list "%values a" is empty'),
        (("%header", "REMOVE fields:a"), 3, 'there is no list "%fields a"'),
        (("%fields a", "%header", "REMOVE fields:a"), 4, 'the list "%fields a" is empty'),
        (("%fields a", "SPLIT PatientName"), 3, "lines FIELD and an attribute"),
    ],
)
def test_a_list_that_cannot_be_used_is_an_error_with_its_line(
    lines: tuple[str, ...], number: int, problem: str
) -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        rules_of(*lines)

    assert str(caught.value).startswith(f"irb.deid:{number}: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("KEEP values:a", "takes attributes, not values"),
        ("ADD values:a text", "takes attributes, not values"),
        ("REPLACE PatientComments values:a", "a list says what is looked for"),
        ("REPLACE PatientComments fields:a", "a list says what is looked for"),
        ("REMOVE values:a text", "takes no value"),
        ("REPLACE values:a", "needs a value"),
    ],
)
def test_a_list_in_the_wrong_place_is_an_error(line: str, problem: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=f"irb.deid:5: .*{problem}"):
        rules_of("%values a", "FIELD PatientName", "%header", line)


def test_lists_are_part_of_the_digest_and_others_have_the_one_they_had() -> None:
    def digest(*lines: str) -> str:
        return rules_of(*lines).digest_text()

    plain = digest("%header", "REMOVE PatientComments")
    one = digest("%header", "REMOVE values:a", "%values a", "FIELD PatientID")
    other = digest("%header", "REMOVE values:a", "%values a", "SPLIT PatientID")

    assert "lists" not in plain
    assert digest("%values a", "FIELD PatientID", "%header", "REMOVE PatientComments") == plain
    assert one != other


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_every_element_that_contains_a_listed_value_goes(tmp_path: Path, syntax: str) -> None:
    ds = make_instance(
        ProtocolName="Kestrel", SeriesDescription="a KESTREL knee", PatientComments="a knee"
    )

    after, report = result_of(tmp_path, ds, *OURS, "REMOVE values:ours", syntax=syntax)

    assert "SeriesDescription" not in after
    assert "ProtocolName" not in after
    assert after.PatientComments == "a knee"
    assert report.rules["site:irb.deid:5"] == 2


def test_a_value_is_found_at_every_depth_and_taken_from_what_goes(tmp_path: Path) -> None:
    step, request = Dataset(), Dataset()
    step.ScheduledProcedureStepDescription = "Kestrel"
    request.RequestedProcedureDescription = "Kestrel phantom"
    ds = make_instance()
    ds.RequestAttributesSequence = [request]
    ds.add_new(0x00330010, "LO", "ACME 1.0")
    ds.add_new(0x00331001, "SQ", [step])

    after, _ = result_of(
        tmp_path, ds,
        "%values ours", "FIELD ScheduledProcedureStepDescription", "%header", "BLANK values:ours",
    )  # fmt: skip

    (item,) = after.RequestAttributesSequence
    assert item.RequestedProcedureDescription != "Kestrel phantom"


def test_a_listed_value_is_replaced_where_the_replacement_can_stand(tmp_path: Path) -> None:
    ds = make_instance(
        ProtocolName="4711", SeriesDescription="was 4711", StationName="S4711", SeriesNumber="4711"
    )

    after, _ = result_of(tmp_path, ds, *OURS, "REPLACE values:ours var:study_pseudonym")

    assert after.SeriesDescription == "S1"
    assert after.ProtocolName == "S1"
    assert after.StationName == "S1"
    assert after.SeriesNumber is None  # a number cannot be a name, and the value does not stay


def test_lists_are_made_for_each_instance_anew(tmp_path: Path) -> None:
    texts = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        ds = make_instance(ProtocolName=f"Kestrel{number}", SeriesDescription="Kestrel1 knee")
        texts.append(result_of(folder, ds, *OURS, "BLANK SeriesDescription values:ours")[0])

    assert [after.SeriesDescription for after in texts] == ["", "Kestrel1 knee"]


def test_what_the_engine_writes_is_not_a_list_to_take_away(tmp_path: Path) -> None:
    ds = make_instance(ProtocolName="MR")

    after, _ = result_of(tmp_path, ds, *OURS, "REMOVE values:ours")

    assert after.PatientID == "P1"
    assert after.SOPClassUID == ds.SOPClassUID
    assert after.Rows == ds.Rows


def test_required_values_become_dummies_not_gaps(tmp_path: Path) -> None:
    ds = make_instance(modality="MR", ProtocolName="MR")

    after, _ = result_of(tmp_path, ds, *OURS, "REMOVE values:ours")

    assert after.Modality


def test_a_safe_private_value_that_contains_a_listed_one_goes(tmp_path: Path) -> None:
    ds = make_instance(modality="MR", ProtocolName="1000")
    ds.add_new(0x00330010, "LO", "ACME 1.0")
    ds.add_new(0x0033101E, "IS", "1000")
    ds.add_new(0x0033101F, "IS", "2000")

    after, _ = result_of(
        tmp_path, ds, *OURS,
        "REMOVE values:ours", 'KEEP (0033,"ACME 1.0",1E)', 'KEEP (0033,"ACME 1.0",1F)',
    )  # fmt: skip

    assert [elem.tag for elem in after if elem.tag.is_private] == [0x00330010, 0x0033101F]


def test_a_regular_expression_in_a_value_is_plain_text(tmp_path: Path) -> None:
    ds = make_instance(ProtocolName="k.*e(", SeriesDescription="knee (left)")

    after, _ = result_of(tmp_path, ds, *OURS, "REMOVE values:ours")

    assert after.SeriesDescription == "knee (left)"


def test_a_filter_reads_numbers_of_implicit_vr(tmp_path: Path) -> None:
    ds = make_instance()
    lines = ("%filter blacklist", "LABEL as large", f"equals Rows {ds.Rows}")

    with pytest.raises(Excluded, match="LISTED"):
        result_of(tmp_path, ds, *lines, syntax=ImplicitVRLittleEndian)


def test_a_safe_private_number_that_is_listed_may_go(tmp_path: Path) -> None:
    ds = make_instance(modality="MR", ProtocolName="1000")
    ds.add_new(0x00190010, "LO", "SIEMENS MR HEADER")
    ds.add_new(0x0019100C, "IS", "1000")

    after, _ = result_of(tmp_path, ds, *OURS, "REMOVE values:ours")

    assert not [elem.tag for elem in after if elem.tag.is_private]


def test_rules_that_look_at_values_do_not_let_anything_else_stay() -> None:
    rules = rules_of(
        "%values a", "FIELD PatientID", "%header", "REMOVE values:a", "KEEP SeriesDate"
    )

    assert rules.touched == {0x00080021}
    assert COMMENTS in (rules.touched_by_value or ())
    assert rules_of("%header", "REMOVE StudyID").touched_by_value is None


def test_listed_values_are_read_in_their_character_set(tmp_path: Path) -> None:
    ds = make_instance(
        SpecificCharacterSet="ISO_IR 192",
        ProtocolName="Weißstorch",
        SeriesDescription="WEISSSTORCH knee",
        StudyDescription="ein weißstorch",
    )

    after, _ = result_of(tmp_path, ds, *OURS, "REMOVE values:ours")

    assert "StudyDescription" not in after
    assert after.SeriesDescription == "WEISSSTORCH knee"


def test_each_component_group_of_a_name_is_a_value() -> None:
    syntax = EXPLICIT_LITTLE

    found = texts_of("Shigi^Tenri=鷸^天理".encode(), b"PN", syntax, b"ISO_IR 192")

    assert found == ["Shigi^Tenri=鷸^天理", "Shigi^Tenri", "鷸^天理"]


def test_numbers_are_compared_as_they_are_printed() -> None:
    assert texts_of(b"\x15\xcd\x5b\x07", b"UL", EXPLICIT_LITTLE, b"") == ["123456789"]
    assert texts_of(b"\0\0\0\0\0\0\xf8\x3f", b"FD", EXPLICIT_LITTLE, b"") == ["1.5"]
    assert texts_of(b"\1\0\2\0\3", b"US", EXPLICIT_LITTLE, b"") == ["1", "2"]


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        (
            COMMENTS,
            ['REMOVE by a rule of the site (irb.deid:5) where it contains a value of "ours"'],
        ),
        (0x0008103E, ["REPLACE (text: knee) by a rule of the site (irb.deid:6), before what"]),
        (PATIENT_NAME, []),
    ],
)
def test_what_is_explained_names_the_rules_of_the_site(tag: int, said: list[str]) -> None:
    rules = rules_of(*OURS, "REMOVE values:ours", "REPLACE SeriesDescription knee")

    told = explain_tag(Recipe.resolve(site_rules=rules), tag)

    for words in said:
        assert words in told
    assert told.count("by a rule of the site") == len(said)
