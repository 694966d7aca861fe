"""Pseudonyms as keyed digests: no table, no service, the same answer on every worker.

The default.  Names come from the site key and the patient's own identifiers, so the same
patient keeps the same names and shift for as long as key and namespace stay, and nobody
without the key can go back.
"""

from typing import ClassVar

from pydantic import BaseModel

from sendit.deid.identities import Identities, Identity, normal_id
from sendit.identity.base import IdentityContext, IdentityRequest
from sendit.identity.derived import DerivedNames, ShiftOptions, uid_key


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
        names = self._names
        return Identities(
            answers={
                (normal_id(patient.patient_id), study.study_instance_uid): Identity(
                    names.patient(patient.patient_id),
                    names.study(patient.patient_id, study.item),
                    names.shift(patient.patient_id),
                )
                for patient in request.patients
                for study in patient.studies
            },
            uid_key=uid_key(self._context),
            entity_field=self._context.entity_field,
        )
