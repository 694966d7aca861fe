import pytest

from sendit.errors import IdentityError
from sendit.identity import IdentityRequest, complete_request
from tests.contracts.identity_services import ask


def _complete(request: IdentityRequest, on_missing: str = "stop") -> IdentityRequest:
    return complete_request(
        request,
        entity_field="PatientID",
        item_field="AccessionNumber",
        on_missing="derive" if on_missing == "derive" else "stop",
    )


def test_a_whole_request_stays_as_it_is() -> None:
    request = ask(("A-1", "1.2.1", "ACC1"))

    assert _complete(request) == request


def test_a_missing_item_stops_the_batch_and_says_how_many() -> None:
    request = ask(("A-1", "1.2.1", "ACC1"), ("A-1", "1.2.2", ""), ("B-2", "1.2.3", "  "))

    with pytest.raises(IdentityError, match=r"2 studies are without AccessionNumber.*on_missing"):
        _complete(request)


def test_a_missing_item_is_derived_when_the_project_says_so() -> None:
    request = ask(("A-1", "1.2.1", "ACC1"), ("A-1", "1.2.2", ""))

    completed = _complete(request, "derive")

    assert [study.item for study in completed.patients[0].studies] == ["ACC1", "1.2.2"]


@pytest.mark.parametrize("on_missing", ["stop", "derive"])
def test_a_missing_patient_always_stops_the_batch(on_missing: str) -> None:
    request = ask((" ", "1.2.1", "ACC1"))

    with pytest.raises(IdentityError, match="1 study is without PatientID") as refusal:
        _complete(request, on_missing)

    assert not refusal.value.retryable
    assert "ACC1" not in str(refusal.value)
    assert "1.2.1" not in str(refusal.value)
