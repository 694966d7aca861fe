"""What the ledger needs of a store; ``records.ledger`` is one over the database.

The store knows digests, new names, and *sealed* contents that it keeps encrypted.  What a
digest is a digest of, and which names are drawn, is the ledger's matter (``allocation``).
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

Custom = Mapping[str, str]
"""The ``custom_fields`` of the protocol: kept as given, not interpreted."""


@dataclass(frozen=True, slots=True)
class KnownItem:
    """One item that has a name."""

    suid: str
    custom: Custom = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class KnownPatient:
    """One patient who has a name, with those of the asked items that have one."""

    number: int
    suid: str
    shift_days: int = field(repr=False)
    custom: Custom = field(default_factory=dict, repr=False)
    items: Mapping[str, KnownItem] = field(default_factory=dict, repr=False)
    """By the item's digest."""


@dataclass(frozen=True, slots=True)
class NewPatient:
    """One patient who gets a name now."""

    digest: str
    suid: str
    shift_days: int = field(repr=False)
    original: Mapping[str, str] = field(repr=False)
    """``id``, ``source`` and what else is to be found again; kept encrypted."""
    custom: Custom = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class NewItem:
    """One item that gets a name now."""

    patient: str
    """The digest of the patient whom it belongs to."""
    digest: str
    suid: str
    original: Mapping[str, str] = field(repr=False)
    custom: Custom = field(default_factory=dict, repr=False)


class OpenLedger(Protocol):
    """One namespace under its lock, in one transaction."""

    def find(self, patients: Sequence[str], items: Sequence[str]) -> Mapping[str, KnownPatient]:
        """Return the patients of these digests, with those of the items that are known."""

    def taken(self, suids: Sequence[str]) -> frozenset[str]:
        """Return which of these names somebody or something has already."""

    def count(self, numbers: int) -> int:
        """Take that many numbers from the namespace's counter; return the first."""

    def add(self, patients: Sequence[NewPatient], items: Sequence[NewItem]) -> None:
        """Keep new names."""

    def set_custom(
        self, patients: Mapping[str, Custom], items: Mapping[tuple[str, str], Custom]
    ) -> None:
        """Replace custom fields, by digest of the patient, or of the patient and the item."""


class LedgerStore(Protocol):
    """Where allocated names are kept."""

    def find(
        self, namespace: str, patients: Sequence[str], items: Sequence[str]
    ) -> Mapping[str, KnownPatient]:
        """Return whom these digests name, in one indexed read and without a lock.

        Raises
        ------
        sendit.errors.IdentityError
            When the namespace was closed.
        """

    def open(self, namespace: str) -> AbstractContextManager[OpenLedger]:
        """Begin a transaction in which nobody else allocates in this namespace.

        Raises
        ------
        sendit.errors.IdentityError
            When the namespace was closed.
        """
