"""Ask BigQuery: questions by its REST interface, load jobs and queries, each wait with an end."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from sendit.errors import TargetError, TargetRefused, TargetUnavailable
from sendit.storage.base import Progress
from sendit.storage.cloud_http import CloudHttp, Told
from sendit.storage.google_answers import explain, read_json
from sendit.storage.google_login import GoogleLogin
from sendit.storage.http_options import HttpOptions
from sendit.storage.together import Traffic

_BOUNDARY = "sendit-7d02e8c3b5"
_RIGHTS = "grant roles/bigquery.jobUser on the project and roles/bigquery.dataEditor on the dataset"
_MISSING = "make the dataset, or set bigquery_project and bigquery_dataset anew"
_FIRST_WAIT, _LONGEST_WAIT = 0.05, 2.0


class BigQueryService:
    """BigQuery, asked about one table.

    Parameters
    ----------
    title
        What messages call the table.
    project
        Empty: that of the credentials.
    location
        Where the dataset is; empty: as ``note_location`` is told.
    """

    def __init__(
        self, options: HttpOptions, login: GoogleLogin, title: str, *, project: str, location: str
    ) -> None:
        self._login = login
        self._title = title
        self._given_project = project
        self._location = location
        self._wait_seconds = options.timeout_seconds
        self._http = CloudHttp(options, login=login, explain=self._explain)
        self.connected = self._http.connected

    @property
    def project(self) -> str:
        """The project of the dataset, which pays for the jobs.

        Raises
        ------
        sendit.errors.TargetRefused
            When nothing names one.
        """
        project = self._given_project or self._login.project
        if not project:
            raise TargetRefused(f"{self._title}: set bigquery_project; the credentials name none.")
        return project

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        allowed: Sequence[int] = (),
    ) -> Told:
        """Ask with a body of JSON, or with none; as ``CloudHttp.ask``."""
        return self._http.ask(
            method,
            path,
            body=(json.dumps(body).encode(),) if body is not None else (),
            headers={"Content-Type": "application/json"} if body is not None else {},
            allowed=allowed,
            traffic=Traffic(),
        )

    def note_location(self, table: Mapping[str, Any]) -> None:
        """Keep where the table is: only with it is a job found again outside the US and EU."""
        there = str(table.get("location", ""))
        if there and there.casefold() != (self._location or there).casefold():
            known = f' to "{there}"' if there.replace("-", "").isalnum() else ""
            raise TargetRefused(
                f"{self._title} is in another location than {self._location}; set "
                f"bigquery_location{known}."
            )
        self._location = self._location or there

    def no_service(self) -> TargetError:
        """Return the error that an answer stands for which is none of BigQuery's."""
        return TargetRefused(
            f"{self._title}: {self._http.url} does not answer as BigQuery; see bigquery_endpoint."
        )

    # Jobs

    def job(self, name: str) -> str:
        """Return the path of a job."""
        return self._path(name, self._location)

    def is_known(self, job: str) -> bool:
        """Say whether a job was started earlier."""
        return self.ask("GET", job, allowed=(404,)).status != 404

    def start(self, name: str, table: Mapping[str, str], content: bytes) -> str:
        """Start a job that adds rows to a table; return its path, none if it is known already."""
        reference = {"projectId": self.project, "jobId": name}
        if self._location:
            reference["location"] = self._location
        about = {
            "jobReference": reference,
            "configuration": {
                "load": {
                    "destinationTable": table,
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
            f"/upload/bigquery/v2/projects/{self.project}/jobs?uploadType=multipart",
            body=(head.encode(), content, f"\r\n--{_BOUNDARY}--\r\n".encode()),
            headers={"Content-Type": f"multipart/related; boundary={_BOUNDARY}"},
            allowed=(409,),
            traffic=Traffic(),
        )
        if told.status == 409:
            return ""
        match read_json(told):
            case {"jobReference": {"jobId": str(known), **rest}}:
                return self._path(known, str(rest.get("location", "")))
        raise self.no_service()

    def wait(self, job: str, progress: Progress) -> object:
        """Wait until a job has ended; return its error, or None."""
        give_up = time.monotonic() + self._wait_seconds
        pause = _FIRST_WAIT
        while True:
            match read_json(self.ask("GET", job)):
                case {"status": {"state": "DONE", **rest}}:
                    return rest.get("errorResult")
                case {"status": {"state": str()}}:
                    progress()
                    self._pause(pause, give_up)
                    pause = min(2 * pause, _LONGEST_WAIT)
                case _:
                    raise self.no_service()

    def query(
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
        base = f"/bigquery/v2/projects/{self.project}/queries"
        told = read_json(self.ask("POST", base, body))
        give_up = time.monotonic() + self._wait_seconds
        rows: list[Sequence[str | None]] = []
        while True:
            progress()
            page = ""
            if told.get("jobComplete"):
                rows += self._cells(told)
                page = str(told.get("pageToken", ""))
                if not page:
                    return rows
            else:
                self._pause(_FIRST_WAIT, give_up)
            told = read_json(self.ask("GET", f"{base}/{self._further(told, page)}"))

    def _further(self, told: Mapping[str, Any], page: str) -> str:
        """Return how a query is asked for again, or for its next page."""
        match told:
            case {"jobReference": {"jobId": str(job), **rest}}:
                asked = {"pageToken": page, "location": rest.get("location", "")}
                return f"{job}?" + urlencode({key: one for key, one in asked.items() if one})
        raise self.no_service()

    def _cells(self, told: Mapping[str, Any]) -> Sequence[Sequence[str | None]]:
        try:
            return [[cell["v"] for cell in row["f"]] for row in told.get("rows", ())]
        except (LookupError, TypeError):
            raise self.no_service() from None

    def _pause(self, seconds: float, give_up: float) -> None:
        if time.monotonic() + seconds > give_up:
            raise TargetUnavailable(
                f"{self._title} was still at work after {self._wait_seconds} s; it is asked again."
            )
        time.sleep(seconds)

    # How it is asked

    def _path(self, job: str, location: str) -> str:
        place = f"?location={location}" if location else ""
        return f"/bigquery/v2/projects/{self.project}/jobs/{job}{place}"

    def _explain(self, told: Told) -> TargetError:
        return explain(
            told,
            location=self._title,
            rights=_RIGHTS,
            missing=_MISSING,
            endpoint="bigquery_endpoint",
        )
