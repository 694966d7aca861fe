"""The measuring half of ``make bench-scale``, in a process whose database is the one to fill.

What counts is processor time, this process's and that of the PostgreSQL process that serves it:
others who use the machine meanwhile change it little, and the time that passes much.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor

from benchmarks.scale_questions import prepare_database, questions, utc_now  # isort: skip
from django.db import connection  # isort: skip

from benchmarks.backlog import IMAGES_PER_BATCH, fill  # isort: skip
from benchmarks.measure import cpu_seconds, server_process  # isort: skip

SMALL = 10_000
TIMES = 40
TIMES_LINEAR = 5
FLAT = 1.5
NOISE_MS = 1.0
WORK = 400_000


def main() -> int:
    """Measure at both sizes, then with one, two and four processes."""
    large = int(sys.argv[1])
    prepare_database()
    fill(batches=SMALL // IMAGES_PER_BATCH)
    before = least_ms(questions(now=utc_now()))
    began = time.monotonic()
    fill(batches=large // IMAGES_PER_BATCH)
    print(f"filled to {large:,} images in {time.monotonic() - began:.0f} s", file=sys.stderr)
    after = least_ms(questions(now=utc_now()))
    code = print_table(before, after, small=SMALL, large=large)
    print_processes()
    return code


def least_ms(asked: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Return the least processor time of each question in milliseconds, the one least disturbed.

    All are asked in turn, so that a busy moment of the machine does not fall on one alone.
    """
    server = server_process(connection)
    least: dict[str, float] = {}
    for turn in range(TIMES):
        for name, ask in asked.items():
            if turn >= TIMES_LINEAR and is_linear(name):
                continue
            began = cpu_seconds(*server)
            ask()
            took = 1000 * (cpu_seconds(*server) - began)
            least[name] = min(took, least.get(name, took))
    return least


def is_linear(name: str) -> bool:
    """Say whether a question lists everything, so that its answer grows with what there is."""
    return name.endswith("(each line)")


def print_table(
    before: Mapping[str, float], after: Mapping[str, float], *, small: int, large: int
) -> int:
    """Print the table; 1 when a question does not stay flat, or one that lists does not by line."""
    sizes = f"{f'{small:,} images':>16}{f'{large:,} images':>18}"
    print(f"{'question, processor time':<34}{sizes}{'ratio':>8}")
    steep = []
    for name, small_ms in before.items():
        ratio = after[name] / small_ms / (large / small if is_linear(name) else 1)
        if ratio > FLAT and after[name] - small_ms > NOISE_MS:
            steep.append(name)
        print(f"{name:<34}{small_ms:>13.2f} ms{after[name]:>15.2f} ms{ratio:>8.2f}")
    if steep:
        print(f"not flat: {', '.join(steep)}")
    return int(bool(steep))


def print_processes() -> None:
    """Print how much independent work more processes do."""
    rates = {}
    for processes in (1, 2, 4):
        with ProcessPoolExecutor(processes) as pool:
            list(pool.map(spin, [1000] * processes))  # they have started
            began = time.perf_counter()
            list(pool.map(spin, [WORK] * processes))
            rates[processes] = processes / (time.perf_counter() - began)
    said = ", ".join(f"{n}: {rate / rates[1]:.2f}" for n, rate in rates.items())
    print(f"independent work by processes, one = 1 ({os.cpu_count()} cores): {said}")


def spin(rounds: int) -> int:
    """Work for a while."""
    total = 0
    for number in range(rounds):
        total ^= hash((number, total))
    return total


if __name__ == "__main__":
    sys.exit(main())
