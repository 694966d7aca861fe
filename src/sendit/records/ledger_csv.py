"""The ledger as a CSV file, both ways: all of it, or none.

The columns are those of ``kind = "table"`` (``identity.broker_file``), so the map of a trial
can be taken over, and what was exported can be imported elsewhere.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom

from django.db import transaction

from sendit.errors import UsageError
from sendit.identity.allocation import Asked, Digests
from sendit.identity.broker_file import COLUMNS, Entry, Study, read_broker_file
from sendit.identity.store import KnownPatient, NewItem, NewPatient
from sendit.records.ledger import OpenNamespace, locked_namespace
from sendit.records.ledger_tables import LedgerId, LedgerItem

SHOWN = 20
"""Conflicts that a message names; it counts them all."""
_BLOCK = 500


@dataclass(frozen=True, slots=True)
class Place:
    """Where names are brought to, or come from."""

    namespace: str
    digests: Digests
    entity_source: str
    item_source: str
    shifts: Sequence[int] = field(repr=False)
    """What is drawn from for a patient of whom the file says no days."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did."""

    patients: int
    studies: int
    known: int
    """Patients of the file who were there already, under the same name and days."""


def import_file(path: Path, place: Place) -> Imported:
    """Bring the names of a file into a namespace, all or none.

    Raises
    ------
    sendit.errors.UsageError
        With the lines that contradict the ledger.
    sendit.errors.IdentityError
        When everybody can read the file, or it contradicts itself or is none; names the first
        line that does.
    """
    entries = read_broker_file(path, matching=place.digests.matching)
    unique = list({id(entry): entry for entry in entries.values()}.values())
    with transaction.atomic():
        row = locked_namespace(place.namespace)
        ledger = OpenNamespace(row)
        plan = _Plan(place)
        for start in range(0, len(unique), _BLOCK):
            plan.look_at(unique[start : start + _BLOCK], ledger)
        if plan.conflicts:
            shown = "\n".join(f"  line {line}: {what}" for line, what in plan.conflicts[:SHOWN])
            more = len(plan.conflicts) - SHOWN
            raise UsageError(
                f"Nothing was imported from {path}: {len(plan.conflicts)} "
                f"{'line contradicts' if len(plan.conflicts) == 1 else 'lines contradict'} the "
                f"ledger.\n{shown}" + (f"\n  and {more} more" if more > 0 else "")
            )
        ledger.add(plan.patients, plan.items)
        aliases = ledger.patients_of([digest for digest, _ in plan.aliases.values()])
        LedgerId.objects.bulk_create(
            LedgerId(
                namespace=row,
                digest=digest,
                patient_id=aliases[patient],
                content=one.original(),
            )
            for digest, (patient, one) in plan.aliases.items()
        )
    return Imported(len(plan.patients), len(plan.items), plan.known)


class _Plan:
    """What an import adds, and what speaks against it."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._random = SystemRandom()
        self.patients: list[NewPatient] = []
        self.items: list[NewItem] = []
        self.aliases: dict[str, tuple[str, Asked]] = {}
        """By digest of the second id: that of the first, and the second id."""
        self.conflicts: list[tuple[int, str]] = []
        self.known = 0

    def look_at(self, entries: Sequence[Entry], ledger: OpenNamespace) -> None:
        """Plan some entries, beside what the ledger knows."""
        digests = self._place.digests
        asked = {digests.patient(self._asked(entry)): entry for entry in entries}
        items = [digests.item(item) for entry in entries for item, _ in self._items(entry)]
        others = {
            digests.patient(alias): (patient, alias)
            for patient, entry in asked.items()
            for alias in self._aliases(entry)
        }
        found = ledger.find([*asked, *others], items)
        new: dict[str, int] = {}
        for digest, entry in asked.items():
            self._patient(digest, entry, found.get(digest), new)
        for digest, (patient, alias) in others.items():
            known, first = found.get(digest), found.get(patient)
            if known is None:
                self.aliases[digest] = (patient, alias)
            elif first is None or known.number != first.number:
                self.conflicts.append((asked[patient].line, "an id merged here is another patient"))
        for suid in ledger.taken(list(new)):
            self.conflicts.append((new[suid], "a pseudonym is somebody else's in the ledger"))

    def _patient(
        self, digest: str, entry: Entry, known: KnownPatient | None, new: dict[str, int]
    ) -> None:
        if known is None:
            days = entry.shift_days or self._random.choice(self._place.shifts)
            original = self._asked(entry).original()
            self.patients.append(NewPatient(digest, entry.pseudonym, days, original))
            new[entry.pseudonym] = entry.line
        elif known.suid != entry.pseudonym:
            self.conflicts.append((entry.line, "the patient has another pseudonym in the ledger"))
        elif entry.shift_days not in (None, known.shift_days):
            self.conflicts.append((entry.line, "the patient has other shift_days in the ledger"))
        else:
            self.known += 1
        for item, study in self._items(entry):
            number = self._place.digests.item(item)
            there = known.items.get(number) if known is not None else None
            if there is None:
                self.items.append(NewItem(digest, number, study.pseudonym, item.original()))
                new[study.pseudonym] = study.line
            elif there.suid != study.pseudonym:
                self.conflicts.append((study.line, "the study has another pseudonym in the ledger"))

    def _asked(self, entry: Entry) -> Asked:
        return Asked(entry.patient_id, entry.source or self._place.entity_source, entry.issuer)

    def _items(self, entry: Entry) -> Iterator[tuple[Asked, Study]]:
        for study in entry.studies.values():
            yield Asked(study.item, study.source or self._place.item_source), study

    def _aliases(self, entry: Entry) -> Iterator[Asked]:
        for patient_id, issuer in entry.aliases:
            yield Asked(patient_id, entry.source or self._place.entity_source, issuer)


def export_text(place: Place) -> tuple[str, int]:
    """Return a namespace as the text of a CSV file (identifying), and how many patients it has."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, COLUMNS, restval="")
    writer.writeheader()
    studies: dict[int, list[LedgerItem]] = {}
    for item in LedgerItem.objects.filter(namespace=place.namespace).order_by("pk").iterator():
        studies.setdefault(item.patient_id, []).append(item)
    firsts: dict[int, Mapping[str, str]] = {}
    ids = LedgerId.objects.filter(namespace=place.namespace).select_related("patient")
    for row in ids.order_by("pk").iterator():
        base = {
            "patient_id": row.content["id"],
            "patient_pseudonym": row.patient.suid,
            "shift_days": row.patient.content["days"],
            "issuer": row.content.get("issuer", ""),
            "patient_source": _unless(row.content["source"], place.entity_source),
        }
        first = firsts.setdefault(row.patient_id, row.content)
        if first is not row.content:
            writer.writerow({**base, "merged_into": first["id"]})
            continue
        columns = [_columns(study, place) for study in studies.get(row.patient_id, [])]
        writer.writerows({**base, **more} for more in columns or [{}])
    return stream.getvalue(), len(firsts)


def _columns(study: LedgerItem, place: Place) -> dict[str, str]:
    return {
        "item": study.content["id"],
        "study_pseudonym": study.suid,
        "item_source": _unless(study.content["source"], place.item_source),
    }


def _unless(value: str, usual: str) -> str:
    return "" if value == usual else value
