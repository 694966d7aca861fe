"""What every identity service must do; a plug-in's tests inherit this and say how to make one."""

import pytest

from sendit.identity import (
    IdentityContext,
    IdentityRequest,
    IdentityService,
    PatientRequest,
    StudyRequest,
)
from sendit.identity.keys import derive

SITE_KEY = bytes(range(32))


def make_context(*, namespace: str = "irb-1", project: str = "irb-1") -> IdentityContext:
    return IdentityContext(site_key=SITE_KEY, namespace=namespace, project=project)


def ask(*patients: tuple[str, str, str]) -> IdentityRequest:
    """Make a request of (patient, Study Instance UID, item) rows."""
    by_patient: dict[str, list[StudyRequest]] = {}
    for patient_id, uid, item in patients:
        by_patient.setdefault(patient_id, []).append(StudyRequest(uid, item, "20150601"))
    return IdentityRequest(
        "batch-1",
        tuple(
            PatientRequest(patient_id, "19500302", tuple(studies))
            for patient_id, studies in by_patient.items()
        ),
    )


class IdentityContract:
    """Inherit it and provide the fixture ``service``, which knows the patients A-1 and B-2."""

    def test_every_study_has_an_answer(self, service: IdentityService) -> None:
        request = ask(("A-1", "1.2.1", "ACC1"), ("A-1", "1.2.2", "ACC2"), ("B-2", "1.2.3", "ACC3"))

        identities = service.identify(request)

        names = {identities.of(p, u) for p, u in [("A-1", "1.2.1"), ("A-1", "1.2.2")]}
        assert len({one.patient_pseudonym for one in names}) == 1
        assert len({one.shift_days for one in names}) == 1
        assert len({one.study_pseudonym for one in names}) == 2
        assert identities.of("B-2", "1.2.3").patient_pseudonym not in {
            one.patient_pseudonym for one in names
        }

    def test_asked_twice_it_answers_the_same(self, service: IdentityService) -> None:
        request = ask(("A-1", "1.2.1", "ACC1"))

        assert service.identify(request) == service.identify(request)

    def test_two_spellings_are_one_patient(self, service: IdentityService) -> None:
        plain = service.identify(ask(("A-1", "1.2.1", "ACC1")))
        padded = service.identify(ask((" a-1 ", "1.2.1", "acc1 ")))

        assert plain.of("A-1", "1.2.1") == padded.of("A-1", "1.2.1")

    def test_the_shift_is_never_zero(self, service: IdentityService) -> None:
        identities = service.identify(ask(("A-1", "1.2.1", "ACC1"), ("B-2", "1.2.3", "ACC3")))

        assert all(identity.shift_days for identity in identities.answers.values())

    def test_pseudonyms_fit_their_attributes_and_say_nothing(
        self, service: IdentityService
    ) -> None:
        identity = service.identify(ask(("A-1", "1.2.1", "ACC1"))).of("A-1", "1.2.1")

        for name, original in [
            (identity.patient_pseudonym, "A-1"),
            (identity.study_pseudonym, "ACC1"),
        ]:
            assert 1 <= len(name) <= 16
            assert name.isascii()
            assert original not in name

    def test_the_uid_key_belongs_to_the_namespace(self, service: IdentityService) -> None:
        identities = service.identify(ask(("A-1", "1.2.1", "ACC1")))

        assert identities.uid_key == derive(
            SITE_KEY, namespace="irb-1", purpose="uid", own_key=None
        )

    def test_nothing_of_a_patient_shows_in_a_repr(self, service: IdentityService) -> None:
        request = ask(("A-1", "1.2.1", "ACC1"))

        shown = repr(request) + repr(service.identify(request)) + repr(make_context())

        for secret in ("A-1", "1.2.1", "ACC1", "19500302", "20150601", repr(SITE_KEY)):
            assert secret not in shown

    @pytest.mark.parametrize("nobody", [ask()], ids=["empty"])
    def test_nobody_is_no_problem(self, service: IdentityService, nobody: IdentityRequest) -> None:
        assert service.identify(nobody).answers == {}
