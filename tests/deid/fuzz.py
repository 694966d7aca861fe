"""Spoil valid files at random and see that the engine ends each in a result or one clear error.

::

    make fuzz FUZZ="--seconds 3600"

A failing input is kept in ``tests/deid/seeds`` under the number that made it; ``test_fuzz``
runs those on every test run.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pydicom.uid import RLELossless

from sendit.deid import Engine, Identities, Identity, Recipe, normal_id, read_header
from sendit.errors import ImageError
from sendit.terms import OUTCOME_OF, Outcome
from tests.support.make_study import PLAIN, make_instance, write_instance

SEEDS = Path(__file__).parent / "seeds"
SLOWEST_SECONDS = 5.0
RELEASES = [reason for reason, outcome in OUTCOME_OF.items() if outcome is Outcome.HELD]
RECIPE = Recipe.resolve(preset="research", releases=RELEASES)


def spoiled(content: bytes, chance: random.Random) -> bytes:
    """Return a file spoilt in one to four ways."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        chance.choice(WAYS)(data, chance)
    return bytes(data)


def _flip(data: bytearray, chance: random.Random) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _long(data: bytearray, chance: random.Random) -> None:
    """Let a length claim much."""
    at = chance.randrange(max(len(data) - 4, 1))
    data[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\xfe\xff\xff\xff", b"\0\0\0\x7f"))


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _copy(data: bytearray, chance: random.Random) -> None:
    """Let a stretch stand twice: elements out of order, sequences inside sequences."""
    start = chance.randrange(max(len(data), 1))
    stretch = data[start : start + chance.randrange(1, 200)]
    at = chance.randrange(len(data) + 1)
    data[at:at] = stretch


def _nest(data: bytearray, chance: random.Random) -> None:
    """Open sequences that nobody closes."""
    level = bytes.fromhex("0800159253510000fffffffffeff00e0ffffffff")
    at = chance.randrange(132, max(len(data), 133))
    data[at:at] = level * chance.choice((1, 3, 99, 2000))


def _item(data: bytearray, chance: random.Random) -> None:
    """Put an item or a delimiter where none belongs."""
    tag = chance.choice(("feff00e0", "feff0de0", "feffdde0"))
    at = chance.randrange(len(data) + 1)
    data[at:at] = bytes.fromhex(tag) + chance.choice((bytes(4), b"\xff\xff\xff\xff"))


WAYS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    *(_flip, _flip, _long, _cut),
    *(_copy, _nest, _item),
)


def originals(folder: Path) -> list[Path]:
    """Write one valid file per transfer syntax and kind."""
    files = []
    kinds = {"CT": PLAIN, "US": (*PLAIN, RLELossless)}
    for modality in ("CT", "US", "SR", "DOC"):
        for syntax in kinds.get(modality, PLAIN[:2]):
            ds = make_instance(modality=modality)
            path = folder / f"{modality}-{syntax}.dcm"
            files.append(write_instance(path, ds, transfer_syntax_uid=syntax))
    return files


def engine_for(path: Path) -> Engine:
    """Return an engine that knows the patient of a valid file."""
    header = read_header(path)
    key = (normal_id(header.values["PatientID"]), header.study_instance_uid)
    return Engine(RECIPE, Identities({key: Identity("P1", "S1", -100)}, b"k" * 32))


def attempt(engine: Engine, source: Path, target: Path) -> str:
    """Run one input; return the outcome, or raise what must not be raised."""
    started = time.monotonic()
    try:
        read_header(source)
        engine.deidentify_to(source, target)
        outcome = "written"
        target.unlink()
    except ImageError as error:
        outcome = str(error.reason)
    assert not target.exists()
    assert time.monotonic() - started < SLOWEST_SECONDS, "too slow"
    return outcome


def run(seconds: float, *, seed: int, folder: Path) -> int:
    """Fuzz for some time; return how many inputs were tried."""
    files = originals(folder)
    engines = [engine_for(path) for path in files]
    contents = [path.read_bytes() for path in files]
    until = time.monotonic() + seconds
    tried = 0
    while time.monotonic() < until:
        number = seed + tried
        chance = random.Random(number)
        which = chance.randrange(len(files))
        source = folder / "spoiled.dcm"
        source.write_bytes(spoiled(contents[which], chance))
        try:
            attempt(engines[which], source, folder / "out.dcm")
        except BaseException:
            SEEDS.mkdir(exist_ok=True)
            (SEEDS / f"{number}.dcm").write_bytes(source.read_bytes())
            print(f"input {number} is kept in {SEEDS}", file=sys.stderr)
            raise
        tried += 1
    return tried


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None, help="first input; default: at random")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(2**40) if arguments.seed is None else arguments.seed
    with tempfile.TemporaryDirectory(prefix="sendit-fuzz-") as folder:
        print(f"seed {seed}: {run(arguments.seconds, seed=seed, folder=Path(folder))} inputs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
