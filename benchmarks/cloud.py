"""Measure sending to object stores beside the vendors' own client libraries, on this machine.

::

    python -m benchmarks.cloud [--megabytes 100] [--rounds 3] [--pictures]

All ways send the same study, each in a process of its own and in turns; the figures are medians
of the rounds.  The library sends the same files one by one, and all of them in one tar that is
not packed, which is what there is to send without us; and what we send, the archive: as a file that
is ready, not packed (``pack = false``, called loose) and packed, and with the time for packing it
before (by our packer, which is quicker than ``tar``).  sendit makes the archive while it sends it.
Bytes are noise, as of compressed
pictures, so packing gains nothing; or a CT and two MR of real scanners that are not compressed,
which become half as large.  Megabytes are those of the files in every line.  The last columns
say how many times quicker than each way of the library one of ours is.

Each way meets four servers.  SeaweedFS (S3) and fake-gcs-server (Google's) share the processors
with who sends, and cost more than both: what is measured there is mostly them.  ``null_cloud``
takes bytes and keeps nothing: what is measured there is who sends; behind a line of 1 Gbit/s,
whether who sends keeps it full; and with answers that come 50 ms later, how often who sends waits.
"""

import argparse
import hashlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom.data import get_testdata_file

from benchmarks.deliver import read_package
from benchmarks.ways import PEER_PYTHON, ROOT
from sendit.storage import Package
from sendit.storage.archive import plan_archives, write_archive
from tests.support.cloud import KEY, SECRET, running_fake_gcs, running_seaweedfs
from tests.support.system import find_emulator

_SIZE = 512 * 1024
_SCANNED = ("693_UNCI.dcm", "MR-SIEMENS-DICOM-WithOverlays.dcm", "MR2_UNCR.dcm")
_AWS = {
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_DEFAULT_REGION": "us-east-1",
}
_NULL = {
    "null_cloud": (),
    "null_cloud at 1 Gbit/s": ("125",),
    "null_cloud at 1 Gbit/s, 50 ms away": ("125", "50"),
}


@dataclass(frozen=True, slots=True)
class Took:
    """What one run took."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Way:
    """One way of sending, to a place in the store."""

    name: str
    send: Callable[[str], Took]
    column: str = ""
    """What it is called where ours are compared with it."""
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is sent."""

    package: Package
    archive: Path
    loose: Path
    """The same archive where nothing becomes smaller."""
    unpacked: Path

    @property
    def megabytes(self) -> float:
        """Size of the files."""
        return sum(one.size for one in self.package.instances) / 1e6

    def make_unpacked(self) -> None:
        """Put the files into a tar."""
        with tarfile.open(self.unpacked, "w") as tar:
            for one in self.package.instances:
                tar.add(self.package.root / one.file, one.file)

    def pack(self) -> tuple[float, float]:
        """Pack the archive and return how many seconds that took, by the clock and of CPU."""
        began, cpu_before = time.perf_counter(), time.process_time()
        self._write(self.archive, pack=True)
        return time.perf_counter() - began, time.process_time() - cpu_before

    def make_loose(self) -> None:
        """Make the archive that is not packed."""
        self._write(self.loose, pack=False)

    def _write(self, path: Path, *, pack: bool) -> None:
        (archive,) = plan_archives(self.package, pack=pack)
        with path.open("wb") as stream:
            write_archive(stream, archive, progress=lambda: None)


def main() -> int:
    """Measure every way whose server and library are there."""
    parser = argparse.ArgumentParser(description="Measure sending to object stores.")
    parser.add_argument("--megabytes", type=int, default=100, help="How much each way sends.")
    parser.add_argument("--rounds", type=int, default=3, help="How often (3).")
    parser.add_argument("--pictures", action="store_true", help="Send what can be packed.")
    parser.add_argument("--quick", action="store_true", help="Send 20 MB, once.")
    arguments = parser.parse_args()
    size = 20 if arguments.quick else arguments.megabytes
    rounds = 1 if arguments.quick else arguments.rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = make_package(folder / "clean", size, pictures=arguments.pictures)
        archives = (folder / "archive.tar.gz", folder / "loose.tar.gz", folder / "unpacked.tar")
        corpus = Corpus(package, *archives)
        corpus.make_unpacked()
        corpus.make_loose()
        corpus.pack()
        for kind, program in (("s3", "weed"), ("gcs", "fake-gcs-server-linux-amd64")):
            for name, words in _NULL.items():
                with _null(*words) as url:
                    _compare(kind, name, _ways(kind, url, "research", corpus), corpus, rounds)
            found = find_emulator(program)
            if found is None:
                print(f"{program} is not there (make test brings it)", file=sys.stderr)
                continue
            running = running_seaweedfs if kind == "s3" else running_fake_gcs
            with tempfile.TemporaryDirectory() as data, running(found, Path(data)) as server:
                ways = _ways(kind, server.url, server.bucket, corpus)
                _compare(kind, program, ways, corpus, rounds)
    return 0


