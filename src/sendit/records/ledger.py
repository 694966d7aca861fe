"""The identity ledger's store over the database.

Implements ``identity.store``.  A known patient costs one read: the id's digest leads to the
patient and, by the same statement, to the items that are asked about.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from django.db import connection, transaction

from sendit.errors import IdentityError
from sendit.identity.store import Custom, KnownItem, KnownPatient, NewItem, NewPatient
from sendit.records.encrypted import unsealed
from sendit.records.ledger_tables import (
    LedgerId,
    LedgerItem,
    LedgerNamespace,
    LedgerPatient,
    LedgerUid,
)

CLOSED = (
    "The names of this namespace were destroyed when its project was closed; nobody is named in "
    "it again. Use another project, of another namespace."
)


class DatabaseLedger:
    """The ledger of this installation."""

    def find(
        self, namespace: str, patients: Sequence[str], items: Sequence[str]
    ) -> Mapping[str, KnownPatient]:
        """Return whom these digests name, in one indexed read and without a lock.

        Raises
        ------
        sendit.errors.IdentityError
            When the namespace was closed.
        """
        return _find(namespace, patients, items)

    @contextmanager
    def open(self, namespace: str) -> Iterator["OpenNamespace"]:
        """Begin a transaction in which nobody else allocates in this namespace.

        Raises
        ------
        sendit.errors.IdentityError
            When the namespace was closed.
        """
        with transaction.atomic():
            yield OpenNamespace(locked_namespace(namespace))


class OpenNamespace:
    """One namespace under its lock."""

    def __init__(self, row: LedgerNamespace) -> None:
        self._row = row
        self._numbers: dict[str, int] = {}
        """Numbers of patients that were seen under this lock, by digest."""

    def find(self, patients: Sequence[str], items: Sequence[str]) -> Mapping[str, KnownPatient]:
        """Return the patients of these digests, with those of the items that are known."""
        found = _find(self._row.name, patients, items)
        self._numbers |= {digest: patient.number for digest, patient in found.items()}
        return found

    def taken(self, suids: Sequence[str]) -> frozenset[str]:
        """Return which of these names somebody or something has already."""
        named = {"namespace": self._row, "suid__in": suids}
        patients = LedgerPatient.objects.filter(**named).values_list("suid", flat=True)
        items = LedgerItem.objects.filter(**named).values_list("suid", flat=True)
        return frozenset(patients.union(items))

    def count(self, numbers: int) -> int:
        """Take that many numbers from the namespace's counter; return the first."""
        first = self._row.counter + 1
        self._row.counter += numbers
        LedgerNamespace.objects.filter(pk=self._row.pk).update(counter=self._row.counter)
        return first

    def add(self, patients: Sequence[NewPatient], items: Sequence[NewItem]) -> None:
        """Keep new names."""
        rows = LedgerPatient.objects.bulk_create(
            LedgerPatient(
                namespace=self._row,
                suid=one.suid,
                content=_sealed({"days": one.shift_days}, one.custom),
            )
            for one in patients
        )
        self._numbers |= {one.digest: row.pk for one, row in zip(patients, rows, strict=True)}
        LedgerId.objects.bulk_create(
            LedgerId(
                namespace=self._row,
                digest=one.digest,
                patient_id=self._numbers[one.digest],
                content=dict(one.original),
            )
            for one in patients
        )
        owners = self.patients_of([one.patient for one in items])
        LedgerItem.objects.bulk_create(
            LedgerItem(
                namespace=self._row,
                patient_id=owners[one.patient],
                digest=one.digest,
                suid=one.suid,
                content=_sealed(one.original, one.custom),
            )
            for one in items
        )

    def set_custom(
        self, patients: Mapping[str, Custom], items: Mapping[tuple[str, str], Custom]
    ) -> None:
        """Replace custom fields, by digest of the patient, or of the patient and the item."""
        owners = self.patients_of({*patients, *(patient for patient, _ in items)})
        for digest, custom in patients.items():
            row = LedgerPatient.objects.filter(pk=owners[digest])
            row.update(content=_sealed({"days": row.get().content["days"]}, custom))
        for (patient, digest), custom in items.items():
            item = LedgerItem.objects.filter(patient=owners[patient], digest=digest)
            original = {k: v for k, v in item.get().content.items() if k != "custom"}
            item.update(content=_sealed(original, custom))

    def patients_of(self, digests: Collection[str]) -> Mapping[str, int]:
        """Return the numbers of the patients of these digests."""
        if unseen := set(digests) - self._numbers.keys():
            ids = LedgerId.objects.filter(namespace=self._row, digest__in=unseen)
            self._numbers |= dict(ids.values_list("digest", "patient_id"))
        return self._numbers


