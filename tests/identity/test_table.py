from pathlib import Path

import pytest

from sendit.deid.identities import Identities
from sendit.errors import IdentityError, IdentityUnavailable
from sendit.identity import IdentityService
from sendit.identity.registry import build
from tests.contracts.identity_services import IdentityContract, ask, make_context

HEADER = "patient_id,patient_pseudonym,shift_days,item,study_pseudonym\n"
LINES = "A-1,SUBJ-001,-35,ACC1,SUBJ-001-A\nA-1,SUBJ-001,-35,ACC2,SUBJ-001-B\nB-2,SUBJ-002,,,\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "broker.csv"
    path.touch(0o600)
    path.write_text(HEADER + LINES, encoding="utf-8")
    return path


@pytest.fixture
def service(file: Path) -> IdentityService:
    return build("table", {"path": file.name}, context=make_context(), base=file.parent)


class TestTable(IdentityContract):
    @pytest.fixture
    def service(self, file: Path) -> IdentityService:
        return build("table", {"path": file.name}, context=make_context(), base=file.parent)


def _answers(service: IdentityService) -> Identities:
    return service.identify(
        ask(("A-1", "1.2.1", "acc1"), ("A-1", "1.2.9", "ACC9"), ("B-2", "1.2.3", "ACC3"))
    )


def test_what_the_file_says_is_answered_and_the_rest_derived(service: IdentityService) -> None:
    derived = _answers(build("keyed", {}, context=make_context()))

    answers = _answers(service)

    assert answers.of("A-1", "1.2.1").patient_pseudonym == "SUBJ-001"
    assert answers.of("A-1", "1.2.1").study_pseudonym == "SUBJ-001-A"
    assert answers.of("A-1", "1.2.1").shift_days == -35
    assert answers.of("A-1", "1.2.9").study_pseudonym == derived.of("A-1", "1.2.9").study_pseudonym
    assert answers.of("B-2", "1.2.3").patient_pseudonym == "SUBJ-002"
    assert answers.of("B-2", "1.2.3").shift_days == derived.of("B-2", "1.2.3").shift_days


def test_two_columns_are_enough(file: Path, service: IdentityService) -> None:
    file.write_text("\ufeffpatient_pseudonym,patient_id\n\nSUBJ-1,A-1\n,\n", encoding="utf-8")

    answers = service.identify(ask(("A-1", "1.2.1", "ACC1")))

    assert answers.of("A-1", "1.2.1").patient_pseudonym == "SUBJ-1"


def test_lines_that_the_broker_adds_count_at_once(file: Path, service: IdentityService) -> None:
    request = ask(("C-3", "1.2.1", "ACC1"))
    with pytest.raises(
        IdentityError,
        match=r"^1 of the batch's patients is not in .* Add what is missing, then retry",
    ) as refusal:
        service.identify(request)

    file.write_text(HEADER + LINES + "C-3,SUBJ-003,,,\n")

    assert service.identify(request).of("C-3", "1.2.1").patient_pseudonym == "SUBJ-003"
    assert not refusal.value.retryable
    assert "C-3" not in str(refusal.value)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("A-1,SUBJ-009,-35,,\n", "line 5: the patient has another patient_pseudonym"),
        (" a-1,SUBJ-001,-36,,\n", "line 5: the patient has other shift_days"),
        ("A-1,SUBJ-001,,,\n", "line 5: the patient has other shift_days"),
        ("C-3,SUBJ-001,,,\n", "line 5: patient_pseudonym is taken"),
        ("C-3,subj-001,,,\n", "line 5: patient_pseudonym is taken"),
        ("C-3,SUBJ-003,,ACC1,SUBJ-001-A\n", "line 5: study_pseudonym is taken"),
        ("C-3,SUBJ-001-A,,,\n", "line 5: patient_pseudonym is taken"),
        ("C-3,SUBJ-003,,ACC1,SUBJ-003\n", "line 5: .* are the same"),
        ("C-3,SUBJ-003,0,,\n", "line 5: shift_days is not a whole number other than 0"),
        ("C-3,SUBJ-003,1.5,,\n", "line 5: shift_days"),
        ("C-3,SUBJ-003,,ACC1,\n", "line 5: item and study_pseudonym belong together"),
        ("C-3,c-3,,,\n", "line 5: patient_pseudonym is the identifier itself"),
        ("C-3,SUBJ-003,,ACC1,acc1\n", "line 5: study_pseudonym is the identifier itself"),
        ("C-3,..,,,\n", "line 5: patient_pseudonym is not 1 to 64 of"),
        ("C-3,a/b,,,\n", "line 5: patient_pseudonym is not 1 to 64 of"),
        ("C-3,,,,\n", "line 5: patient_pseudonym is not 1 to 64 of"),
        (f"C-3,SUBJ-003,,ACC1,{'x' * 17}\n", "line 5: study_pseudonym is not 1 to 16 of"),
        (",SUBJ-003,,,\n", "line 5: patient_id is empty"),
        ("C-3\n", "line 5: has more or fewer columns"),
        ("C-3,SUBJ-003,,,,\n", "line 5: has more or fewer columns"),
        ("C-3,B-2,,,\n", "is the patient_id of another line"),
        ('C-3,"SUBJ', "is not a CSV file"),
    ],
)
def test_a_file_that_contradicts_itself_answers_nobody(
    file: Path, service: IdentityService, lines: str, says: str
) -> None:
    file.write_text(HEADER + LINES + lines)

    with pytest.raises(IdentityError, match=says) as refusal:
        service.identify(ask(("A-1", "1.2.1", "ACC1")))

    for value in ("C-3", "A-1", "ACC1", "SUBJ"):
        assert value not in str(refusal.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"id;name\n1;2\n",
        b"patient_id\nA-1\n",
        b"patient_id,patient_pseudonym,age\n",
        b"\xff\n",
    ],
    ids=["empty", "semicolons", "too few", "unknown", "not UTF-8"],
)
def test_a_file_of_another_form_is_refused(
    file: Path, service: IdentityService, content: bytes
) -> None:
    file.write_bytes(content)

    with pytest.raises(IdentityError):
        service.identify(ask(("A-1", "1.2.1", "ACC1")))


def test_a_file_that_everybody_can_read_is_refused(file: Path, service: IdentityService) -> None:
    file.chmod(0o644)

    with pytest.raises(IdentityError, match="Run: chmod o= "):
        service.identify(ask(("A-1", "1.2.1", "ACC1")))
    with pytest.raises(IdentityError, match="Run: chmod o= "):
        service.probe()  # type: ignore[attr-defined]


def test_a_file_that_is_not_there_may_come_back(file: Path, service: IdentityService) -> None:
    file.unlink()

    with pytest.raises(IdentityUnavailable, match="No such file") as refusal:
        service.identify(ask(("A-1", "1.2.1", "ACC1")))

    assert refusal.value.retryable
