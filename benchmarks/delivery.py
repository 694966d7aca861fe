"""Measure sending, each way to an Orthanc and to receivers that keep nothing; print a table.

Beside sendit's own ways stand DCMTK's ``storescu`` and ``dcmsend``, as they come and with
TCP_NODELAY, and for HTTP a bare sender that only posts the same bytes.  By DICOM there are two
receivers that keep nothing: DCMTK's ``storescp`` as it comes ("storescp"), which holds back its
own answers, and the same one with TCP_NODELAY ("null"), which does not, so that only the
sender's habits remain.  Runs are interleaved,
figures are medians; the peers as they come are given fewer images, since they idle 45 ms at
each.  CPU is the sender's alone.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import pydicom

from benchmarks.measure import Cost, RunFailed, measure, warm
from benchmarks.slices import make_slices
from benchmarks.ways import ROOT, environment
from tests.support.dicom_peers import OrthancServer, free_ports, have, running, running_orthanc
from tests.support.system import find_program

FEW = 60
"""Images for those who idle at each."""


@dataclass(frozen=True, slots=True)
class Receivers:
    """Where everything goes."""

    orthanc: OrthancServer
    null_http: str
    null_dicom: int
    storescp: int
    """The port of one as it comes."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way of sending to one receiver."""

    name: str
    receiver: str
    command: Callable[[Path, Receivers], Sequence[str]]
    few: bool = False
    no_delay: bool = False
    """DCMTK's own switch, an environment variable."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one way cost: medians over the rounds, the peak over all of them."""

    way: str
    receiver: str
    images: int
    images_per_s: float
    mb_per_s: float
    cpu_ms_per_image: float
    peak_mb: float | None
    """Of the sender, where it can be told."""


def main() -> int:
    """Run the comparison as the command line says."""
    arguments = _parse()
    if not have("Orthanc", "libOrthancDicomWeb.so", "storescp", "storescu", "dcmsend"):
        print("Delivery is left out: Orthanc or DCMTK is not installed.", file=sys.stderr)
        return 0
    with tempfile.TemporaryDirectory(prefix="sendit-bench-", dir=arguments.folder) as scratch:
        folder = Path(scratch)
        many = make_corpus(folder / "many", arguments.images)
        few = make_corpus(folder / "few", min(FEW, arguments.images))
        try:
            with receivers(folder) as where:
                rows = compare(many, few, where, rounds=arguments.rounds)
        except RunFailed as failure:
            print(failure, file=sys.stderr)
            return 1
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        print_table(rows)
    return 0


def make_corpus(folder: Path, n_images: int) -> Path:
    """Make slices as results lie, and write down what a package of them holds."""
    plain = folder.with_name(f"{folder.name}-plain")
    make_slices(plain, n_images)
    rows = []
    for path in sorted(plain.rglob("*.dcm")):
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        name = f"{ds.StudyInstanceUID}/{ds.SeriesInstanceUID}/{ds.SOPInstanceUID}.dcm"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        path.rename(folder / name)
        content = (folder / name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        row = (ds.PatientID, ds.StudyInstanceUID, ds.SOPInstanceUID, name, digest, len(content))
        rows.append(row)
    (folder / "manifest.json").write_text(json.dumps(rows))
    return folder


@contextmanager
def receivers(folder: Path) -> Iterator[Receivers]:
    """Start an Orthanc with its defaults, and receivers that keep nothing."""
    with ExitStack() as stack:
        orthanc = stack.enter_context(
            running_orthanc(folder / "orthanc", MaximumStorageCacheSize=128)
        )
        null_http = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.null_http"], cwd=ROOT, stdout=subprocess.PIPE
        )
        stack.callback(null_http.wait)
        stack.callback(null_http.kill)
        assert null_http.stdout is not None
        stack.enter_context(null_http.stdout)
        url = f"http://127.0.0.1:{int(null_http.stdout.readline())}"
        null, plain = free_ports(2)
        for port, environ in ((null, {"TCP_NODELAY": "1"}), (plain, {})):
            own = folder / f"storescp-{port}"
            own.mkdir()
            # One process for each association, as a site's archive would have a thread for each.
            command = [find_program("storescp") or "", "--fork", "--ignore", str(port)]
            stack.enter_context(running(command, folder=own, ports=[port], environ=environ))
        yield Receivers(orthanc, url, null, plain)


def compare(many: Path, few: Path, where: Receivers, *, rounds: int) -> Sequence[Row]:
    """Run every way ``rounds`` times, in turns, and sum up."""
    costs: dict[Way, list[Cost]] = {way: [] for way in WAYS}
    for number in range(rounds):
        for way in WAYS:
            folder = few if way.few else many
            where.orthanc.clear()
            warm(folder)
            costs[way].append(run_once(way, folder, where))
            wall = costs[way][-1].wall_s
            print(
                f"round {number + 1}: {way.name} to {way.receiver}: {wall:.2f} s", file=sys.stderr
            )
            expected = len(json.loads((folder / "manifest.json").read_text()))
            if way.receiver == "Orthanc" and len(where.orthanc.instances()) != expected:
                raise RunFailed(f"{way.name}: not every image arrived")
    return [_row(way, costs[way], few if way.few else many) for way in WAYS]


