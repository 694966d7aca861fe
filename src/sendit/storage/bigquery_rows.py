"""Make the rows of a package for BigQuery from its de-identified results.

Every value is one of a result, which was checked against its original before it was released;
texts are searched once more for what looks like an identifier, and nothing is told if one does.
"""

import csv
import datetime
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote

from sendit.deid import read_header
from sendit.deid.release import Gate
from sendit.deid.release_known import Known
from sendit.errors import Rejected, TargetError, Unreadable
from sendit.storage.base import Package, PackagedInstance, PackagedStudy, Progress, Receipt, Stored
from sendit.storage.bigquery_schema import SCHEMAS, SchemaName
from sendit.storage.objects import DICOM, GZIP

Row = Mapping[str, str | int | None]

_SHARED = (
    "PatientID", "PatientSex", "PatientAge", "Modality", "StudyDate", "StudyDescription",
    "SeriesDescription", "SeriesNumber", "BodyPartExamined", "Manufacturer",
    "ManufacturerModelName", "SOPClassUID", "InstanceNumber", "Rows", "Columns", "NumberOfFrames",
    "StudyInstanceUID", "SeriesInstanceUID", "SliceThickness", "MagneticFieldStrength",
)  # fmt: skip
_TEXTS = ("StudyDescription", "SeriesDescription", "BodyPartExamined", "Manufacturer",
          "ManufacturerModelName", "PatientID")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Described:
    """One instance and what its header says."""

    instance: PackagedInstance
    values: Mapping[str, str]
    stored: Stored


def rows_of(
    package: Package, receipt: Receipt, schema: SchemaName, bucket: str, *, progress: Progress
) -> Sequence[Row]:
    """Return the rows of a package; the same package and receipt give the same rows.

    Raises
    ------
    sendit.errors.TargetError
        When a result cannot be read, or a text looks like an identifier.
    """
    rows: list[Row] = []
    for study in package.studies:
        described = [_described(package, one, receipt, progress) for one in study.instances]
        _check(study, described)
        recipe, engine = _made_by(package, study)
        if schema == "compatible":
            rows += _compatible(study, described, bucket, recipe)
        else:
            groups = [[one] for one in described] if schema == "instances" else _series(described)
            rows += [_typed(study, group, schema, bucket, (recipe, engine)) for group in groups]
    return rows


def place_of(key: str, schema: SchemaName, bucket: str) -> str:
    """Return what rows say of where their object is."""
    return metadata_link(key, bucket) if schema == "compatible" else f"gs://{bucket}/{key}"


def metadata_link(key: str, bucket: str) -> str:
    """Return Google's ``selfLink`` of an object."""
    return f"https://www.googleapis.com/storage/v1/b/{bucket}/o/{quote(key, safe='')}"


def _described(
    package: Package, one: PackagedInstance, receipt: Receipt, progress: Progress
) -> Described:
    try:
        header = read_header(package.root / one.file, fields=_SHARED)
    except Unreadable as error:
        raise TargetError(
            f"The file of instance {one.sop_instance_uid} cannot be read for its row "
            f"({error.reason}). Check the working folder, then retry the batch."
        ) from None
    progress()
    values = {name: str(value).strip() for name, value in header.values.items() if value}
    return Described(one, values, receipt.stored[one.sop_instance_uid])


def _check(study: PackagedStudy, described: Sequence[Described]) -> None:
    texts = {one.values[name] for one in described for name in _TEXTS if name in one.values}
    try:
        Gate().check_names(
            texts | {study.patient_id, study.study_pseudonym}, (), known=Known(), keeps_uids=True
        )
    except Rejected as error:
        raise TargetError(
            f"A row for BigQuery was stopped by the release check ({error.detail}); no row of the "
            "batch was loaded. Let the recipe clean that text, then process the batch again."
        ) from None


def _made_by(package: Package, study: PackagedStudy) -> tuple[str, str]:
    """Return the recipe's digest and the engine's version, as the manifest has them."""
    for document in study.documents:
        if document.name.endswith(".csv"):
            with (package.root / document.file).open(newline="", encoding="utf-8") as stream:
                for line in csv.DictReader(stream):
                    return line.get("recipe", ""), line.get("engine", "")
    return "", ""


