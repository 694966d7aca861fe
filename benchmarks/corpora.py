"""The corpora that are measured; ``make_corpus.py`` makes them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Corpus:
    """One kind of input."""

    title: str
    images: int
    quick: int
    """How many with ``--quick``."""
    bytes_per_image: int
    """At most; how much room is asked for."""
    ways: tuple[str, ...] | None = None
    """What is measured on it; None: every way."""


BYTES_ONLY = ("cp", "digest", "unproven", "engine")
"""What is measured where the pipeline around the engine says nothing new."""

CORPORA: Mapping[str, Corpus] = {
    "slices": Corpus("CT and MR slices of 0.5 MB", 2000, 200, 550_000),
    "multiframe": Corpus("enhanced multi-frame objects of 300 MB", 3, 1, 320_000_000, BYTES_ONLY),
    "headers": Corpus(
        "private-heavy and nested headers, few pixels", 1000, 200, 50_000, BYTES_ONLY
    ),
}
