"""Measure sending to object stores beside the vendors' own client libraries, on this machine.

::

    python -m benchmarks.cloud [--megabytes 400]

Each way stores the same files in the same server (SeaweedFS for S3, fake-gcs-server for Google's
store), one after the other: the library with one stream, sendit with one and with several, and
sendit as an archive, which is packed on the way.  Bytes are noise, so packing gains nothing.
"""

import argparse
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
url, bucket, key, secret, folder = sys.argv[1:]
path_style = Config(s3={"addressing_style": "path"})
client = boto3.client("s3", endpoint_url=url, aws_access_key_id=key, aws_secret_access_key=secret,
                      region_name="us-east-1", config=path_style)
files = sorted(pathlib.Path(folder).rglob("*.dcm"))
began = time.perf_counter()
for file in files:
    client.upload_file(str(file), bucket, "boto3/" + file.name)
print(time.perf_counter() - began)
"""
_GOOGLE = """
import pathlib, sys, time
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
url, bucket, folder = sys.argv[1:]
client = storage.Client(project="test", credentials=AnonymousCredentials(),
                        client_options={"api_endpoint": url})
files = sorted(pathlib.Path(folder).rglob("*.dcm"))
began = time.perf_counter()
for file in files:
    blob = client.bucket(bucket).blob("google/" + file.name)
    blob.upload_from_filename(str(file), if_generation_match=0, checksum="crc32c")
print(time.perf_counter() - began)
"""


def main() -> int:
    """Measure every way whose server and library are there."""
    parser = argparse.ArgumentParser(description="Measure sending to object stores.")
    parser.add_argument("--megabytes", type=int, default=400, help="How much each way sends.")
    parser.add_argument("--quick", action="store_true", help="Send 20 MB.")
    arguments = parser.parse_args()
    size = 20 if arguments.quick else arguments.megabytes
    with tempfile.TemporaryDirectory() as name:
        package = make_package(Path(name) / "clean", size * 1_000_000 // _SIZE)
        for store in (_s3, _gcs):
            store(package, Path(name))
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


def _s3(package: Package, folder: Path) -> None:
    program = find_emulator("weed")
    if program is None:
        print("s3: SeaweedFS is not there (make test brings it)", file=sys.stderr)
        return
    with _folder(folder / "weed") as data, running_seaweedfs(program, data) as server:
        words = (server.url, server.bucket, KEY, SECRET, str(package.root))
        _library("boto3", _BOTO, words, package)
        own = {"endpoint": server.url, "bucket": server.bucket}
        keys = {"access_key_id": KEY, "secret_access_key": SECRET}
        for name, options in _manners("prefix").items():
            _sendit("s3", name, {**own, **keys, **options}, package)


def _gcs(package: Package, folder: Path) -> None:
    program = find_emulator("fake-gcs-server-linux-amd64")
    if program is None:
        print("gcs: fake-gcs-server is not there (make test brings it)", file=sys.stderr)
        return
    with _folder(folder / "gcs") as data, running_fake_gcs(program, data) as server:
        words = (server.url, server.bucket, str(package.root))
        _library("google-cloud-storage", _GOOGLE, words, package)
        own = {"endpoint": server.url, "bucket": server.bucket, "anonymous": True}
        for name, options in _manners("collection").items():
            _sendit("gcs", name, {**own, **options}, package)


def _manners(place: str) -> Mapping[str, Mapping[str, object]]:
    return {
        "one stream": {place: "one", "layout": "tree", "connections": 1},
        "four streams": {place: "four", "layout": "tree", "connections": 4},
        "archive": {place: "archive", "layout": "archive"},
    }


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    path.mkdir()
    yield path


def _library(name: str, code: str, words: tuple[str, ...], package: Package) -> None:
    done = subprocess.run(
        [str(PEER_PYTHON), "-c", code, *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(f"{name}: cannot be measured (make bench brings it)", file=sys.stderr)
        return
    _tell(name, float(done.stdout), package)


def _sendit(kind: str, name: str, options: Mapping[str, object], package: Package) -> None:
    target = build(kind, options, base=Path("/"))
    began, used = time.perf_counter(), time.process_time()
    receipt = target.send(package)
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    _tell(f"sendit {kind}, {name}", seconds, package, cpu)
    began = time.perf_counter()
    target.verify(package, receipt)
    _tell(f"sendit {kind}, {name}, reading back", time.perf_counter() - began, package)


def _tell(name: str, seconds: float, package: Package, cpu: float | None = None) -> None:
    count = len(package.instances)
    line = f"{name:40} {count * _SIZE / seconds / 1e6:7.0f} MB/s {count / seconds:7.0f} images/s"
    if cpu is not None:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        line += f" {1000 * cpu / count:6.2f} CPU-ms an image, at most {most:.0f} MiB"
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