def _compatible(
    study: PackagedStudy, described: Sequence[Described], bucket: str, recipe: str
) -> Iterator[Row]:
    """Yield the rows that the original sendit made: one for each object."""
    for key, members in _by(described, lambda one: one.stored.place).items():
        first = members[0].values
        shared = {
            name: value
            for name, value in first.items()
            if all(one.values.get(name) == value for one in members)
        }
        series = _series_by_number(members)
        kind = DICOM if key.endswith(".dcm") else GZIP
        header = {
            **shared,
            "CodedPatientID": study.patient_id,
            "CodedAccessionNumberID": study.study_pseudonym,
            "ContentType": kind,
            "NumberOfSeries": len(series),
            "Series": series,
            "IMAGE_COUNT": len(members),
            "Recipe": recipe,
            "storage_digest": members[0].stored.digest,
        }
        link = f"https://storage.googleapis.com/download/storage/v1/b/{bucket}/o/"
        yield {
            "storage_download": f"{link}{quote(key, safe='')}"
            f"?generation={members[0].stored.version}&alt=media",
            "storage_metadataLink": metadata_link(key, bucket),
            "CodedAccessionNumberID": study.study_pseudonym,
            "CodedPatientID": study.patient_id,
            "ContentType": kind,
            **{
                name: shared.get(name)
                for name in ("PatientSex", "PatientAge", "Modality", "StudyDescription")
            },
            "DicomHeader": json.dumps(header, sort_keys=True),
        }


def _series_by_number(members: Sequence[Described]) -> Mapping[str, Mapping[str, str | int]]:
    """Return what the original told of each series; two may have the same number, or none."""
    series: dict[str, Mapping[str, str | int]] = {}
    for group in _series(members):
        values = group[0].values
        number = values.get("SeriesNumber", "")
        others = sum(one["SeriesNumber"] == number for one in series.values())
        series[f"{number}_{others + 1}" if others or not number else number] = {
            "SeriesNumber": number,
            "Images": len(group),
            "SeriesDescription": values.get("SeriesDescription", ""),
        }
    return series


def _typed(
    study: PackagedStudy,
    group: Sequence[Described],
    schema: SchemaName,
    bucket: str,
    made_by: tuple[str, str],
) -> Row:
    first = group[0]
    values = first.values
    row: dict[str, str | int | None] = {
        "object_uri": f"gs://{bucket}/{first.stored.place}",
        "object_generation": first.stored.version or None,
        "patient_id": study.patient_id,
        "study_pseudonym": study.study_pseudonym or None,
        "study_instance_uid": study.study_instance_uid,
        "series_instance_uid": PurePosixPath(first.instance.file).parts[-2],
        "modality": values.get("Modality"),
        "study_date": _date(study.study_date),
        "study_description": values.get("StudyDescription"),
        "series_description": values.get("SeriesDescription"),
        "body_part_examined": values.get("BodyPartExamined"),
        "manufacturer": values.get("Manufacturer"),
        "manufacturer_model_name": values.get("ManufacturerModelName"),
        "patient_sex": values.get("PatientSex"),
        "patient_age": values.get("PatientAge"),
        "bytes": sum(one.instance.size for one in group),
        "recipe": made_by[0] or None,
        "engine": made_by[1] or None,
        "generation": study.generation,
        "supplement": study.supplement,
    }
    if schema == "series":
        row["instances"] = len(group)
    else:
        row |= {
            "sop_instance_uid": first.instance.sop_instance_uid,
            "sop_class_uid": values.get("SOPClassUID"),
            "instance_number": _number(values.get("InstanceNumber")),
            "rows": _number(values.get("Rows")),
            "columns": _number(values.get("Columns")),
            "number_of_frames": _number(values.get("NumberOfFrames")),
            "sha256": first.instance.sha256,
        }
    told = json.dumps(row, sort_keys=True).encode()
    return {"row_key": hashlib.sha256(told).hexdigest(), **row}


def encode_rows(rows: Sequence[Row], schema: SchemaName) -> bytes:
    """Return the rows as JSON, one a line, with the columns of the schema only."""
    names = [column.name for column in SCHEMAS[schema].columns]
    lines = (json.dumps({name: row.get(name) for name in names}) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode()


def _series(described: Sequence[Described]) -> Sequence[Sequence[Described]]:
    return list(_by(described, lambda one: PurePosixPath(one.instance.file).parts[-2]).values())


def _by(
    described: Sequence[Described], key: Callable[[Described], str]
) -> Mapping[str, Sequence[Described]]:
    groups: dict[str, list[Described]] = defaultdict(list)
    for one in described:
        groups[key(one)].append(one)
    return groups


def _date(value: str) -> str | None:
    try:
        return datetime.datetime.strptime(value, "%Y%m%d").date().isoformat()  # noqa: DTZ007
    except ValueError:
        return None


def _number(value: str | None) -> int | None:
    return int(value) if value and value.lstrip("+-").isdecimal() else None
