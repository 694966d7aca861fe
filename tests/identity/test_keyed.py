import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sendit.identity import IdentityService
from sendit.identity.keyed import Keyed, KeyedOptions
from sendit.identity.registry import build
from tests.contracts.identity_services import IdentityContract, ask, make_context


class TestKeyed(IdentityContract):
    @pytest.fixture
    def service(self) -> IdentityService:
        return Keyed(KeyedOptions(), make_context())


def test_an_answer_never_changes_between_releases() -> None:
    identities = Keyed(KeyedOptions(), make_context()).identify(ask(("A-1", "1.2.1", "ACC1")))

    identity = identities.of("A-1", "1.2.1")

    assert identity.patient_pseudonym == "PJLWVLNLLZJGWVKC"
    assert identity.study_pseudonym == "SBTGCKPNDDJJPXKQ"
    assert identity.shift_days == -395


def test_projects_of_one_namespace_agree() -> None:
    one = build("keyed", {}, context=make_context(project="a"))
    other = build("keyed", {}, context=make_context(project="b"))

    request = ask(("A-1", "1.2.1", "ACC1"))

    assert one.identify(request) == other.identify(request)


def test_namespaces_share_nothing() -> None:
    request = ask(("A-1", "1.2.1", "ACC1"))
    one = build("keyed", {}, context=make_context(namespace="a")).identify(request)
    other = build("keyed", {}, context=make_context(namespace="b")).identify(request)

    mine, theirs = one.of("A-1", "1.2.1"), other.of("A-1", "1.2.1")

    assert mine.patient_pseudonym != theirs.patient_pseudonym
    assert mine.study_pseudonym != theirs.study_pseudonym
    assert one.uid_key != other.uid_key


def test_an_item_is_told_apart_by_its_patient() -> None:
    identities = build("keyed", {}, context=make_context()).identify(
        ask(("A-1", "1.2.1", "1"), ("B-2", "1.2.2", "1"))
    )

    assert (
        identities.of("A-1", "1.2.1").study_pseudonym
        != identities.of("B-2", "1.2.2").study_pseudonym
    )


@given(
    first=st.integers(-800, 800),
    width=st.integers(1, 400),
    whole_weeks=st.booleans(),
    patient_id=st.text(min_size=1),
)
def test_shifts_keep_to_what_is_allowed(
    first: int, width: int, whole_weeks: bool, patient_id: str
) -> None:
    try:
        options = KeyedOptions(shift_days=(first, first + width), whole_weeks=whole_weeks)
    except ValidationError:
        assert width < 14
        return

    answers = Keyed(options, make_context()).identify(ask((patient_id, "1.2", "x"))).answers

    for identity in answers.values():
        assert first <= identity.shift_days <= first + width
        assert identity.shift_days != 0
        assert not whole_weeks or identity.shift_days % 7 == 0


@pytest.mark.parametrize(
    "options",
    [
        {"shift_days": [0, 0]},
        {"shift_days": [5, 1]},
        {"shift_days": [1, 6], "whole_weeks": True},
        {"shift_days": [-1]},
        {"shift_days": ["a", "b"]},
        {"shift_days": [-(10**9), -1]},
        {"shift": 3},
    ],
    ids=["only 0", "backwards", "no whole week", "one number", "words", "ages", "unknown"],
)
def test_options_that_leave_no_shift_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        build("keyed", options, context=make_context())


def test_ten_thousand_patients_have_ten_thousand_names() -> None:
    request = ask(*((f"{number}", "1.2", "x") for number in range(10_000)))

    answers = Keyed(KeyedOptions(), make_context()).identify(request).answers

    assert len({identity.patient_pseudonym for identity in answers.values()}) == 10_000
    assert len({identity.study_pseudonym for identity in answers.values()}) == 10_000
    assert len({identity.shift_days for identity in answers.values()}) == 730
