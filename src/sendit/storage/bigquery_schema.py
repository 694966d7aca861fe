"""The tables that rows go to: the original sendit's, and our own with types.

Columns are added to a table that lacks some; a column of another type is never changed, since
BigQuery would have to write the whole table anew and others may read it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

SchemaName = Literal["compatible", "instances", "series"]

_SAME_TYPE = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    kind: str = "STRING"
    about: str = ""
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class TableSchema:
    """One sort of table."""

    columns: tuple[Column, ...]
    key: str
    """Column that no two rows share."""
    check: str
    """Column that is other when anything of a row is."""
    place: str
    """Column that says which object a row is of."""
    version: str
    """Column that says of which generation of the object."""
    partition: str = ""
    """Column of dates; one partition a month."""
    cluster: tuple[str, ...] = ()

    def definition(self) -> dict[str, Any]:
        """Return the table as BigQuery's REST interface takes it."""
        table: dict[str, Any] = {"schema": {"fields": [_field(one) for one in self.columns]}}
        if self.partition:
            table["timePartitioning"] = {"type": "MONTH", "field": self.partition}
        if self.cluster:
            table["clustering"] = {"fields": list(self.cluster)}
        return table


_COMMON = (
    Column("row_key", about="SHA-256 of the rest of the row", is_required=True),
    Column("object_uri", about="gs:// address of the object", is_required=True),
    Column("object_generation", about="Generation of the object"),
    Column("patient_id", about="Pseudonym of the patient", is_required=True),
    Column("study_pseudonym", about="Pseudonym of the study"),
    Column("study_instance_uid", about="New Study Instance UID", is_required=True),
    Column("series_instance_uid", about="New Series Instance UID", is_required=True),
    Column("modality"),
    Column("study_date", "DATE", "Shifted date of the study"),
    Column("study_description"),
    Column("series_description"),
    Column("body_part_examined"),
    Column("manufacturer"),
    Column("manufacturer_model_name"),
    Column("patient_sex"),
    Column("patient_age"),
    Column("bytes", "INTEGER", "Of the DICOM files"),
    Column("recipe", about="Digest of the recipe"),
    Column("engine", about="Version of the engine"),
    Column("generation", "INTEGER", "Counts changed content"),
    Column("supplement", "INTEGER", "Counts what came after the first part"),
)
_CLUSTER = ("patient_id", "study_instance_uid", "modality")

SCHEMAS: Final[Mapping[SchemaName, TableSchema]] = {
    "compatible": TableSchema(
        tuple(
            Column(name)
            for name in (
                "storage_download", "storage_metadataLink", "CodedAccessionNumberID",
                "CodedPatientID", "ContentType", "PatientSex", "PatientAge", "Modality",
                "StudyDescription", "DicomHeader",
            )
        ),
        key="storage_download",
        check="DicomHeader",
        place="storage_metadataLink",
        version="storage_download",
    ),
    "instances": TableSchema(
        (
            *_COMMON,
            Column("sop_instance_uid", about="New SOP Instance UID"),
            Column("sop_class_uid"),
            Column("instance_number", "INTEGER"),
            Column("rows", "INTEGER"),
            Column("columns", "INTEGER"),
            Column("number_of_frames", "INTEGER"),
            Column("sha256", about="Of the DICOM file"),
        ),
        key="row_key",
        check="row_key",
        place="object_uri",
        version="object_generation",
        partition="study_date",
        cluster=_CLUSTER,
    ),
    "series": TableSchema(
        (*_COMMON, Column("instances", "INTEGER", "How many there are of the series")),
        key="row_key",
        check="row_key",
        place="object_uri",
        version="object_generation",
        partition="study_date",
        cluster=_CLUSTER,
    ),
}  # fmt: skip


def missing_columns(
    wanted: Sequence[Mapping[str, Any]], there: Sequence[Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]]:
    """Return the columns that a table lacks.

    Raises
    ------
    ValueError
        With what is in the way: a column of another type, or one that every row must have.
    """
    found = {str(one.get("name")).lower(): one for one in there}
    for one in wanted:
        other = found.pop(one["name"].lower(), None)
        if other is not None and _type(other) != _type(one):
            raise ValueError(
                f"its column {one['name']} is {' '.join(_type(other))} and should be "
                f"{' '.join(_type(one))}"
            )
    if strange := [name for name, one in found.items() if one.get("mode") == "REQUIRED"]:
        raise ValueError(f"its column {strange[0]} is REQUIRED, and rows of sendit have none")
    names = {str(one.get("name")).lower() for one in there}
    return [{**one, "mode": "NULLABLE"} for one in wanted if one["name"].lower() not in names]


def _type(column: Mapping[str, Any]) -> tuple[str, ...]:
    kind = str(column.get("type", "")).upper()
    is_list = column.get("mode") == "REPEATED"
    return ("REPEATED", _SAME_TYPE.get(kind, kind)) if is_list else (_SAME_TYPE.get(kind, kind),)


def _field(column: Column) -> dict[str, str]:
    field = {
        "name": column.name,
        "type": column.kind,
        "mode": "REQUIRED" if column.is_required else "NULLABLE",
    }
    return {**field, "description": column.about} if column.about else field
