"""One table of BigQuery: rows are loaded once by jobs, found again, and removed.

A load job takes all rows of a batch or none.  Its id derives from the rows, so that asking for
it again starts nothing (409); and what stands in the table already is looked for before, since
BigQuery forgets jobs.  Every wait has an end.
"""

import hashlib
import json
import time
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
from sendit.storage.cloud_http import CloudHttp, Told
from sendit.storage.google_answers import (
    LATER,
    QUOTA_USED,
    QUOTAS,
    explain,
    first_reason,
    read_json,
)
from sendit.storage.google_login import GoogleLogin
from sendit.storage.http_options import HttpOptions
from sendit.storage.together import Traffic

_BOUNDARY = "sendit-7d02e8c3b5"
_RIGHTS = "grant roles/bigquery.jobUser on the project and roles/bigquery.dataEditor on the dataset"
_MISSING = "make the dataset, or set bigquery_project and bigquery_dataset anew"
_KEYS_AT_ONCE = 5000
_MOST_JOBS = 20
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 2.0
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
        self._login = login
        self._name = name
        self._schema = SCHEMAS[name.schema]
        self._location = name.location
        self._wait_seconds = options.timeout_seconds
        self._http = CloudHttp(options, login=login, explain=self._explain)
        self.connected = self._http.connected

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
        path = f"{self._dataset()}/tables/{self._name.table}"
        told = self._ask("GET", path, allowed=(404,))
        if told.status == 404:
            self._make()
            return
        table = read_json(told)
        self._note_location(table)
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
            self._ask("PATCH", path, {"schema": {"fields": [*there, *missing]}})

    def load(self, rows: Sequence[Row], *, progress: Progress) -> None:
        """Load the rows that are not there yet; the table was prepared.

        Rows of older generations of the same objects, which are not there any more, go.

        Raises
        ------
        sendit.errors.TargetConflict
            When a row of the same object says something else.
        """
        for number in range(1, _MOST_JOBS):
            found = self._find(rows, progress)
            self._remove_outdated(rows, found, progress)
            there = {one.key for one in found}
            left = [row for row in rows if self._line(row).key not in there]
            if not left:
                return
            self._run_load(left, number, progress)
        raise TargetError(f"{self.title} does not show rows that were loaded; see its jobs.")

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
        told = self._ask("GET", f"{self._dataset()}/tables/{self._name.table}", allowed=(404,))
        if told.status == 404:
            return 0
        where = f"FROM {self._quoted()} WHERE {self._schema.place} IN UNNEST(@keys)"
        left = 0
        for some in _slices(places):
            self._query(f"DELETE {where}", some, progress)
            found = self._query(f"SELECT COUNT(*) {where}", some, progress)
            left += int(found[0][0] or 0)
        return left

    # Rows

    def _find(self, rows: Sequence[Row], progress: Progress) -> Sequence["_Line"]:
        """Return the rows that are there of the same objects."""
        one = self._schema
        text = (
            f"SELECT {one.place}, {one.version}, {one.key}, {one.check} FROM {self._quoted()} "  # noqa: S608
            f"WHERE {one.place} IN UNNEST(@keys)"
        )
        found: list[_Line] = []
        for some in _slices(sorted({self._line(row).place for row in rows})):
            answer = self._query(text, some, progress)
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
            self._query(f"DELETE FROM {self._quoted()} {where}", some, progress)  # noqa: S608

    def _line(self, row: Row) -> "_Line":
        one = self._schema
        return _Line(
            *(str(row[name] or "") for name in (one.place, one.version, one.key, one.check))
        )

    # Jobs

    def _run_load(self, rows: Sequence[Row], number: int, progress: Progress) -> None:
        """Start a load job, or find the one that was started; wait until it has ended."""
        content = encode_rows(rows, self._name.schema)
        table = f"{self._name.dataset}.{self._name.table}"
        digest = hashlib.sha256(f"{table}\n".encode() + content).hexdigest()[:32]
        reference = {"projectId": self._project(), "jobId": f"sendit-{digest}-{number}"}
        if self._location:
            reference["location"] = self._location
        about = {
            "jobReference": reference,
            "configuration": {
                "load": {
                    "destinationTable": self._reference(),
                    "sourceFormat": "NEWLINE_DELIMITED_JSON",
                    "createDisposition": "CREATE_NEVER",
                    "writeDisposition": "WRITE_APPEND",
                    "maxBadRecords": 0,
                }
            },
        }
        head = (
            f"--{_BOUNDARY}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n"
            f"{json.dumps(about)}\r\n--{_BOUNDARY}\r\n"
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        told = self._http.ask(
            "POST",
            f"/upload/bigquery/v2/projects/{self._project()}/jobs?uploadType=multipart",
            body=(head.encode(), content, f"\r\n--{_BOUNDARY}--\r\n".encode()),
            headers={"Content-Type": f"multipart/related; boundary={_BOUNDARY}"},
            allowed=(409,),
            traffic=Traffic(),
        )
        was_known = told.status == 409
        job = {"jobReference": reference} if was_known else read_json(told)
        self._wait(job, progress, was_known=was_known)

    def _wait(self, job: Mapping[str, Any], progress: Progress, *, was_known: bool) -> None:
        """Wait until a job has ended; an older one that failed is no matter, a new one follows."""
        reference = job["jobReference"]
        path = f"/bigquery/v2/projects/{reference['projectId']}/jobs/{reference['jobId']}"
        place = f"?location={reference['location']}" if reference.get("location") else ""
        give_up = time.monotonic() + self._wait_seconds
        pause = _FIRST_WAIT
        while job.get("status", {}).get("state") != "DONE":
            if "status" in job:
                self._pause(pause, give_up)
                pause = min(2 * pause, _LONGEST_WAIT)
            job = read_json(self._ask("GET", path + place))
            progress()
        if (error := job["status"].get("errorResult")) and not was_known:
            reason = first_reason(error)
            if reason in QUOTAS:
                raise TargetQuotaUsed(
                    f"{self.title} did not take the rows ({reason}): {QUOTA_USED}."
                )
            later = reason in _LATER
            raise (TargetUnavailable if later else TargetError)(
                f"{self.title} did not take the rows ({reason}); no row of the batch was loaded. "
                + ("It is tried again." if later else f"See the job {reference['jobId']}.")
            )

    def _query(
        self, text: str, keys: Sequence[str], progress: Progress
    ) -> Sequence[Sequence[str | None]]:
        """Run a query with a list of keys and return its rows."""
        body: dict[str, Any] = {
            "query": text,
            "useLegacySql": False,
            "parameterMode": "NAMED",
            "queryParameters": [
                {
                    "name": "keys",
                    "parameterType": {"type": "ARRAY", "arrayType": {"type": "STRING"}},
                    "parameterValue": {"arrayValues": [{"value": key} for key in keys]},
                }
            ],
        }
        if self._location:
            body["location"] = self._location
        base = f"/bigquery/v2/projects/{self._project()}/queries"
        told = read_json(self._ask("POST", base, body))
        give_up = time.monotonic() + self._wait_seconds
        rows: list[Sequence[str | None]] = []
        while True:
            progress()
            more = {}
            if told.get("jobComplete"):
                rows += [[cell.get("v") for cell in row["f"]] for row in told.get("rows", ())]
                if not told.get("pageToken"):
                    return rows
                more = {"pageToken": told["pageToken"]}
            else:
                self._pause(_FIRST_WAIT, give_up)
            reference = told["jobReference"]
            asked = {**more, "location": reference.get("location", "")}
            words = "&".join(f"{name}={value}" for name, value in asked.items() if value)
            told = read_json(self._ask("GET", f"{base}/{reference['jobId']}?{words}"))

    def _pause(self, seconds: float, give_up: float) -> None:
        if time.monotonic() + seconds > give_up:
            raise TargetUnavailable(
                f"{self.title} was still at work after {self._wait_seconds} s; it is asked again."
            )
        time.sleep(seconds)

    # Tables

    def _make(self) -> None:
        body = {"tableReference": self._reference(), **self._schema.definition()}
        told = self._ask("POST", f"{self._dataset()}/tables", body, allowed=(409,))
        if told.status == 409:  # another worker has made it meanwhile
            self.prepare()
        self._note_location(read_json(told))

    def _note_location(self, table: Mapping[str, Any]) -> None:
        """Keep where the table is: only with it is a job found again outside the US and EU."""
        there = str(table.get("location", ""))
        if there and there.casefold() != (self._location or there).casefold():
            known = f' to "{there}"' if there.replace("-", "").isalnum() else ""
            raise TargetRefused(
                f"{self.title} is in another location than {self._location}; set "
                f"bigquery_location{known}."
            )
        self._location = self._location or there

    def _reference(self) -> dict[str, str]:
        one = self._name
        return {"projectId": self._project(), "datasetId": one.dataset, "tableId": one.table}

    def _project(self) -> str:
        project = self._name.project or self._login.project
        if not project:
            raise TargetRefused(f"{self.title}: set bigquery_project; the credentials name none.")
        return project

    def _dataset(self) -> str:
        return f"/bigquery/v2/projects/{self._project()}/datasets/{self._name.dataset}"

    def _quoted(self) -> str:
        return f"`{self._project()}.{self._name.dataset}.{self._name.table}`"

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        allowed: Sequence[int] = (),
    ) -> Told:
        return self._http.ask(
            method,
            path,
            body=(json.dumps(body).encode(),) if body is not None else (),
            headers={"Content-Type": "application/json"} if body is not None else {},
            allowed=allowed,
            traffic=Traffic(),
        )

    def _explain(self, told: Told) -> TargetError:
        return explain(told, location=self.title, rights=_RIGHTS, missing=_MISSING)


def _slices(values: Sequence[str]) -> Sequence[Sequence[str]]:
    return [values[at : at + _KEYS_AT_ONCE] for at in range(0, len(values), _KEYS_AT_ONCE)]
