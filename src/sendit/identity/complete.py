"""Decide what is done when a Study comes without the identifiers that a project names.

A patient is never guessed.  A Study that has no item number may go on under its Study
Instance UID, which is as unique, if the project says so (``on_missing = "derive"``).
"""

from dataclasses import replace
from typing import Literal

from sendit.deid.identities import normal_id
from sendit.errors import IdentityError
from sendit.identity.base import IdentityRequest, PatientRequest, StudyRequest


def complete_request(
    request: IdentityRequest,
    *,
    entity_field: str,
    item_field: str,
    on_missing: Literal["stop", "derive"],
) -> IdentityRequest:
    """Return the request with an item for every Study.

    Raises
    ------
    sendit.errors.IdentityError
        When a patient's id is missing, or an item and the project does not derive it; says
        how many Studies lack which field.
    """
    problems = []
    if nameless := _without_patient(request):
        problems.append(
            f"{_studies(nameless)} without {entity_field}: a patient is never guessed. Mend the "
            "files, or name another identity.entity_field in the project."
        )
    itemless = _without_item(request)
    if itemless and on_missing == "stop":
        problems.append(
            f"{_studies(itemless)} without {item_field}. Mend the files, or set "
            'identity.on_missing = "derive" in the project to use the Study Instance UID instead.'
        )
    if problems:
        raise IdentityError(" ".join(problems))
    return replace(request, patients=tuple(map(_with_items, request.patients)))


def _without_patient(request: IdentityRequest) -> int:
    return sum(
        len(patient.studies) for patient in request.patients if not normal_id(patient.patient_id)
    )


def _without_item(request: IdentityRequest) -> int:
    return sum(
        not normal_id(study.item) for patient in request.patients for study in patient.studies
    )


def _with_items(patient: PatientRequest) -> PatientRequest:
    return replace(patient, studies=tuple(map(_with_item, patient.studies)))


def _with_item(study: StudyRequest) -> StudyRequest:
    return study if normal_id(study.item) else replace(study, item=study.study_instance_uid)


def _studies(count: int) -> str:
    return "1 study is" if count == 1 else f"{count} studies are"
