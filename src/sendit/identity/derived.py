"""Names and shifts of one namespace, derived from the site key.

What ``keyed`` consists of, and what other services fall back to.  A project may only choose
the range that shifts come from.
"""

from typing import Annotated, Self

from pydantic import BaseModel, Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from sendit.deid.identities import Identity, normal_id
from sendit.identity.base import IdentityContext, StudyRequest
from sendit.identity.keys import derive
from sendit.identity.pseudonyms import allowed_shifts, pseudonym, shift

_MAX_DAYS = 36525

Days = Annotated[int, Strict(), Field(ge=-_MAX_DAYS, le=_MAX_DAYS)]


class ShiftOptions(BaseModel, extra="forbid", frozen=True):
    """How far dates may move."""

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
                {"key": ("shift_days",)},
            )
        return self

    def shifts(self) -> tuple[int, ...]:
        """Return every shift that a patient can get."""
        return tuple(allowed_shifts(*self.shift_days, whole_weeks=self.whole_weeks))


class DerivedNames:
    """Answers for one namespace; the same patient, however spelled, the same answer."""

    def __init__(self, options: ShiftOptions, context: IdentityContext) -> None:
        self._shifts = options.shifts()
        self._patient_key, self._study_key, self._shift_key = (
            _key(context, purpose) for purpose in ("patient", "study", "shift")
        )

    def of(self, patient: str, study: StudyRequest) -> Identity:
        """Return the identity of a study; the patient is named by ``Matching.patient``."""
        return Identity(self.patient(patient), self.study(patient, study.item), self.shift(patient))

    def patient(self, patient: str) -> str:
        """Return the pseudonym of a patient."""
        return pseudonym(self._patient_key, patient, prefix="P")

    def study(self, patient: str, item: str) -> str:
        """Return the pseudonym of a study of that patient."""
        return pseudonym(self._study_key, patient, normal_id(item), prefix="S")

    def shift(self, patient: str) -> int:
        """Return the days that the dates of a patient move by."""
        return shift(self._shift_key, patient, days=self._shifts)


def uid_key(context: IdentityContext) -> bytes:
    """Return the key that makes new UIDs, the same for every kind of service."""
    return _key(context, "uid")


def _key(context: IdentityContext, purpose: str) -> bytes:
    return derive(
        context.site_key,
        namespace=context.namespace,
        purpose=purpose,
        own_key=context.own_key,
    )
