"""Measure every way on the same files, in turns, and print one table.

The runs are interleaved (cp, engine, pipeline, cp, engine, …), so that a machine that slows
down slows them all; each figure is the median of the rounds.  Trust the CPU time and the
ratios more than the wall time of a shared machine.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.measure import Cost, RunFailed, measure, warm
from benchmarks.ways import WAYS, Way, environment

BYTES_PER_IMAGE = 550_000
COPIES_AT_ONCE = 4
"""The corpus, the inbox, the working area and the target may all be there at one time."""


def main() -> int:
    """Run the comparison as the command line says."""
    arguments = _parse()
    room = shutil.disk_usage(arguments.folder).free
    if room < arguments.images * BYTES_PER_IMAGE * COPIES_AT_ONCE:
        print(f"Not enough room in {arguments.folder}: use --folder or --images.", file=sys.stderr)
        return 1
    ways = [WAYS[name] for name in arguments.ways]
    with tempfile.TemporaryDirectory(prefix="sendit-bench-", dir=arguments.folder) as scratch:
        try:
            costs = compare(ways, Path(scratch), arguments)
        except RunFailed as failure:
            print(failure, file=sys.stderr)
            return 1
    if arguments.json:
        print(json.dumps(as_json(costs, n_images=arguments.images), indent=1))
    else:
        print_table(costs, n_images=arguments.images)
    return 0


def compare(
    ways: Sequence[Way], scratch: Path, arguments: argparse.Namespace
) -> Mapping[str, Sequence[Cost]]:
    """Make the corpus and run every way ``rounds`` times, in turns."""
    corpus = scratch / "corpus"
    made = subprocess.run(
        [sys.executable, "-m", "benchmarks.slices", corpus, "--images", str(arguments.images)],
        check=True,
        capture_output=True,
    )
    note = f"{arguments.images} images, {int(made.stdout) / 1e6:.0f} MB, {arguments.rounds} rounds"
    print(f"{note}, {arguments.processes} processes", file=sys.stderr)
    costs: dict[str, list[Cost]] = {way.name: [] for way in ways}
    for number in range(arguments.rounds):
        for way in ways:
            cost = _run_once(way, corpus, scratch, arguments)
            costs[way.name].append(cost)
            print(f"round {number + 1}: {way.name}: {cost.wall_s:.2f} s", file=sys.stderr)
    return costs


def _run_once(way: Way, corpus: Path, scratch: Path, arguments: argparse.Namespace) -> Cost:
    folder = scratch / "run"
    folder.mkdir()
    command = way.prepare(corpus, folder, arguments.processes)
    warm(corpus)
    cost = measure(command, folder=folder, log=scratch / "log", environ=environment())
    arrived = way.arrived(folder)
    if arrived != arguments.images:
        raise RunFailed(f"{way.name}: {arrived} of {arguments.images} images arrived")
    shutil.rmtree(folder)
    return cost


def as_json(costs: Mapping[str, Sequence[Cost]], *, n_images: int) -> list[dict[str, object]]:
    """Return one row for each way: the medians, and the ratio to the first way's wall time."""
    rows: list[dict[str, object]] = []
    base = 0.0
    for name, runs in costs.items():
        wall_s = statistics.median(cost.wall_s for cost in runs)
        base = base or wall_s
        rows.append(
            {
                "way": name,
                "wall_s": round(wall_s, 3),
                "images_per_s": round(n_images / wall_s, 1),
                "cpu_ms_per_image": round(
                    1000 * statistics.median(cost.cpu_s for cost in runs) / n_images, 3
                ),
                "peak_mb": round(max(cost.peak_bytes for cost in runs) / 1e6, 1),
                "times_first": round(wall_s / base, 2),
            }
        )
    return rows


def print_table(costs: Mapping[str, Sequence[Cost]], *, n_images: int) -> None:
    """Print the rows aligned, readable without colour."""
    rows = as_json(costs, n_images=n_images)
    first = str(rows[0]["way"])
    print(
        f"{'way':<24}{'wall s':>9}{'images/s':>10}{'CPU ms/image':>14}"
        f"{'peak MB/process':>17}{'× ' + first:>10}"
    )
    for row in rows:
        print(
            f"{row['way']:<24}{row['wall_s']:>9}{row['images_per_s']:>10}"
            f"{row['cpu_ms_per_image']:>14}{row['peak_mb']:>17}{row['times_first']:>10}"
        )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure cp, the engine and the pipeline on the same CT and MR slices.",
        epilog='Example: make bench BENCH="--quick"',
    )
    parser.add_argument("--images", type=int, default=2000, help="slices of 0.5 MB (2000)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each way (5)")
    parser.add_argument("--processes", type=int, default=1, help="engine jobs and workers (1)")
    parser.add_argument("--quick", action="store_true", help="200 images, 3 rounds")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.images, arguments.rounds = 200, 3
    return arguments


if __name__ == "__main__":
    sys.exit(main())
