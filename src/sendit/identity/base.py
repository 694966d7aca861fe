"""What an identity service is asked and what it must be.

One request holds every patient of a batch with their Studies, since a service may be far
away.  The answer, ``Identities``, is the engine's own type.  What is done about an
identifier that is missing is told in ``complete``; everything here identifies, so nothing
of it shows in a ``repr``.

A plug-in is one class and one model of its options (``extra="forbid"``, ``frozen=True``)::

    class Broker:
        options_model = BrokerOptions

        def __init__(self, options: BrokerOptions, context: IdentityContext) -> None: ...
        def identify(self, request: IdentityRequest, /) -> Identities: ...
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from sendit.deid.identities import Identities
from sendit.identity.matching import Matching
from sendit.identity.store import LedgerStore


@dataclass(frozen=True, slots=True)
class StudyRequest:
    """One Study that needs a new name."""

    study_instance_uid: str = field(repr=False)
    item: str = field(repr=False)
    """Value of the project's ``item_field``, the Accession Number unless it says otherwise."""
    item_date: str = field(repr=False)
    """Study Date, ``YYYYMMDD``; empty when there is none."""


@dataclass(frozen=True, slots=True)
class PatientRequest:
    """One patient who needs a new name, with the Studies of this batch."""

    patient_id: str = field(repr=False)
    """Value of the project's ``entity_field``."""
    birth_date: str = field(repr=False)
    """``YYYYMMDD``; empty when there is none."""
    studies: tuple[StudyRequest, ...]
    issuer: str = field(default="", repr=False)
    """Issuer of Patient ID (0010,0021); empty unless the project tells patients apart by it."""


@dataclass(frozen=True, slots=True)
class IdentityRequest:
    """Everybody in one batch."""

    batch_key: str
    """The same each time the same batch asks, so that a service allocates once."""
    patients: tuple[PatientRequest, ...]


def no_progress() -> None:
    """Tell nobody that the service gets on."""


@dataclass(frozen=True, slots=True)
class IdentityContext:
    """What every identity service may know of the installation."""

    site_key: bytes = field(repr=False)
    namespace: str
    """Projects that share it give a patient the same names, UIDs and shift."""
    project: str
    own_key: bytes | None = field(default=None, repr=False)
    """The namespace's own key; None when its names hang on the site key alone."""
    entity_field: str = "PatientID"
    """Keyword of the attribute that holds the patient's id; told to the engine."""
    matching: Matching = field(default_factory=Matching)
    """When two spellings are one patient."""
    ledger: LedgerStore | None = None
    """Where allocated names are kept; None where there is no database."""
    progress: Callable[[], None] = no_progress
    """To be called between two steps that take time, so that the claim does not lapse."""


class IdentityService(Protocol):
    """Says under which names patients go on."""

    def identify(self, request: IdentityRequest, /) -> Identities:
        """Answer for every Study of every patient; the same request, the same answer.

        Raises
        ------
        sendit.errors.IdentityError
            When the answer cannot be used.
        sendit.errors.IdentityUnavailable
            When there was none, and asking again later can help.
        """
