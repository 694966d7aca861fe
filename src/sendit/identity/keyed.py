"""Pseudonyms as keyed digests: no table, no service, the same answer on every worker.

The default.  Names come from the site key and the patient's own identifiers, so the same
patient keeps the same names and shift for as long as key and namespace stay, and nobody
without the key can go back.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from sendit.deid.identities import Identities, Identity, normal_id
from sendit.identity.base import IdentityContext, IdentityRequest
from sendit.identity.keys import derive
from sendit.identity.pseudonyms import allowed_shifts, pseudonym, shift

_MAX_DAYS = 36525

Days = Annotated[int, Strict(), Field(ge=-_MAX_DAYS, le=_MAX_DAYS)]


class KeyedOptions(BaseModel, extra="forbid", frozen=True, use_attribute_docstrings=True):
    """Options of ``kind = "keyed"``."""

    shift_days: tuple[Days, Days] = (-730, -1)
    """First and last number of days that a patient's dates may move by; never 0."""
    whole_weeks: Annotated[bool, Strict()] = False
    """Move by whole weeks only, so that days of the week stay."""

    @model_validator(mode="after")
    def _some_shift_is_left(self) -> Self:
        if not self.shifts():
            raise PydanticCustomError(
                "no_shift",
                "leaves no number of days to choose from; allowed: [first, last], first not "
                "above last, with a number in between that is not 0 (whole_weeks: a whole week)",
            )
        return self

    def shifts(self) -> tuple[int, ...]:
        """Return every shift that a patient can get."""
        return tuple(allowed_shifts(*self.shift_days, whole_weeks=self.whole_weeks))


class Keyed:
    """Answers from the site key alone."""

    options_model: ClassVar[type[BaseModel]] = KeyedOptions

    def __init__(self, options: KeyedOptions, context: IdentityContext) -> None:
        self._shifts = options.shifts()
        self._context = context

    def identify(self, request: IdentityRequest, /) -> Identities:
        """Answer for every Study of every patient."""
        return Identities(
            answers=dict(self._answers(request)),
            uid_key=self._key("uid"),
            entity_field=self._context.entity_field,
        )

    def _answers(self, request: IdentityRequest) -> Iterator[tuple[tuple[str, str], Identity]]:
        patient_key, study_key, shift_key = map(self._key, ("patient", "study", "shift"))
        for patient in request.patients:
            patient_id = normal_id(patient.patient_id)
            for study in patient.studies:
                yield (
                    (patient_id, study.study_instance_uid),
                    Identity(
                        pseudonym(patient_key, patient_id, prefix="P"),
                        pseudonym(study_key, patient_id, normal_id(study.item), prefix="S"),
                        shift(shift_key, patient_id, days=self._shifts),
                    ),
                )

    def _key(self, purpose: str) -> bytes:
        return derive(self._context.site_key, namespace=self._context.namespace, purpose=purpose)
