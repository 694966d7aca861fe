"""Read the honest broker's file, and refuse one that contradicts itself.

A wrong line would give two patients one name, or one patient two, and nobody would see it in
what was delivered; so every line is checked each time.  Messages name lines, never values.
"""

import csv
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TextIO

from pydantic import AfterValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from sendit.deid.files import absolute
from sendit.deid.identities import normal_id
from sendit.errors import IdentityError, IdentityUnavailable
from sendit.identity.matching import Matching

NEEDED = ("patient_id", "patient_pseudonym")
COLUMNS = (
    *NEEDED,
    "shift_days",
    "item",
    "study_pseudonym",
    "issuer",
    "merged_into",
    "patient_source",
    "item_source",
)

_PSEUDONYM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LENGTHS = {"patient_pseudonym": 64, "study_pseudonym": 16}
"""What Patient ID (VR LO) and Accession Number (VR SH) can hold."""
_DAYS = re.compile(r"-?[1-9][0-9]{0,4}")


def _absolute(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get("base", Path.cwd())
    try:
        return absolute(path, base=base)
    except ValueError as error:
        raise PydanticCustomError("path", "{text}", {"text": str(error)}) from None


LocalPath = Annotated[Path, AfterValidator(_absolute)]
"""A path in a configuration file; a relative one counts from the folder of that file."""


@dataclass(slots=True)
class Study:
    """What the file says about one study."""

    item: str = field(repr=False)
    pseudonym: str = field(repr=False)
    line: int
    source: str = ""


@dataclass(slots=True)
class Entry:
    """What the file says about one patient."""

    patient_id: str = field(repr=False)
    """As its first line writes it."""
    issuer: str = field(repr=False)
    pseudonym: str = field(repr=False)
    shift_days: int | None = field(repr=False)
    """None: the file leaves it open."""
    line: int
    """The first line about the patient."""
    source: str = ""
    studies: dict[str, Study] = field(default_factory=dict, repr=False)
    """By the form in which two spellings of the item are the same."""
    aliases: list[tuple[str, str]] = field(default_factory=list, repr=False)
    """Further ids of the patient, each with its issuer."""


def read_broker_file(path: Path, *, matching: Matching) -> Mapping[str, Entry]:
    """Return what the file says, by the form in which two spellings of a patient are the same.

    Parameters
    ----------
    path
        The file.
    matching
        Which spellings of an id are the same patient.

    Raises
    ------
    sendit.errors.IdentityUnavailable
        When it cannot be read now.
    sendit.errors.IdentityError
        When everybody can read it, or it contradicts itself; names the first line that does.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            if os.fstat(stream.fileno()).st_mode & 0o007:
                raise IdentityError(f"{path} can be read by everybody. Run: chmod o= {path}")
            return _read(stream, path, matching)
    except OSError as error:
        raise IdentityUnavailable(f"{path} cannot be read ({error.strerror}).") from error
    except (UnicodeDecodeError, csv.Error):
        raise IdentityError(f"{path} is not a CSV file in UTF-8. Save it as one.") from None


def _read(stream: TextIO, path: Path, matching: Matching) -> Mapping[str, Entry]:
    entries: dict[str, Entry] = {}
    owners: dict[str, str] = {}
    for line, row in _rows(stream, path):
        patient = matching.patient(row["patient_id"], row["issuer"])
        root = matching.patient(row["merged_into"], row["issuer"]) or patient
        item = matching.item(row["item"])
        known = entries.get(root)
        if (
            problem := _problem(row, known)
            or _alias_problem(row, known, entries.get(patient))
            or _taken(row, owners, root, item)
        ):
            raise IdentityError(f"{path}, line {line}: {problem}. Mend it and try again.")
        entry = entries.setdefault(
            root,
            Entry(
                row["patient_id"],
                row["issuer"],
                row["patient_pseudonym"],
                _days(row),
                line,
                row["patient_source"],
            ),
        )
        if entries.setdefault(patient, entry) is entry and row["merged_into"]:
            entry.aliases.append((row["patient_id"], row["issuer"]))
        owners[normal_id(row["patient_pseudonym"])] = root
        if item:
            entry.studies[item] = Study(
                row["item"], row["study_pseudonym"], line, row["item_source"]
            )
            owners[normal_id(row["study_pseudonym"])] = _study(root, item)
    ids = {normal_id(entry.patient_id) for entry in entries.values()}
    if owners.keys() & ids:
        raise IdentityError(
            f"{path}: a pseudonym is the patient_id of another line. Choose others that nobody has."
        )
    return entries


def _rows(stream: TextIO, path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield every line that holds something, with all columns, each without blanks around."""
    reader = csv.DictReader(stream, strict=True)
    names = reader.fieldnames or ()
    if not set(NEEDED) <= set(names) or not set(names) <= set(COLUMNS):
        raise IdentityError(
            f"{path}: the first line has to name the columns, separated by commas: "
            f"{', '.join(COLUMNS)}; the first two are needed."
        )
    for row in reader:
        if None in row or None in row.values():
            raise IdentityError(
                f"{path}, line {reader.line_num}: has more or fewer columns than the first line."
            )
        values = {name: row.get(name, "").strip() for name in COLUMNS}
        if any(values.values()):
            yield reader.line_num, values


def _problem(row: Mapping[str, str], known: Entry | None) -> str:
    """Say what is wrong with a line, beside those about the same patient; empty when nothing is."""
    patient, pseudonym = normal_id(row["patient_id"]), row["patient_pseudonym"]
    if not patient:
        return "patient_id is empty"
    for column, length in _LENGTHS.items():
        value = row[column]
        if not value and column not in NEEDED:
            continue
        if len(value) > length or not _PSEUDONYM.fullmatch(value):
            return (
                f"{column} is not 1 to {length} of A-Z a-z 0-9 . _ -, the first a letter or digit"
            )
        if normal_id(value) in (patient, normal_id(row["item"])):
            return f"{column} is the identifier itself"
    if row["shift_days"] and not _DAYS.fullmatch(row["shift_days"]):
        return "shift_days is not a whole number other than 0"
    if bool(row["item"]) != bool(row["study_pseudonym"]):
        return "item and study_pseudonym belong together"
    if known is not None and pseudonym != known.pseudonym:
        return "the patient has another patient_pseudonym in a line above"
    if known is not None and _days(row) != known.shift_days:
        return "the patient has other shift_days in a line above"
    return ""


def _alias_problem(row: Mapping[str, str], root: Entry | None, own: Entry | None) -> str:
    """Say what is wrong with a line about a second id of a patient; empty when nothing is."""
    if not row["merged_into"]:
        return ""
    if root is None:
        return "merged_into is the patient_id of no line above"
    if own is not None and own is not root:
        return "the patient has a line of its own above, and is merged into another"
    return "" if not row["item"] else "item stands in a line of the patient who was merged into"


def _days(row: Mapping[str, str]) -> int | None:
    return int(row["shift_days"]) if row["shift_days"] else None


def _study(patient: str, item: str) -> str:
    return f"{patient}\0\0{item}"


def _taken(row: Mapping[str, str], owners: Mapping[str, str], patient: str, item: str) -> str:
    """Say which pseudonym of a line names somebody or something else already."""
    name, study = (normal_id(row[column]) for column in _LENGTHS)
    if owners.get(name, patient) != patient:
        return "patient_pseudonym is taken by a line above"
    if item and owners.get(study, _study(patient, item)) != _study(patient, item):
        return "study_pseudonym is taken by a line above"
    if name == study:
        return "patient_pseudonym and study_pseudonym are the same"
    return ""
