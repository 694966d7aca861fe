"""What the identity service is asked about a batch, gathered from one header after the other.

Import sees every header anyway, so a worker that goes on with the batch need not read them again.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from sendit.config import Project
from sendit.deid import Header, KnownValue, normal_id
from sendit.identity import IdentityRequest, PatientRequest, StudyRequest

ITEM_DATES = ("StudyDate", "SeriesDate", "ContentDate", "AcquisitionDate")
"""Where an item's time comes from: the first of these that is there."""
ISSUER = "IssuerOfPatientID"
Patient = tuple[str, str]
"""Identifier and issuer, as the header says them."""


@dataclass(slots=True)
class Asking:
    """The patients and studies of some images; everything in it identifies."""

    known: set[KnownValue] = field(default_factory=set, repr=False)
    """What the headers say of persons."""
    _numbers: dict[tuple[Patient, str], list[int]] = field(default_factory=dict, repr=False)
    _patients: dict[Patient, dict[str, StudyRequest]] = field(default_factory=dict, repr=False)
    _birth_dates: dict[Patient, str] = field(default_factory=dict, repr=False)

    def add(self, project: Project, nr: int, header: Header) -> None:
        """Take in the header of one image; read with ``fields_of`` and ``knowledge``."""
        identity, said = project.identity, header.values
        patient = (said[identity.entity_field], said[ISSUER] if identity.by_issuer else "")
        study = StudyRequest(
            study_instance_uid=header.study_instance_uid,
            item=said[identity.item_field],
            item_date=next((said[name] for name in ITEM_DATES if said[name]), ""),
        )
        self._numbers.setdefault((patient, study.study_instance_uid), []).append(nr)
        studies = self._patients.setdefault(patient, {})
        if not studies.setdefault(study.study_instance_uid, study).item:
            studies[study.study_instance_uid] = study
        self._birth_dates[patient] = self._birth_dates.get(patient) or said["PatientBirthDate"]
        self.known |= header.known

    def is_about(self, numbers: Collection[int]) -> bool:
        """Say whether exactly these images were taken in, each once."""
        return sorted(nr for some in self._numbers.values() for nr in some) == sorted(numbers)

    def count(self) -> int:
        """Return how many images were taken in."""
        return sum(map(len, self._numbers.values()))

    def lacking(self, *, item_too: bool) -> list[int]:
        """Return the numbers of the images without a patient, or also without an item."""
        lacking = []
        for patient, studies in self._patients.items():
            for uid, study in studies.items():
                if not normal_id(patient[0]) or (item_too and not normal_id(study.item)):
                    lacking += self._numbers[patient, uid]
        return sorted(lacking)

    def request(self, batch_id: int) -> IdentityRequest:
        """Return what the service is asked."""
        return IdentityRequest(
            batch_key=str(batch_id),
            patients=tuple(
                PatientRequest(
                    patient[0], self._birth_dates[patient], tuple(studies.values()), patient[1]
                )
                for patient, studies in self._patients.items()
            ),
        )

    def clear(self) -> None:
        """Forget everything."""
        for kept in (self.known, self._numbers, self._patients, self._birth_dates):
            kept.clear()


def fields_of(project: Project) -> tuple[str, ...]:
    """Return the attributes of a header that ``Asking.add`` needs."""
    identity = project.identity
    return (identity.entity_field, identity.item_field, "PatientBirthDate", ISSUER, *ITEM_DATES)
