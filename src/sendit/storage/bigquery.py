"""One table of BigQuery: rows are loaded once by jobs, found again, and removed.

A load job takes all rows of a batch or none.  Its id derives from the rows, so that asking for
it again starts nothing (409); and what stands in the table already is looked for before, since
BigQuery forgets jobs.  How BigQuery is asked is ``bigquery_service``'s.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sendit.errors import (
    InstancesMissing,
    TargetConflict,
    TargetError,
    TargetQuotaUsed,
    TargetRefused,
    TargetUnavailable,
    VerificationFailed,
)
from sendit.storage.base import Progress
from sendit.storage.bigquery_rows import Row, encode_rows
from sendit.storage.bigquery_schema import SCHEMAS, SchemaName, missing_columns
from sendit.storage.bigquery_service import BigQueryService
from sendit.storage.cloud_http import Told
from sendit.storage.google_answers import (
    LATER,
    QUOTA_USED,
    QUOTAS,
    first_reason,
    read_json,
)
from sendit.storage.google_login import GoogleLogin
from sendit.storage.http_options import HttpOptions

_KEYS_AT_ONCE = 5000
_MOST_JOBS = 1000
_LATER = (*LATER, "stopped")
"""Reasons for which a job that broke off is started again."""


@dataclass(frozen=True, slots=True)
class TableName:
    """Which table."""

    project: str
    """Empty: that of the credentials."""
    dataset: str
    table: str
    schema: SchemaName
    location: str
    """Where the dataset is (``US``, ``europe-west3``…); empty: BigQuery finds out."""


@dataclass(frozen=True, slots=True)
class _Line:
    """What identifies a row; see ``TableSchema``."""

    place: str
    version: str
    key: str
    check: str


class BigQueryTable:
    """Rows of one table."""

    def __init__(self, options: HttpOptions, login: GoogleLogin, name: TableName) -> None:
        self._name = name
        self._schema = SCHEMAS[name.schema]
        self._service = BigQueryService(
            options, login, self.title, project=name.project, location=name.location
        )
        self.connected = self._service.connected

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"The BigQuery table {self._name.dataset}.{self._name.table}"

    def prepare(self) -> None:
        """Make the table, or add the columns that it lacks.

        Raises
        ------
        sendit.errors.TargetRefused
            When a column has another type, which is never changed, or the table is elsewhere.
        """
        table = self._described() or self._made() or self._described()
        if table is None:
            raise TargetUnavailable(f"{self.title} comes and goes; it is asked again.")
        self._service.note_location(table)
        there = table.get("schema", {}).get("fields", [])
        try:
            missing = missing_columns(self._schema.definition()["schema"]["fields"], there)
        except ValueError as error:
            raise TargetRefused(
                f"{self.title} has another schema: {error}. Types are never changed, since others "
                "may read the table; name another one in bigquery_table, or another bigquery_schema"
                ' ("sendit bigquery schema" shows them).'
            ) from None
        if missing:
            self._service.ask("PATCH", self._path(), {"schema": {"fields": [*there, *missing]}})

    def load(self, rows: Sequence[Row], *, progress: Progress) -> None:
        """Load the rows that are not there yet; the table was prepared.

        Rows of older generations of the same objects, which are not there any more, go.

        Raises
        ------
        sendit.errors.TargetConflict
            When a row of the same object says something else.
        """
        number, is_new = 0, False
        while left := self._left(rows, progress):
            if is_new:
                raise TargetError(
                    f"{self.title} does not show rows that were loaded; see its jobs."
                )
            number, is_new = self._run_load(left, number + 1, progress)

    def verify(self, rows: Sequence[Row], *, progress: Progress) -> None:
        """Return if every row is there once, as it was loaded, and no other of the objects.

        Raises
        ------
        sendit.errors.InstancesMissing
            When some are not there.
        sendit.errors.VerificationFailed
            When others are.
        """
        found = Counter(self._find(rows, progress))
        wanted = Counter(self._line(row) for row in rows)
        missing, other = (wanted - found).total(), (found - wanted).total()
        if other:
            raise VerificationFailed(
                f"{self.title} does not hold {missing + other} of the rows once, as they were "
                "loaded. Remove those that do not belong there, then retry the batch."
            )
        if missing:
            raise InstancesMissing(f"{self.title} does not hold {missing} of the rows any more.")

    def remove(self, places: Sequence[str], *, progress: Progress) -> int:
        """Remove the rows of some objects; return how many are left."""
        if self._described() is None:
            return 0
        where = f"FROM {self._quoted()} WHERE {self._schema.place} IN UNNEST(@keys)"
        left = 0
        for some in _slices(places):
            self._service.query(f"DELETE {where}", some, progress)
            found = self._service.query(f"SELECT COUNT(*) {where}", some, progress)
            left += int(found[0][0] or 0)
        return left

    # Rows

    def _left(self, rows: Sequence[Row], progress: Progress) -> Sequence[Row]:
        """Remove rows that are outdated and return the rows that are not there."""
        found = self._find(rows, progress)
        self._remove_outdated(rows, found, progress)
        there = {one.key for one in found}
        return [row for row in rows if self._line(row).key not in there]

    def _find(self, rows: Sequence[Row], progress: Progress) -> Sequence["_Line"]:
        """Return the rows that are there of the same objects."""
        one = self._schema
        text = (
            f"SELECT {one.place}, {one.version}, {one.key}, {one.check} FROM {self._quoted()} "  # noqa: S608
            f"WHERE {one.place} IN UNNEST(@keys)"
        )
        found: list[_Line] = []
        for some in _slices(sorted({self._line(row).place for row in rows})):
            answer = self._service.query(text, some, progress)
            found += [_Line(*(str(value or "") for value in line)) for line in answer]
        return found

    def _remove_outdated(
        self, rows: Sequence[Row], found: Sequence["_Line"], progress: Progress
    ) -> None:
        """Remove rows of generations that are not there any more; others must be ours."""
        ours = {self._line(row) for row in rows}
        now = {(one.place, one.version) for one in ours}
        others = [one for one in found if one not in ours]
        if any((one.place, one.version) in now for one in others):
            raise TargetConflict(
                f"{self.title} has a row of the same object with other content, which was left "
                "alone. Remove it if it does not belong there, then retry the batch."
            )
        where = f"WHERE {self._schema.key} IN UNNEST(@keys)"
        for some in _slices([one.key for one in others]):
            self._service.query(f"DELETE FROM {self._quoted()} {where}", some, progress)  # noqa: S608

    def _line(self, row: Row) -> "_Line":
        one = self._schema
        return _Line(
            *(str(row[name] or "") for name in (one.place, one.version, one.key, one.check))
        )

    # Jobs

    def _run_load(self, rows: Sequence[Row], first: int, progress: Progress) -> tuple[int, bool]:
        """Run a load job, or wait for one that was started; return its number, and if it is new.

        A job that failed earlier is no matter, the next one follows.
        """
        content = encode_rows(rows, self._name.schema)
        table = f"{self._name.dataset}.{self._name.table}"
        digest = hashlib.sha256(f"{table}\n".encode() + content).hexdigest()[:32]
        for number in range(first, _MOST_JOBS):
            name = f"sendit-{digest}-{number}"
            job, started = self._service.job(name), ""
            # Only the first is begun without a look: of others the rows would go in vain.
            if number == first or not self._service.is_known(job):
                started = self._service.start(name, self._reference(), content)
            error = self._service.wait(started or job, progress)
            if error is None:
                return number, bool(started)
            if started:
                raise self._failed(name, first_reason(error))
        raise TargetError(f"{self.title} has failed {_MOST_JOBS} jobs of these rows; see its jobs.")

    def _failed(self, name: str, reason: str) -> TargetError:
        if reason in QUOTAS:
            return TargetQuotaUsed(f"{self.title} did not take the rows ({reason}): {QUOTA_USED}.")
        later = reason in _LATER
        return (TargetUnavailable if later else TargetError)(
            f"{self.title} did not take the rows ({reason}); no row of the batch was loaded. "
            + ("It is tried again." if later else f"See the job {name}.")
        )

    # Tables

    def _described(self) -> Mapping[str, Any] | None:
        """Return what BigQuery says of the table; None when it is not there."""
        told = self._service.ask("GET", self._path(), allowed=(404,))
        return None if told.status == 404 else self._table_of(told)

    def _made(self) -> Mapping[str, Any] | None:
        """Make the table; None when another worker has made it meanwhile."""
        body = {"tableReference": self._reference(), **self._schema.definition()}
        told = self._service.ask("POST", f"{self._dataset()}/tables", body, allowed=(409,))
        return None if told.status == 409 else self._table_of(told)

    def _table_of(self, told: Told) -> Mapping[str, Any]:
        table = read_json(told)
        if "tableReference" not in table:
            raise self._service.no_service()
        return table

    def _reference(self) -> dict[str, str]:
        one = self._name
        return {"projectId": self._service.project, "datasetId": one.dataset, "tableId": one.table}

    def _dataset(self) -> str:
        return f"/bigquery/v2/projects/{self._service.project}/datasets/{self._name.dataset}"

    def _path(self) -> str:
        return f"{self._dataset()}/tables/{self._name.table}"

    def _quoted(self) -> str:
        return f"`{self._service.project}.{self._name.dataset}.{self._name.table}`"


def _slices(values: Sequence[str]) -> Sequence[Sequence[str]]:
    return [values[at : at + _KEYS_AT_ONCE] for at in range(0, len(values), _KEYS_AT_ONCE)]
