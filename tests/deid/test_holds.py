from pathlib import Path

import pytest

from sendit.deid import Engine, Recipe
from sendit.deid.holds import Traits, hold
from sendit.errors import Held, Rejected
from sendit.terms import Reason
from tests.deid.engines import deidentified, identities_for
from tests.support.make_study import make_instance, make_study, write_instance

OFF = Recipe.resolve(pixels="off", pixels_off_reason="read by hand")


def traits(**changes: object) -> Traits:
    values = {
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
        "modality": "CT",
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "image_type": ("ORIGINAL", "PRIMARY", "AXIAL"),
        "burned_in": "",
        "has_pixels": True,
        "known_class": True,
    }
    return Traits(**{**values, **changes})  # type: ignore[arg-type]


CASES = [
    ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.77.1.4"}, Reason.PHOTO),
    ({"modality": "XC"}, Reason.PHOTO),
    ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.77.1.1.1"}, Reason.VIDEO),
    ({"transfer_syntax_uid": "1.2.840.10008.1.2.4.102"}, Reason.VIDEO),
    ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.9.4.1"}, Reason.VIDEO),
    ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.104.1"}, Reason.DOCUMENT),
    ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.66"}, Reason.RAW_DATA),
    ({"known_class": False}, Reason.UNKNOWN_SOP_CLASS),
    (
        {
            "sop_class_uid": "1.2.840.10008.5.1.4.1.1.77.1.6",
            "image_type": ("ORIGINAL", "PRIMARY", "LABEL", "NONE"),
        },
        Reason.SLIDE_LABEL,
    ),
    ({"sop_class_uid": "1.2.840.10008.5.1.4.1.1.6.1", "modality": "US"}, Reason.PIXELS_UNREAD),
    ({"modality": "OT"}, Reason.PIXELS_UNREAD),
    ({"burned_in": "YES"}, Reason.PIXELS_UNREAD),
    ({"image_type": ("DERIVED", "PRIMARY")}, Reason.PIXELS_UNREAD),
    ({"image_type": ("ORIGINAL", "SECONDARY")}, Reason.PIXELS_UNREAD),
]


@pytest.mark.parametrize(("changes", "reason"), CASES)
def test_what_may_show_somebody_is_held_until_released(
    changes: dict[str, object], reason: Reason
) -> None:
    with pytest.raises(Held) as caught:
        hold(traits(**changes), Recipe.resolve())

    assert caught.value.reason == reason
    hold(traits(**changes), Recipe.resolve(releases=[reason]))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"image_type": ()},
        {"burned_in": "NO"},
        {"sop_class_uid": "1.2.840.10008.5.1.4.1.1.66.4", "image_type": ("DERIVED", "PRIMARY")},
        {"image_type": ("DERIVED", "SECONDARY"), "has_pixels": False},
    ],
)
def test_plain_image_is_not_held(changes: dict[str, object]) -> None:
    hold(traits(**changes), Recipe.resolve())


def test_pixels_off_releases_text_in_pictures_and_nothing_else() -> None:
    hold(traits(modality="US"), OFF)
    hold(traits(modality="US"), Recipe.resolve(pixels={"US": "off"}, pixels_off_reason="checked"))
    with pytest.raises(Held):
        hold(traits(modality="XC"), OFF)
    with pytest.raises(Held):
        hold(traits(modality="CR"), Recipe.resolve(pixels={"US": "off"}, pixels_off_reason="x"))


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
@pytest.mark.parametrize(
    "changes", [{"ImageType": ["derived", "primary"]}, {"Modality": "ot"}], ids=["type", "modality"]
)
def test_terms_in_small_letters_hold_like_others(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    source = write_instance(tmp_path / "in.dcm", make_instance(**changes))

    with pytest.raises(Held) as caught:
        deidentified(source, tmp_path / "out")

    assert caught.value.reason is Reason.PIXELS_UNREAD


def test_held_image_leaves_no_file(tmp_path: Path) -> None:
    [source] = make_study(tmp_path / "in", n_series=1, n_images=1, modality="US")
    (tmp_path / "out").mkdir()

    with pytest.raises(Held, match="PIXELS_UNREAD"):
        Engine(Recipe.resolve(), identities_for(source)).deidentify_into(source, tmp_path / "out")

    assert list((tmp_path / "out").rglob("*")) == []


def test_ultrasound_goes_on_when_the_project_says_so(tmp_path: Path) -> None:
    [source] = make_study(tmp_path / "in", n_series=1, n_images=1, modality="US")

    after, _ = deidentified(source, tmp_path, recipe=OFF)

    assert after.Modality == "US"


def test_identifier_in_a_number_is_held_until_released(tmp_path: Path) -> None:
    [source] = make_study(
        tmp_path / "in", n_series=1, n_images=1, PatientID="77310425", SeriesNumber="77310425"
    )
    recipe = Recipe.resolve()
    target = tmp_path / "out.dcm"

    with pytest.raises(Held, match="NUMBER_HIT"):
        Engine(recipe, identities_for(source)).deidentify_to(source, target)

    released = recipe.releasing(Reason.NUMBER_HIT)
    Engine(released, identities_for(source)).deidentify_to(source, target)
    assert target.exists()


@pytest.mark.parametrize("number", range(1, 6), ids=["pdf", "cda", "stl", "obj", "mtl"])
def test_document_that_a_person_releases_keeps_its_body(tmp_path: Path, number: int) -> None:
    body = b"%PDF-1.7 nothing of anybody"
    [source] = make_study(
        tmp_path / "in",
        n_series=1,
        n_images=1,
        modality="DOC",
        SOPClassUID=f"1.2.840.10008.5.1.4.1.1.104.{number}",
        DocumentTitle="Report of Sandpiper^Amalia",
        EncapsulatedDocument=body + b"\0",
    )

    after, report = deidentified(
        source, tmp_path, recipe=Recipe.resolve().releasing(Reason.DOCUMENT)
    )

    assert after.EncapsulatedDocument == body + b"\0"
    assert report.elements["(0042,0011)", "K", "released"] == 1
    assert "Sandpiper" not in str(after)


def test_released_document_that_names_the_patient_stays_here(tmp_path: Path) -> None:
    [source] = make_study(
        tmp_path / "in",
        n_series=1,
        n_images=1,
        modality="DOC",
        EncapsulatedDocument=b"%PDF-1.7 (Sandpiper^Amalia) ",
    )

    with pytest.raises(Rejected, match=r"\(0042,0011\) known-identifier"):
        deidentified(source, tmp_path, recipe=Recipe.resolve().releasing(Reason.DOCUMENT))


def test_document_in_another_kind_of_object_is_no_document(tmp_path: Path) -> None:
    [source] = make_study(
        tmp_path / "in", n_series=1, n_images=1, EncapsulatedDocument=b"%PDF-1.7 smuggled "
    )

    after, _ = deidentified(source, tmp_path, recipe=Recipe.resolve().releasing(Reason.DOCUMENT))

    assert b"smuggled" not in after.get("EncapsulatedDocument", b"")
