import pytest

from sendit.deid import Recipe
from sendit.errors import ConfigurationInvalid
from sendit.terms import Reason


def test_same_parts_have_the_same_digest() -> None:
    one = Recipe.resolve(options=["retain-uids", "clean-graphics"])
    other = Recipe.resolve(options=["clean-graphics", "retain-uids"])

    assert one == other
    assert one.digest == other.digest
    assert one.digest.startswith("sha256:")


@pytest.mark.parametrize(
    "parts",
    [
        {"preset": "research"},
        {"options": ()},
        {"pixels": "off", "pixels_off_reason": "checked"},
        {"releases": ["PHOTO"]},
    ],
)
def test_another_part_is_another_digest(parts: dict[str, object]) -> None:
    assert Recipe.resolve(**parts).digest != Recipe.resolve().digest  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"preset": "nice"}, "preset"),
        ({"options": ["retain-everything"]}, "retain-everything"),
        ({"options": ["clean-pixel-data"]}, "not available"),
        (
            {"options": ["retain-longitudinal-full-dates", "retain-longitudinal-modified-dates"]},
            "exclude each other",
        ),
        ({"preset": "research", "options": ["retain-longitudinal-full-dates"]}, "exclude"),
        ({"pixels": "off"}, "pixels_off_reason"),
        ({"pixels": "maybe"}, "pixels"),
        ({"releases": ["TRUNCATED"]}, "TRUNCATED"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(parts: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=words):
        Recipe.resolve(**parts)  # type: ignore[arg-type]


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        Recipe.resolve(preset="nice", options=["nonsense"], pixels="off")

    assert len(str(caught.value).splitlines()) == 3


def test_releasing_changes_nothing_else() -> None:
    recipe = Recipe.resolve(preset="research")

    released = recipe.releasing(Reason.PHOTO)

    assert released.releases == {Reason.PHOTO}
    assert (released.preset, released.options) == (recipe.preset, recipe.options)
    assert released.digest != recipe.digest
    assert released.releasing(Reason.PHOTO) == released


def test_pixel_policy_is_by_modality() -> None:
    recipe = Recipe.resolve(pixels={"US": "off", "*": "reject"}, pixels_off_reason="checked")

    assert recipe.pixel_policy("US") == "off"
    assert recipe.pixel_policy("CR") == "reject"
    assert Recipe.resolve().pixel_policy("CR") == ""