def run_once(way: Way, folder: Path, where: Receivers) -> Cost:
    """Measure one run."""
    command = way.command(folder, where)
    if command[0] == sys.executable:
        done = subprocess.run(
            command, cwd=ROOT, env=dict(environment()), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RunFailed(f"{way.name} failed:\n{done.stderr[-2000:]}")
        return Cost(**json.loads(done.stdout))
    environ = {**os.environ, **({"TCP_NODELAY": "1"} if way.no_delay else {})}
    cost = measure(command, folder=folder, log=folder.with_name("log"), environ=environ)
    # What the system tells of such a child begins with the memory of this process.
    return Cost(cost.wall_s, cost.cpu_s, peak_bytes=0)


def _row(way: Way, costs: Sequence[Cost], folder: Path) -> Row:
    sizes = [row[5] for row in json.loads((folder / "manifest.json").read_text())]
    wall = statistics.median(cost.wall_s for cost in costs)
    cpu = statistics.median(cost.cpu_s for cost in costs)
    return Row(
        way=way.name,
        receiver=way.receiver,
        images=len(sizes),
        images_per_s=round(len(sizes) / wall, 1),
        mb_per_s=round(sum(sizes) / wall / 1e6, 1),
        cpu_ms_per_image=round(1000 * cpu / len(sizes), 2),
        peak_mb=round(max(cost.peak_bytes for cost in costs) / 1e6, 1) or None,
    )


def print_table(rows: Sequence[Row]) -> None:
    """Print the rows aligned, readable without colour."""
    print(
        f"{'way':<24}{'receiver':<10}{'images':>7}{'images/s':>10}{'MB/s':>9}"
        f"{'CPU ms/image':>14}{'peak MB':>9}"
    )
    for row in rows:
        print(
            f"{row.way:<24}{row.receiver:<10}{row.images:>7}{row.images_per_s:>10}"
            f"{row.mb_per_s:>9}{row.cpu_ms_per_image:>14}{row.peak_mb or '–':>9}"
        )
    speed = {(row.receiver, row.way): row.images_per_s for row in rows}
    print()
    for receiver, way, peer in RATIOS:
        ratio = speed[receiver, way] / speed[receiver, peer]
        print(f"{way} to {receiver}: {ratio:.2f} x {peer}")


def _deliver(kind: str, **options: Callable[[Receivers], object]) -> Callable[..., Sequence[str]]:
    def command(folder: Path, where: Receivers) -> Sequence[str]:
        words = [f"--option={key}={value(where)}" for key, value in options.items()]
        return (sys.executable, "-m", "benchmarks.deliver", kind, str(folder), *words)

    return command


def _dcmtk(tool: str, port: Callable[[Receivers], int]) -> Callable[..., Sequence[str]]:
    def command(folder: Path, where: Receivers) -> Sequence[str]:
        words = ("-aec", "ORTHANC", "127.0.0.1", str(port(where)), "+sd", "+r")
        only = ("+sp", "*.dcm")
        return (find_program(tool) or tool, *words, *only, str(folder))

    return command


def _ways() -> Iterator[Way]:
    for receiver in ("Orthanc", "null"):
        orthanc = receiver == "Orthanc"
        rest = (lambda w: w.orthanc.url) if orthanc else (lambda w: w.null_http)
        stow = (lambda w: w.orthanc.dicomweb) if orthanc else (lambda w: w.null_http)
        yield Way("bare REST", receiver, _deliver("bare-rest", url=rest))
        yield Way("sendit REST", receiver, _deliver("orthanc", url=rest))
        yield Way("bare STOW-RS", receiver, _deliver("bare-stow", url=stow))
        yield Way("sendit STOW-RS", receiver, _deliver("dicomweb", url=stow))
        yield from _by_dicom(
            receiver, (lambda w: w.orthanc.dicom_port) if orthanc else (lambda w: w.null_dicom)
        )
    yield from _by_dicom("storescp", lambda w: w.storescp)


def _by_dicom(receiver: str, port: Callable[[Receivers], int]) -> Iterator[Way]:
    dicom = _deliver("dicom", host=lambda _: "127.0.0.1", port=port, called_ae=lambda _: "ORTHANC")
    yield Way("sendit C-STORE", receiver, dicom)
    for tool in ("storescu", "dcmsend"):
        yield Way(tool, receiver, _dcmtk(tool, port), few=True)
        yield Way(f"{tool} TCP_NODELAY", receiver, _dcmtk(tool, port), few=True, no_delay=True)


WAYS = tuple(_ways())


RATIOS = (
    ("Orthanc", "sendit REST", "bare REST"),
    ("Orthanc", "sendit REST", "bare STOW-RS"),
    ("Orthanc", "sendit STOW-RS", "bare REST"),
    ("Orthanc", "sendit STOW-RS", "bare STOW-RS"),
    ("Orthanc", "sendit C-STORE", "bare REST"),
    ("null", "sendit STOW-RS", "bare STOW-RS"),
    ("null", "sendit C-STORE", "storescu TCP_NODELAY"),
    ("storescp", "sendit C-STORE", "storescu"),
    ("storescp", "sendit C-STORE", "storescu TCP_NODELAY"),
)
"""Receiver, way, and the way it is compared with in its run."""


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.delivery",
        description="Measure sending to an Orthanc and to a receiver that keeps nothing.",
        epilog='Example: make bench DELIVERY="--images 1000"',
    )
    parser.add_argument("--images", type=int, default=400, help="slices of 0.5 MB (400)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each way (5)")
    parser.add_argument("--quick", action="store_true", help="100 images, 3 rounds")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.images, arguments.rounds = 100, 3
    return arguments


if __name__ == "__main__":
    sys.exit(main())
