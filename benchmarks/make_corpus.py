"""Make one corpus: ``python -m benchmarks.make_corpus NAME FOLDER --images N``.

A program of its own, so that the process that measures stays small: the memory of a child
counts from its parent's.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.headers import make_headers
from benchmarks.multiframe import make_multiframe
from benchmarks.slices import make_slices

MAKERS: Mapping[str, Callable[[Path, int], int]] = {
    "slices": make_slices,
    "multiframe": make_multiframe,
    "headers": make_headers,
}
"""By name of the corpus; each writes so many images and returns the bytes written."""


def main() -> int:
    """Make a corpus as the command line says and print its size in bytes."""
    parser = argparse.ArgumentParser(description="Make a corpus to measure on.")
    parser.add_argument("name", choices=list(MAKERS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, required=True)
    arguments = parser.parse_args()
    print(MAKERS[arguments.name](arguments.folder, arguments.images))
    return 0


if __name__ == "__main__":
    sys.exit(main())
