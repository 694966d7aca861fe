"""A strict stand-in for the few calls of BigQuery that we make.

Written from the published REST reference (jobs.insert, jobs.get, jobs.query, tables.get, insert
and patch; the page on error messages), for what the emulator lets through: a job id is used once
(409 ``duplicate``), a row with an unknown column or without a required one fails its job as a
whole (``invalid``), and each call can be answered with an error.  It executes no SQL: of a query
it knows the three forms that ``storage/bigquery.py`` asks.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.cloud import BIGQUERY_PROJECT

Answer = tuple[int, dict[str, Any]]
_QUERY = re.compile(
    r"(?:SELECT (?P<columns>[\w, ()*]+)|(?P<delete>DELETE)) FROM `(?P<table>[^`]+)` "
    r"WHERE (?P<column>\w+) IN UNNEST\(@keys\)"
)


class BigQueryStub:
    """One dataset, ``irb``, of one project; ``url`` is its address."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.running = 0
        """How often a job is said to be running before it is done."""
        self.breaks: list[str] = []
        """Reasons for which the next jobs end although their rows are good."""
        self.asked: list[str] = []
        self.errors: dict[str, list[Answer]] = {}
        """Answers to be given first, by a part of ``METHOD path``."""
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, told = stub.answer(self.command, self.path, body)
                content = json.dumps(told).encode()
                self.send_response_only(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = answer

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        self.asked.append(f"{method} {path}")
        for part, waiting in self.errors.items():
            if part in f"{method} {path}" and waiting:
                return waiting.pop(0)
        place = path.partition("?")[0]
        if f"/projects/{BIGQUERY_PROJECT}/" not in place:
            return error(404, "notFound")
        if place.endswith("/queries"):
            return self._query(json.loads(body))
        if place.startswith("/upload/"):
            return self._load(body)
        if "/jobs/" in place:
            return self._job(place.rsplit("/", 1)[1])
        return self._table(method, place, json.loads(body or b"{}"))

    def _table(self, method: str, place: str, body: dict[str, Any]) -> Answer:
        if "/datasets/irb/" not in place:
            return error(404, "notFound")
        name = place.rsplit("/tables", 1)[1].strip("/")
        if method == "POST":
            name = body["tableReference"]["tableId"]
            if name in self.tables:
                return error(409, "duplicate")
            self.tables[name], self.rows[name] = {**body, "location": "EU"}, []
        if name not in self.tables:
            return error(404, "notFound")
        if method == "PATCH":
            self.tables[name] = {**self.tables[name], **body}
        reference = {"projectId": BIGQUERY_PROJECT, "datasetId": "irb", "tableId": name}
        return 200, {"tableReference": reference, **self.tables[name]}

    def _load(self, body: bytes) -> Answer:
        about, content = _parts(body)
        job = json.loads(about)
        job_id = job["jobReference"]["jobId"]
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,1024}", job_id):
            return error(400, "invalid")
        if job_id in self.jobs:
            return error(409, "duplicate")
        table = job["configuration"]["load"]["destinationTable"]["tableId"]
        if table not in self.tables:
            return error(404, "notFound")
        rows = [json.loads(line) for line in content.splitlines()]
        status: dict[str, Any] = {"state": "DONE"}
        if self.breaks:
            status["errorResult"] = {"reason": self.breaks.pop(), "message": "Retry the job"}
        elif self._are_good(table, rows):
            self.rows[table] += rows
        else:
            status["errorResult"] = {"reason": "invalid", "message": "Error while reading data"}
        job["jobReference"]["location"] = "EU"
        self.jobs[job_id] = {**job, "status": status, "left": self.running}
        return 200, {**job, "status": {"state": "RUNNING"}}

    def _are_good(self, table: str, rows: list[dict[str, Any]]) -> bool:
        columns = {one["name"]: one for one in self.tables[table]["schema"]["fields"]}
        return all(
            row.keys() <= columns.keys()
            and all(
                row.get(name) is not None or one["mode"] != "REQUIRED"
                for name, one in columns.items()
            )
            for row in rows
        )

    def _job(self, job_id: str) -> Answer:
        if job_id not in self.jobs:
            return error(404, "notFound")
        job = self.jobs[job_id]
        job["left"] -= 1
        return 200, job if job["left"] < 0 else {**job, "status": {"state": "RUNNING"}}

    def _query(self, asked: dict[str, Any]) -> Answer:
        found = _QUERY.fullmatch(asked["query"])
        if found is None or asked["useLegacySql"]:
            return error(400, "invalidQuery")
        table = found["table"].rsplit(".", 1)[1]
        if table not in self.tables:
            return error(404, "notFound")
        keys = {
            one["value"] for one in asked["queryParameters"][0]["parameterValue"]["arrayValues"]
        }
        rows = [row for row in self.rows[table] if row[found["column"]] in keys]
        if found["delete"]:
            self.rows[table] = [row for row in self.rows[table] if row not in rows]
            return 200, _result([])
        if found["columns"].startswith("COUNT"):
            return 200, _result([[str(len(rows))]])
        names = found["columns"].split(", ")
        return 200, _result([[row[name] for name in names] for row in rows])


def _parts(body: bytes) -> tuple[bytes, bytes]:
    parts = [part.partition(b"\r\n\r\n")[2] for part in (b"\r\n" + body).split(b"\r\n--")[1:3]]
    return parts[0], parts[1]


def _result(rows: list[list[str]]) -> dict[str, Any]:
    table = [{"f": [{"v": value} for value in row]} for row in rows]
    return {"jobComplete": True, "jobReference": {"jobId": "q"}, "rows": table}


def error(code: int, reason: str) -> Answer:
    """Return an error as the reference shows it."""
    errors = [{"domain": "global", "reason": reason, "message": reason}]
    return code, {"error": {"code": code, "message": reason, "errors": errors}}


@contextmanager
def running_stub() -> Iterator[BigQueryStub]:
    """Run the stub until the block ends."""
    stub = BigQueryStub()
    yield stub
    stub.close()
