"""Measure every way on the same files, in turns, and print one table for each corpus.

The runs are interleaved (cp, engine, pipeline, cp, engine, …), so that a machine that slows
down slows them all; each figure is the median of the rounds.  Trust the CPU time and the
ratios more than the wall time of a shared machine.

What writing costs may change by the minute (``docs/concepts/scale.md`` says why), so only ratios
of one run can be compared, and only with those of runs in which ``cp`` took as long.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.corpora import CORPORA, Corpus
from benchmarks.measure import Cost, RunFailed, measure, warm
from benchmarks.peers import PEERS
from benchmarks.ways import PEER_PYTHON, WAYS, Way, environment

COPIES_AT_ONCE = 4
"""The corpus, the inbox, the working area and the target may all be there at one time."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one way cost: medians over the rounds, the peak over all of them."""

    corpus: str
    way: str
    images: int
    images_per_s: float
    wall_ms_per_image: float
    cpu_ms_per_image: float
    then_cpu_ms: float
    """The same without what the start costs: what an image costs where sendit runs for long."""
    peak_mb: float
    """Of the largest single process."""
    times_first: float
    """Wall time for each image, as a multiple of the first row's."""


def main() -> int:
    """Run the comparison as the command line says."""
    arguments = _parse()
    if not PEER_PYTHON.exists() and set(arguments.ways) & PEERS.keys():
        print("The peers are left out: only make bench installs them.", file=sys.stderr)
        arguments.ways = [name for name in arguments.ways if name not in PEERS]
    rows: list[Row] = []
    for name in arguments.corpora:
        corpus = CORPORA[name]
        n_images = arguments.images or (corpus.quick if arguments.quick else corpus.images)
        room = shutil.disk_usage(arguments.folder).free
        if room < n_images * corpus.bytes_per_image * COPIES_AT_ONCE:
            print(f"Not enough room in {arguments.folder}: use --folder.", file=sys.stderr)
            return 1
        with tempfile.TemporaryDirectory(prefix="sendit-bench-", dir=arguments.folder) as scratch:
            try:
                found = compare(name, n_images, Path(scratch), arguments)
            except RunFailed as failure:
                print(failure, file=sys.stderr)
                return 1
        if not arguments.json:
            print(f"\n{corpus.title}")
            print_table(found)
        rows += found
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    return 0


def compare(
    name: str, n_images: int, scratch: Path, arguments: argparse.Namespace
) -> Sequence[Row]:
    """Make the corpus, run every way ``rounds`` times, in turns, and sum up."""
    folder = scratch / "corpus"
    ways = _ways_on(CORPORA[name], arguments.ways)
    made = subprocess.run(
        [sys.executable, "-m", "benchmarks.make_corpus", name, folder, "--images", str(n_images)],
        check=True,
        capture_output=True,
    )
    print(
        f"{name}: {n_images} images, {int(made.stdout) / 1e6:.0f} MB, {arguments.rounds} rounds, "
        f"{arguments.processes} processes",
        file=sys.stderr,
    )
    empty = scratch / "nothing"
    empty.mkdir()
    costs: dict[str, list[Cost]] = {way.name: [] for way in ways}
    starts: dict[str, list[float]] = {way.name: [] for way in ways}
    for number in range(arguments.rounds):
        for way in ways:
            cost = run_once(way, _given_to(way, folder), scratch / "run", arguments.processes)
            costs[way.name].append(cost)
            if way.starts:
                start = run_once(way, empty, scratch / "run", arguments.processes)
                starts[way.name].append(start.cpu_s)
            print(f"round {number + 1}: {way.name}: {cost.wall_s:.2f} s", file=sys.stderr)
    return _rows(name, ways, costs, starts, n_images=n_images)


def _ways_on(corpus: Corpus, asked: Sequence[str]) -> Sequence[Way]:
    return [WAYS[name] for name in asked if corpus.ways is None or name in corpus.ways]


def run_once(way: Way, corpus: Path, folder: Path, processes: int) -> Cost:
    """Measure one run in an empty folder, which is removed afterwards."""
    folder.mkdir()
    command = way.prepare(corpus, folder, processes)
    expected = warm(corpus)
    cost = measure(command, folder=folder, log=folder / "log", environ=environment())
    arrived = way.arrived(folder)
    if arrived != expected:
        raise RunFailed(f"{way.name}: {arrived} of {expected} images arrived")
    shutil.rmtree(folder)
    return cost


def _given_to(way: Way, corpus: Path) -> Path:
    """Return the corpus, or a folder with links to as much of it as the way is given."""
    files = sorted(path for path in corpus.rglob("*") if path.is_file())
    if way.at_most is None or len(files) <= way.at_most:
        return corpus
    few = corpus.with_name(f"corpus-{way.at_most}")
    if not few.exists():
        for file in files[: way.at_most]:
            link = few / file.relative_to(corpus)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.hardlink_to(file)
    return few


def _rows(
    corpus: str,
    ways: Sequence[Way],
    costs: Mapping[str, Sequence[Cost]],
    starts: Mapping[str, Sequence[float]],
    *,
    n_images: int,
) -> Sequence[Row]:
    rows: list[Row] = []
    for way in ways:
        runs = costs[way.name]
        given = min(n_images, way.at_most or n_images)
        wall_ms = 1000 * statistics.median(cost.wall_s for cost in runs) / given
        cpu_ms = 1000 * statistics.median(cost.cpu_s for cost in runs) / given
        start_ms = 1000 * statistics.median(starts[way.name] or [0.0]) / given
        rows.append(
            Row(
                corpus=corpus,
                way=way.name,
                images=given,
                images_per_s=round(1000 / wall_ms, 1),
                wall_ms_per_image=round(wall_ms, 2),
                cpu_ms_per_image=round(cpu_ms, 2),
                then_cpu_ms=round(cpu_ms - start_ms, 2),
                peak_mb=round(max(cost.peak_bytes for cost in runs) / 1e6, 1),
                times_first=round(wall_ms / (rows[0].wall_ms_per_image if rows else wall_ms), 1),
            )
        )
    return rows


def print_table(rows: Sequence[Row]) -> None:
    """Print the rows aligned, readable without colour."""
    print(
        f"{'way':<27}{'images':>7}{'images/s':>10}{'ms/image':>10}{'CPU ms/image':>14}"
        f"{'after start':>13}{'peak MB/process':>17}{'× ' + rows[0].way:>10}"
    )
    for row in rows:
        print(
            f"{row.way:<27}{row.images:>7}{row.images_per_s:>10}{row.wall_ms_per_image:>10}"
            f"{row.cpu_ms_per_image:>14}{row.then_cpu_ms:>13}{row.peak_mb:>17}{row.times_first:>10}"
        )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure cp, the engine, the pipeline and other tools on the same files.",
        epilog='Example: make bench BENCH="--quick"',
    )
    parser.add_argument("--corpora", nargs="+", choices=list(CORPORA), default=list(CORPORA))
    parser.add_argument("--images", type=int, help="how many, instead of each corpus's own number")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each way (5)")
    parser.add_argument("--processes", type=int, default=1, help="engine jobs and workers (1)")
    parser.add_argument("--quick", action="store_true", help="few images, 3 rounds")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds = 3
    return arguments


if __name__ == "__main__":
    sys.exit(main())