def make_package(root: Path, megabytes: int, *, pictures: bool) -> Package:
    """Write files and describe them, for other processes too."""
    fillings = _scanned() if pictures else [os.urandom(_SIZE)]
    rows: list[tuple[str, str, str, str, str, int]] = []
    left = megabytes * 1_000_000
    for number, filling in enumerate(itertools.cycle(fillings)):
        if left < len(filling):
            break
        left -= len(filling)
        path = root / f"P/1/2/{number}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = number.to_bytes(8, "big") + filling[8:]
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        rows.append(("P", "1", str(number), f"P/1/2/{number}.dcm", digest, len(content)))
    (root / "manifest.json").write_text(json.dumps(rows))
    return read_package(root)


def _scanned() -> list[bytes]:
    """Return a CT and two MR of real scanners, not compressed, as pydicom-data ships them."""
    return [Path(get_testdata_file(name, download=False)).read_bytes() for name in _SCANNED]


@contextmanager
def _null(*words: str) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.null_cloud", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def _ways(kind: str, url: str, bucket: str, corpus: Corpus) -> list[Way]:
    """Return the library's ways and ours."""
    library = {"s3": "boto3", "gcs": "google-cloud-storage"}[kind]
    files = [str(corpus.package.root / one.file) for one in corpus.package.instances]
    ready, loose, unpacked = (
        [str(path)] for path in (corpus.archive, corpus.loose, corpus.unpacked)
    )

    def of_library(
        what: Sequence[str], *, streams: int = 1, packs: bool = False
    ) -> Callable[[str], Took]:
        def send(place: str) -> Took:
            wall_s, cpu_s = corpus.pack() if packs else (0.0, 0.0)
            words = [library, url, bucket, place, str(streams), *what]
            took = _measured([str(PEER_PYTHON), "-m", "benchmarks.cloud_peers", *words])
            return Took(took.wall_s + wall_s, took.cpu_s + cpu_s, took.peak_bytes)

        return send

    def of_sendit(layout: str, what: str, connections: int, *, pack: bool = True) -> Way:
        options: dict[str, object] = {"endpoint": url, "bucket": bucket, "layout": layout}
        options |= {"connections": connections, "pack": pack}
        options |= {"anonymous": True} if kind == "gcs" else {}
        key = "collection" if kind == "gcs" else "prefix"
        return Way(
            f"sendit, {what}, {'one stream' if connections == 1 else f'{connections} streams'}",
            lambda place: _sendit(kind, {**options, key: place}, corpus.package.root),
            is_ours=True,
        )

    several = (
        [Way("boto3, archive, ten streams", of_library(ready, streams=10))] if kind == "s3" else []
    )
    return [
        Way(f"{library}, files", of_library(files), "files"),
        Way(f"{library}, files in a tar, not packed", of_library(unpacked), "a tar of them"),
        of_sendit("tree", "files", 1),
        of_sendit("tree", "files", 4),
        Way(f"{library}, archive, not packed", of_library(loose), "archive, loose"),
        Way(f"{library}, archive", of_library(ready), "archive, ready"),
        *several,
        Way(f"{library}, packing, then archive", of_library(ready, packs=True), "packing, archive"),
        *(
            of_sendit("archive", what, streams, pack=pack)
            for what, pack in (("archive, not packed", False), ("archive", True))
            for streams in ((1, 4) if kind == "s3" else (1,))
        ),
    ]


def _sendit(kind: str, options: Mapping[str, object], folder: Path) -> Took:
    words = [f"--option={key}={value}" for key, value in options.items()]
    return _measured([sys.executable, "-m", "benchmarks.deliver", kind, str(folder), *words])


def _measured(command: Sequence[str]) -> Took:
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | _AWS, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:6])} failed:\n{done.stderr}")
    return Took(**json.loads(done.stdout))


def _compare(kind: str, server: str, ways: list[Way], corpus: Corpus, rounds: int) -> None:
    took: dict[str, list[Took]] = {way.name: [] for way in ways}
    for number in range(rounds):
        for place, way in enumerate(ways):
            took[way.name].append(way.send(f"round{number}way{place}"))
    seconds = {name: statistics.median(one.wall_s for one in runs) for name, runs in took.items()}
    columns = [way for way in ways if way.column]
    print(f"{kind} to {server}: {corpus.megabytes:.0f} MB, {rounds} rounds")
    print(f"{'':81}times quicker than the library with:\n{'':76}", end="")
    print("".join(f"{way.column:>18}" for way in columns))
    for way in ways:
        runs = took[way.name]
        cpu = statistics.median(one.cpu_s for one in runs) / corpus.megabytes
        line = f"  {way.name:50}{corpus.megabytes / seconds[way.name]:6.0f} MB/s"
        line += f"{1000 * cpu:6.2f} CPU-ms/MB{max(one.peak_bytes for one in runs) / 1e6:6.0f} MB"
        times = (seconds[other.name] / seconds[way.name] for other in columns if way.is_ours)
        print(f"{line:76}" + "".join(f"{one:18.2f}" for one in times), flush=True)


if __name__ == "__main__":
    sys.exit(main())
