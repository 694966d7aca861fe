"""Pseudonyms from a CSV file that an honest broker keeps.

The file has a header and a line for each patient, or for each study of a patient::

    patient_id,patient_pseudonym,shift_days,item,study_pseudonym
    70010001,SUBJ-001,-35,ACC0001,SUBJ-001-A

Only the first two columns are needed; a shift or a study pseudonym that is left out is
derived as ``keyed`` does.  A column ``issuer`` tells patients of two hospitals apart, where
the project does.  The file is read anew for each batch, so the broker may add lines at any
time.  A patient who is not in it stops the batch: nobody is named by chance.
"""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel

from sendit.deid.identities import Identities, Identity
from sendit.errors import IdentityError
from sendit.identity.answers import identities
from sendit.identity.base import IdentityContext, IdentityRequest, StudyRequest
from sendit.identity.broker_file import Entry, LocalPath, read_broker_file
from sendit.identity.derived import DerivedNames, ShiftOptions


class TableOptions(ShiftOptions, frozen=True):
    """Options of ``kind = "table"``."""

    path: LocalPath
    """The CSV file: `patient_id`, `patient_pseudonym`, and if wanted `shift_days`, `item`,
    `study_pseudonym`; nobody else may be able to read it."""


class Table:
    """Answers from the file, and from the site key where the file says nothing."""

    options_model: ClassVar[type[BaseModel]] = TableOptions

    def __init__(self, options: TableOptions, context: IdentityContext) -> None:
        self._path = options.path
        self._names = DerivedNames(options, context)
        self._context = context

    def identify(self, request: IdentityRequest, /) -> Identities:
        """Answer for every Study of every patient, or for none.

        Raises
        ------
        sendit.errors.IdentityError
            When a patient is not in the file, or the file contradicts itself.
        sendit.errors.IdentityUnavailable
            When the file cannot be read now.
        """
        matching = self._context.matching
        entries = self._read()
        forms = [matching.patient(one.patient_id, one.issuer) for one in request.patients]
        strangers = sum(form not in entries for form in forms)
        if strangers:
            raise IdentityError(
                f"{strangers} of the batch's patients {'is' if strangers == 1 else 'are'} not in "
                f"{self._path}. Add what is missing, then retry the batch."
            )
        rows = (
            (patient, study, self._identity(entries[form], form, study))
            for patient, form in zip(request.patients, forms, strict=True)
            for study in patient.studies
        )
        return identities(rows, self._context)

    def probe(self) -> None:
        """Read the file as for a batch.

        Raises
        ------
        sendit.errors.IdentityError
            When that cannot be done, or the file contradicts itself.
        """
        self._read()

    def _read(self) -> Mapping[str, Entry]:
        return read_broker_file(self._path, matching=self._context.matching)

    def _identity(self, entry: Entry, patient: str, study: StudyRequest) -> Identity:
        said = entry.studies.get(self._context.matching.item(study.item))
        derived = self._names.of(patient, study)
        return Identity(
            entry.pseudonym,
            said.pseudonym if said else derived.study_pseudonym,
            entry.shift_days or derived.shift_days,
        )
