"""Draw names and days once, and find them again.

The names are random or counted, so nobody can compute who they stand for: only the ledger
knows.  A patient is found by a keyed digest of what all spellings of the id have in common,
with the source that the id comes from.  The same question gets the same answer, whoever asks
at the same time: names are drawn under the namespace's lock, after a second look.
"""

import hmac
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from pydantic import Field

from sendit.identity.derived import ShiftOptions
from sendit.identity.keys import derive
from sendit.identity.matching import Matching
from sendit.identity.store import (
    Custom,
    KnownItem,
    KnownPatient,
    LedgerStore,
    NewItem,
    NewPatient,
    OpenLedger,
)

_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_LENGTH = 12
"""Twenty to the twelfth: with a prefix of four it still fits an Accession Number (VR SH)."""


class AllocationOptions(ShiftOptions, frozen=True):
    """How names are drawn."""

    suid: Literal["random", "counter"] = "random"
    """New names: drawn at random, or counted in hexadecimal digits as they are asked for."""
    prefix: Annotated[str, Field(pattern=r"^([A-Za-z][A-Za-z0-9]{0,3})?$")] = ""
    """What every new name begins with; at most 4 letters and digits, the first a letter."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A patient or an item whose name is asked for."""

    id: str = field(repr=False)
    source: str
    issuer: str = field(default="", repr=False)
    timestamp: str = field(default="", repr=False)
    custom: Custom = field(default_factory=dict, repr=False)

    def original(self) -> dict[str, str]:
        """Return what the ledger keeps of it, encrypted."""
        said = {
            "id": self.id,
            "source": self.source,
            "issuer": self.issuer,
            "timestamp": self.timestamp,
        }
        return {key: value for key, value in said.items() if value}


@dataclass(frozen=True, slots=True)
class AskedPatient:
    """A patient with the items of this question."""

    patient: Asked
    items: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Digests:
    """Finds patients and items of one namespace without naming them."""

    _key: bytes = field(repr=False)
    matching: Matching

    @classmethod
    def of(
        cls, site_key: bytes, *, namespace: str, matching: Matching, own_key: bytes | None
    ) -> "Digests":
        """Return those of a namespace; they do not change when the field key does."""
        key = derive(site_key, namespace=namespace, purpose="ledger", own_key=own_key)
        return cls(key, matching)

    def patient(self, patient: Asked) -> str:
        """Return the digest of a patient."""
        form = self.matching.patient(patient.id, patient.issuer)
        return self._digest("patient", patient.source, form)

    def item(self, item: Asked) -> str:
        """Return the digest of an item."""
        return self._digest("item", item.source, self.matching.item(item.id))

    def uid(self, new_uid: str) -> str:
        """Return the digest of a new UID."""
        return self._digest("uid", "", new_uid)

    def _digest(self, *parts: str) -> str:
        # Lengths come first, so that no two lists of parts run together into the same bytes.
        encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
        message = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
        return hmac.digest(self._key, message, "sha256").hex()


