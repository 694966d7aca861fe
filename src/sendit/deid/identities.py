"""Who replaces whom: the answer of an identity service, as the engine needs it.

The engine asks by the patient's id and the Study Instance UID that it reads in the
instance; where the answers come from is the identity room's matter.  Everything here may
identify, so nothing of it shows in a ``repr``.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from sendit.errors import Rejected
from sendit.terms import Reason

KnownValue: TypeAlias = tuple[int, str, str]
"""Tag, VR and decoded value of an element that says who somebody is."""


def normal_id(value: str) -> str:
    """Return the form in which two spellings of one patient's id are the same.

    Padding, repeated blanks, case and compatibility forms do not tell patients apart;
    leading zeros and punctuation do.
    """
    return " ".join(unicodedata.normalize("NFKC", value).replace("\0", " ").split()).casefold()


@dataclass(frozen=True, slots=True)
class Identity:
    """The new names of one Study of one patient."""

    patient_pseudonym: str
    """New Patient ID and Patient's Name."""
    study_pseudonym: str
    """New Accession Number and Study ID."""
    shift_days: int
    """Whole days that every date of the patient moves by; never 0, usually negative."""


@dataclass(frozen=True, slots=True)
class Identities:
    """The new names of every Study in one batch, and the key that makes new UIDs."""

    answers: Mapping[tuple[str, str], Identity] = field(repr=False)
    """By (``normal_id`` of the patient's id, Study Instance UID)."""
    uid_key: bytes = field(repr=False)
    """32 bytes; the same for all projects of one namespace."""
    entity_field: str = "PatientID"
    """Keyword of the attribute that holds the patient's id."""
    known: frozenset[KnownValue] = field(default=frozenset(), repr=False)
    """What the headers of the batch say of persons, ids and places; taken out of the texts of
    each instance."""

    def of(self, patient_id: str, study_instance_uid: str) -> Identity:
        """Return the identity of one Study.

        Raises
        ------
        sendit.errors.Rejected
            With ``NO_IDENTITY`` when the service was not asked about this Study.
        """
        try:
            return self.answers[normal_id(patient_id), study_instance_uid]
        except KeyError:
            raise Rejected(Reason.NO_IDENTITY, self.entity_field) from None
