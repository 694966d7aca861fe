"""Pseudonyms as keyed digests: no table, no service, the same answer on every worker.

The default.  Names come from the site key and the patient's own identifiers, so the same
patient keeps the same names and shift for as long as key and namespace stay, and nobody
without the key can go back.
"""

from typing import ClassVar

from pydantic import BaseModel

from sendit.deid.identities import Identities
from sendit.identity.answers import identities
from sendit.identity.base import IdentityContext, IdentityRequest
from sendit.identity.derived import DerivedNames, ShiftOptions


class KeyedOptions(ShiftOptions, frozen=True):
    """Options of ``kind = "keyed"``."""


class Keyed:
    """Answers from the site key alone."""

    options_model: ClassVar[type[BaseModel]] = KeyedOptions

    def __init__(self, options: KeyedOptions, context: IdentityContext) -> None:
        self._names = DerivedNames(options, context)
        self._context = context

    def identify(self, request: IdentityRequest, /) -> Identities:
        """Answer for every Study of every patient."""
        names, matching = self._names, self._context.matching
        rows = (
            (patient, study, names.of(matching.patient(patient.patient_id, patient.issuer), study))
            for patient in request.patients
            for study in patient.studies
        )
        return identities(rows, self._context)
