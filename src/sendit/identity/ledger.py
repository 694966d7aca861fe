"""Pseudonyms that are drawn once and kept in the installation's own ledger.

The same ledger that ``sendit identity serve`` offers to other programs, asked in process.
Names say nothing about whom they stand for, so whoever has no ledger cannot go back, even
with the site key; whoever loses the ledger cannot either.
"""

from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from sendit.deid.identities import Identities, Identity
from sendit.errors import IdentityError
from sendit.identity.allocation import (
    AllocationOptions,
    Allocator,
    Asked,
    AskedPatient,
    Digests,
)
from sendit.identity.answers import identities
from sendit.identity.base import IdentityContext, IdentityRequest, PatientRequest
from sendit.identity.store import LedgerStore
from sendit.identity.timestamps import midnight

ENTITY_SOURCE = "Stanford MRN"
ITEM_SOURCE = "DCM Accession #"


class LedgerOptions(AllocationOptions, frozen=True):
    """Options of ``kind = "ledger"``."""

    entity_source: Annotated[str, Field(min_length=1)] = ENTITY_SOURCE
    """What the ledger calls the source of patients' ids; programs that ask the same namespace
    over HTTP call it the same."""
    item_source: Annotated[str, Field(min_length=1)] = ITEM_SOURCE
    """What the ledger calls the source of studies' numbers."""


class Ledger:
    """Answers from the ledger, and names there whom it does not know yet."""

    options_model: ClassVar[type[BaseModel]] = LedgerOptions

    def __init__(self, options: LedgerOptions, context: IdentityContext) -> None:
        self._options = options
        self._context = context

    def identify(self, request: IdentityRequest, /) -> Identities:
        """Answer for every Study of every patient.

        Raises
        ------
        sendit.errors.IdentityError
            When there is no ledger to ask, or the namespace was closed.
        """
        asked = [self._asked(patient) for patient in request.patients]
        known = self._allocator().allocate(asked)
        digests = self._digests()
        rows = (
            (
                patient,
                study,
                Identity(found.suid, found.items[digests.item(item)].suid, found.shift_days),
            )
            for patient, one, found in zip(request.patients, asked, known, strict=True)
            for study, item in zip(patient.studies, one.items, strict=True)
        )
        return identities(rows, self._context)

    def _asked(self, patient: PatientRequest) -> AskedPatient:
        options = self._options
        return AskedPatient(
            Asked(
                patient.patient_id,
                options.entity_source,
                patient.issuer,
                midnight(patient.birth_date),
            ),
            tuple(
                Asked(study.item, options.item_source, timestamp=midnight(study.item_date))
                for study in patient.studies
            ),
        )

    def _digests(self) -> Digests:
        context = self._context
        return Digests.of(
            context.site_key,
            namespace=context.namespace,
            matching=context.matching,
            own_key=context.own_key,
        )

    def _allocator(self) -> Allocator:
        return Allocator(
            _store(self._context.ledger),
            namespace=self._context.namespace,
            digests=self._digests(),
            options=self._options,
        )


def _store(ledger: LedgerStore | None) -> LedgerStore:
    if ledger is None:
        raise IdentityError(
            'A project of identity.kind = "ledger" needs the database of its installation: '
            'hand its studies in through an inbox, or use "keyed" or "table" for "sendit deid".'
        )
    return ledger