def locked_namespace(name: str) -> LedgerNamespace:
    """Return a namespace, locked until the transaction ends; made if it is new.

    Raises
    ------
    sendit.errors.IdentityError
        When it was closed.
    """
    rows = LedgerNamespace.objects.select_for_update()
    row: LedgerNamespace | None = rows.filter(name=name).first()
    if row is None:
        LedgerNamespace.objects.get_or_create(name=name)
        row = rows.get(name=name)
    if row.closed is not None:
        raise IdentityError(CLOSED)
    return row


def refuse_closed(namespace: str) -> None:
    """Return if names and keys of a namespace may be used.

    Raises
    ------
    sendit.errors.IdentityError
        When it was closed.
    """
    if LedgerNamespace.objects.filter(name=namespace, closed__isnull=False).exists():
        raise IdentityError(CLOSED)


def keep_uids(namespace: str, uids: Mapping[str, str]) -> None:
    """Keep which new UIDs stand for which original ones.

    Parameters
    ----------
    namespace
        Of the key that made them.
    uids
        Original UIDs by the new ones.
    """
    LedgerUid.objects.bulk_create(
        (
            LedgerUid(namespace=namespace, new_uid=new, content=original)
            for new, original in uids.items()
        ),
        ignore_conflicts=True,
        batch_size=1000,
    )


def known_query(
    namespace: str, patients: Sequence[str], items: Sequence[str]
) -> tuple[str, Sequence[str]]:
    """Return the one read of ``find`` and its parameters.

    It is asked for every study, and making it from models would cost more than it does.
    """
    sql = f"""
        SELECT known.digest, namespace.closed, known.patient_id, patient.suid, patient.content,
            item.digest, item.suid, item.content
        FROM {LedgerId._meta.db_table} known
        JOIN {LedgerNamespace._meta.db_table} namespace ON namespace.name = known.namespace_id
        JOIN {LedgerPatient._meta.db_table} patient ON patient.id = known.patient_id
        LEFT JOIN {LedgerItem._meta.db_table} item
            ON item.patient_id = patient.id AND item.digest IN ({_places(items)})
        WHERE known.namespace_id = %s AND known.digest IN ({_places(patients)})
    """  # noqa: S608 - only names of our own tables are put in
    return sql, [*(items or [""]), namespace, *patients]


def _places(values: Sequence[str]) -> str:
    return ", ".join(["%s"] * max(len(values), 1))


def _find(
    namespace: str, patients: Sequence[str], items: Sequence[str]
) -> Mapping[str, KnownPatient]:
    found: dict[str, KnownPatient] = {}
    named: dict[str, dict[str, KnownItem]] = {}
    if not patients:
        return found
    with connection.cursor() as cursor:
        cursor.execute(*known_query(namespace, patients, items))
        rows = cursor.fetchall()
    for digest, closed, number, suid, sealed, item, item_suid, item_sealed in rows:
        if closed is not None:
            raise IdentityError(CLOSED)
        if digest not in found:
            named[digest] = {}
            content = unsealed(sealed)
            found[digest] = KnownPatient(
                number, suid, content["days"], content.get("custom", {}), named[digest]
            )
        if item is not None:
            named[digest][item] = KnownItem(item_suid, unsealed(item_sealed).get("custom", {}))
    return found


def _sealed(content: Mapping[str, object], custom: Custom) -> dict[str, object]:
    return {**content, "custom": dict(custom)} if custom else dict(content)
