"""Measure sending to object stores beside the vendors' own client libraries, on this machine.

::

    python -m benchmarks.cloud [--megabytes 100] [--rounds 3]

All ways store the same files in the same server (SeaweedFS for S3, fake-gcs-server for Google's
store), in turns, each time under keys of their own; the figures are medians of the rounds.  The
library sends the files one by one, and the packed archive as one object; sendit sends the files
with one stream and with several, and the archive packed on the way.  Bytes are noise, so packing
gains nothing.
"""

import argparse
import hashlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ways import PEER_PYTHON
from sendit.storage import Package, PackagedInstance, PackagedStudy
from sendit.storage.registry import build
from tests.support.cloud import KEY, SECRET, running_fake_gcs, running_seaweedfs
from tests.support.system import find_emulator

_SIZE = 512 * 1024
_BOTO = """
import boto3, pathlib, sys, time
from botocore.config import Config
url, bucket, key, secret, prefix, *files = sys.argv[1:]
path_style = Config(s3={"addressing_style": "path"})
client = boto3.client("s3", endpoint_url=url, aws_access_key_id=key, aws_secret_access_key=secret,
                      region_name="us-east-1", config=path_style)
began = time.perf_counter()
for file in files:
    client.upload_file(file, bucket, prefix + "/" + pathlib.Path(file).name)
print(time.perf_counter() - began)
"""
_GOOGLE = """
import pathlib, sys, time
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
url, bucket, prefix, *files = sys.argv[1:]
client = storage.Client(project="test", credentials=AnonymousCredentials(),
                        client_options={"api_endpoint": url})
began = time.perf_counter()
for file in files:
    blob = client.bucket(bucket).blob(prefix + "/" + pathlib.Path(file).name)
    blob.upload_from_filename(file, if_generation_match=0, checksum="crc32c")
print(time.perf_counter() - began)
"""


@dataclass(frozen=True, slots=True)
class Way:
    """One way of sending; ``send`` gets a prefix and returns seconds and CPU seconds of ours."""

    name: str
    send: Callable[[str], tuple[float, float | None]]
    beside: str = ""
    """Which way of the library it is compared with."""


def main() -> int:
    """Measure every way whose server and library are there."""
    parser = argparse.ArgumentParser(description="Measure sending to object stores.")
    parser.add_argument("--megabytes", type=int, default=100, help="How much each way sends.")
    parser.add_argument("--rounds", type=int, default=3, help="How often (3).")
    parser.add_argument("--quick", action="store_true", help="Send 20 MB, once.")
    arguments = parser.parse_args()
    size = 20 if arguments.quick else arguments.megabytes
    rounds = 1 if arguments.quick else arguments.rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = make_package(folder / "clean", size * 1_000_000 // _SIZE)
        packed = _packed(package, folder / "packed")
        for store, program in ((_s3, "weed"), (_gcs, "fake-gcs-server-linux-amd64")):
            found = find_emulator(program)
            if found is None:
                print(f"{program} is not there (make test brings it)", file=sys.stderr)
                continue
            with store(found, package, packed, folder) as ways:
                _compare(ways, len(package.instances), rounds)
    return 0


def make_package(root: Path, n_instances: int) -> Package:
    """Write files of noise and describe them."""
    noise = os.urandom(_SIZE)
    instances = []
    for number in range(n_instances):
        path = root / f"P/1/2/{number}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = number.to_bytes(8, "big") + noise[8:]
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        instances.append(PackagedInstance(str(number), f"P/1/2/{number}.dcm", digest, _SIZE))
    study = PackagedStudy("P", "1", "S", "20200101", tuple(instances))
    return Package(root, 1, (study,))


def _packed(package: Package, folder: Path) -> Path:
    """Return the package's archive as a file, for the library to send."""
    folder.mkdir()
    build("folder", {"path": str(folder), "layout": "archive"}, base=Path("/")).send(package)
    return next(path for path in folder.rglob("*") if path.is_file())


@contextmanager
def _s3(program: Path, package: Package, packed: Path, folder: Path) -> Iterator[list[Way]]:
    (folder / "weed").mkdir()
    with running_seaweedfs(program, folder / "weed") as server:
        words = (server.url, server.bucket, KEY, SECRET)
        own = {"endpoint": server.url, "bucket": server.bucket}
        own |= {"access_key_id": KEY, "secret_access_key": SECRET}
        yield _ways("s3", "boto3", _BOTO, words, own, "prefix", package, packed)


@contextmanager
def _gcs(program: Path, package: Package, packed: Path, folder: Path) -> Iterator[list[Way]]:
    (folder / "gcs").mkdir()
    with running_fake_gcs(program, folder / "gcs") as server:
        own = {"endpoint": server.url, "bucket": server.bucket, "anonymous": True}
        words = (server.url, server.bucket)
        google = "google-cloud-storage"
        yield _ways("gcs", google, _GOOGLE, words, own, "collection", package, packed)


def _ways(
    kind: str,
    library: str,
    code: str,
    words: tuple[str, ...],
    own: Mapping[str, object],
    place: str,
    package: Package,
    packed: Path,
) -> list[Way]:
    """Return the library's ways and ours."""
    files = [str(package.root / one.file) for one in package.instances]

    def of_library(what: list[str]) -> Callable[[str], tuple[float, None]]:
        return lambda prefix: (_library(code, (*words, prefix, *what)), None)

    def of_sendit(**options: object) -> Callable[[str], tuple[float, float]]:
        return lambda prefix: _sendit(kind, {**own, place: prefix, **options}, package)

    return [
        Way(library, of_library(files)),
        Way(f"{library}, archive", of_library([str(packed)])),
        Way(f"sendit {kind}, one stream", of_sendit(layout="tree", connections=1), library),
        Way(f"sendit {kind}, four streams", of_sendit(layout="tree", connections=4), library),
        Way(f"sendit {kind}, archive", of_sendit(layout="archive"), f"{library}, archive"),
    ]


def _library(code: str, words: tuple[str, ...]) -> float:
    done = subprocess.run(
        [str(PEER_PYTHON), "-c", code, *words], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def _sendit(kind: str, options: Mapping[str, object], package: Package) -> tuple[float, float]:
    target = build(kind, options, base=Path("/"))
    began, used = time.perf_counter(), time.process_time()
    receipt = target.send(package)
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    target.verify(package, receipt)
    return seconds, cpu


def _compare(ways: list[Way], n_images: int, rounds: int) -> None:
    took: dict[str, list[tuple[float, float | None]]] = {way.name: [] for way in ways}
    for number in range(rounds):
        for place, way in enumerate(ways):
            took[way.name].append(way.send(f"round{number}way{place}"))
    median = {
        name: statistics.median(seconds for seconds, _ in runs) for name, runs in took.items()
    }
    for way in ways:
        seconds = median[way.name]
        line = f"{way.name:32}{n_images * _SIZE / seconds / 1e6:7.0f} MB/s"
        used = [cpu for _, cpu in took[way.name] if cpu is not None]
        if used:
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            line += f"{1000 * statistics.median(used) / n_images:7.2f} CPU-ms an image"
            line += f"{median[way.beside] / seconds:7.2f} x the library, at most {most:.0f} MiB"
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
