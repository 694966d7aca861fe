"""Send a folder of instances by one way and print what that took, as JSON.

A program of its own for each run: only the sending is measured, in wall time, in CPU time of
this process, and in the memory that it had at most.  ``bare-…`` are the least that a sender can
do: the same bytes by ``sendfile``, no question before and no look at the answer but its code.
"""

import argparse
import http.client
import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.measure import peak_bytes
from sendit.storage import Package, PackagedInstance, PackagedStudy
from sendit.storage.registry import build

_TARGETS = ("orthanc", "dicomweb", "dicom", "s3", "gcs")
CONNECTIONS = 4
PER_REQUEST = 20


def main() -> int:
    """Send as the command line says."""
    parser = argparse.ArgumentParser(description="Send a folder of instances by one way.")
    parser.add_argument("way", choices=["bare-rest", "bare-stow", *_TARGETS])
    parser.add_argument("folder", type=Path, help="with its manifest.json")
    parser.add_argument("--option", action="append", default=[], help="KEY=VALUE of the target")
    arguments = parser.parse_args()
    options = {key: _typed(value) for key, _, value in (o.partition("=") for o in arguments.option)}
    package = read_package(arguments.folder)
    send = _bare(arguments.way, package, str(options.get("url")))
    if arguments.way in _TARGETS:
        target = build(arguments.way, options, base=Path.cwd())
        send = lambda: target.send(package)  # noqa: E731
    before, begin = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    send()
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "peak_bytes": peak_bytes()}))
    return 0


def read_package(folder: Path) -> Package:
    """Return the package that a ``manifest.json`` describes."""
    rows = json.loads((folder / "manifest.json").read_text())
    studies = []
    for (patient_id, study), members in groupby(rows, key=lambda row: (row[0], row[1])):
        instances = tuple(PackagedInstance(*row[2:]) for row in members)
        studies.append(PackagedStudy(patient_id, study, "S", "", instances))
    return Package(folder, 1, tuple(studies))


def _bare(way: str, package: Package, url: str) -> Callable[[], object]:
    files = [(package.root / one.file, one.size) for one in package.instances]
    step = PER_REQUEST if way == "bare-stow" else 1
    requests = [files[start : start + step] for start in range(0, len(files), step)]

    def send() -> None:
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            lanes = [requests[lane::CONNECTIONS] for lane in range(CONNECTIONS)]
            for done in threads.map(lambda lane: _post(way, url, lane), lanes):
                assert done is None

    return send


def _post(way: str, url: str, requests: Sequence[Sequence[tuple[Path, int]]]) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    for files in requests:
        stow = way == "bare-stow"
        opening = b"\r\n--B\r\nContent-Type: application/dicom\r\n\r\n" if stow else b""
        closing = b"\r\n--B--\r\n" if stow else b""
        path = parts.path + ("/studies" if stow else "/instances")
        connection.putrequest("POST", path)
        if stow:
            kind = 'multipart/related; type="application/dicom"; boundary=B'
            connection.putheader("Content-Type", kind)
            connection.putheader("Accept", "application/dicom+json")
        length = sum(len(opening) + size for _, size in files) + len(closing)
        connection.putheader("Content-Length", str(length))
        connection.endheaders()
        for file, _ in files:
            connection.send(opening)
            with file.open("rb") as stream:
                connection.sock.sendfile(stream)
        connection.send(closing)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{url} answered {answer.status}")
    connection.close()


def _typed(value: str) -> object:
    if value in ("True", "False"):
        return value == "True"
    return int(value) if value.isdecimal() else value


if __name__ == "__main__":
    sys.exit(main())