class Allocator:
    """Names the patients of one namespace."""

    def __init__(
        self, store: LedgerStore, *, namespace: str, digests: Digests, options: AllocationOptions
    ) -> None:
        self._store = store
        self._namespace = namespace
        self._digests = digests
        self._options = options
        self._shifts = options.shifts()

    def look_up(self, asked: Sequence[AskedPatient]) -> Sequence[KnownPatient | None]:
        """Return who is known, in the order of the question; nothing is written."""
        found = self._store.find(self._namespace, *self._wanted(asked))
        return [found.get(self._digests.patient(one.patient)) for one in asked]

    def allocate(self, asked: Sequence[AskedPatient]) -> Sequence[KnownPatient]:
        """Return everybody, in the order of the question; names who has none yet.

        Raises
        ------
        sendit.errors.IdentityError
            When the namespace was closed.
        """
        if not asked:
            return []
        wanted = self._wanted(asked)
        found = self._store.find(self._namespace, *wanted)
        if not self._is_whole(asked, found):
            with self._store.open(self._namespace) as ledger:
                # Another look: somebody else may have named them meanwhile.
                found = self._complete(ledger, asked, ledger.find(*wanted))
        return [found[self._digests.patient(one.patient)] for one in asked]

    def _wanted(self, asked: Sequence[AskedPatient]) -> tuple[Sequence[str], Sequence[str]]:
        patients = {self._digests.patient(one.patient): None for one in asked}
        items = {self._digests.item(item): None for one in asked for item in one.items}
        return list(patients), list(items)

    def _is_whole(self, asked: Sequence[AskedPatient], found: Mapping[str, KnownPatient]) -> bool:
        """Say whether everything asked about is known as it was given."""
        for one in asked:
            patient = found.get(self._digests.patient(one.patient))
            if patient is None or changed(patient.custom, one.patient.custom) is not None:
                return False
            for item in one.items:
                known = patient.items.get(self._digests.item(item))
                if known is None or changed(known.custom, item.custom) is not None:
                    return False
        return True

    def _complete(
        self,
        ledger: OpenLedger,
        asked: Sequence[AskedPatient],
        found: Mapping[str, KnownPatient],
    ) -> Mapping[str, KnownPatient]:
        """Name whom nobody has named, and return everybody."""
        strangers, new_items = self._missing(asked, found)
        names = self._names(ledger, len(strangers) + len(new_items))
        patients = [
            NewPatient(
                digest,
                next(names),
                self._shifts[secrets.randbelow(len(self._shifts))],
                one.original(),
                merged({}, one.custom),
            )
            for digest, one in strangers.items()
        ]
        items = [
            NewItem(patient, digest, next(names), one.original(), merged({}, one.custom))
            for (patient, digest), one in new_items.items()
        ]
        ledger.add(patients, items)
        if self._replace_custom(ledger, asked, found):
            return ledger.find(*self._wanted(asked))
        return self._together(found, patients, items)

    def _together(
        self,
        found: Mapping[str, KnownPatient],
        patients: Sequence[NewPatient],
        items: Sequence[NewItem],
    ) -> Mapping[str, KnownPatient]:
        """Return who was known and who is now, each with the new items."""
        everybody = dict(found)
        for one in patients:
            everybody[one.digest] = KnownPatient(0, one.suid, one.shift_days, one.custom)
        new: dict[object, dict[str, KnownItem]] = {}
        for item in items:
            owner = everybody[item.patient].number or item.patient
            new.setdefault(owner, {})[item.digest] = KnownItem(item.suid, item.custom)
        return {
            digest: replace(
                patient, items={**patient.items, **new.get(patient.number or digest, {})}
            )
            for digest, patient in everybody.items()
        }

    def _missing(
        self, asked: Sequence[AskedPatient], found: Mapping[str, KnownPatient]
    ) -> tuple[dict[str, Asked], dict[tuple[str, str], Asked]]:
        strangers: dict[str, Asked] = {}
        items: dict[tuple[str, str], Asked] = {}
        owners: dict[tuple[object, str], None] = {}
        for one in asked:
            patient = self._digests.patient(one.patient)
            known = found.get(patient)
            if known is None:
                strangers.setdefault(patient, one.patient)
            for item in one.items:
                digest = self._digests.item(item)
                # Two ids that were merged are one patient, whose item is named once.
                owner = (known.number if known else patient, digest)
                if (known is None or digest not in known.items) and owner not in owners:
                    owners[owner] = None
                    items[patient, digest] = item
        return strangers, items

    def _replace_custom(
        self,
        ledger: OpenLedger,
        asked: Sequence[AskedPatient],
        found: Mapping[str, KnownPatient],
    ) -> bool:
        """Replace custom fields that came with other values; say whether there were any."""
        patients: dict[str, Custom] = {}
        items: dict[tuple[str, str], Custom] = {}
        for one in asked:
            patient = self._digests.patient(one.patient)
            known = found.get(patient)
            if known is None:
                continue
            if (custom := changed(known.custom, one.patient.custom)) is not None:
                patients[patient] = custom
            for item in one.items:
                digest = self._digests.item(item)
                old = known.items.get(digest)
                if old and (custom := changed(old.custom, item.custom)) is not None:
                    items[patient, digest] = custom
        if patients or items:
            ledger.set_custom(patients, items)
        return bool(patients or items)

    def _names(self, ledger: OpenLedger, number: int) -> Iterator[str]:
        """Yield that many names that nobody has, never two alike."""
        prefix = self._options.prefix
        drawn: dict[str, None] = {}
        while len(drawn) < number:
            missing = number - len(drawn)
            if self._options.suid == "counter":
                first = ledger.count(missing)
                new = [f"{prefix}{one:x}" for one in range(first, first + missing)]
                taken = ledger.taken(new)  # an import may have brought any
            else:
                # Two alike are as good as impossible, and the database would refuse the second.
                new, taken = [f"{prefix}{_random_name()}" for _ in range(missing)], frozenset()
            drawn |= dict.fromkeys(name for name in new if name not in taken)
        yield from drawn


def merged(old: Custom, new: Custom) -> Custom:
    """Return custom fields after a question: a later value counts, an empty one removes."""
    return {key: value for key, value in {**old, **new}.items() if value}


def changed(old: Custom, new: Custom) -> Custom | None:
    """Return custom fields after a question, None when they stay as they are."""
    after = merged(old, new)
    return None if dict(after) == dict(old) else after


def _random_name() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
