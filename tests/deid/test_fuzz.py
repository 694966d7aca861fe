import os
import random
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sendit.deid.syntax import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, Syntax
from sendit.deid.walk import walk
from sendit.deid.walk_plan import Plan
from sendit.errors import ImageError, Unreadable
from tests.deid.fuzz import SEEDS, attempt, engine_for, originals, run
from tests.support.make_study import make_instance, write_instance

pytestmark = pytest.mark.filterwarnings("ignore")


class KeepAll(Plan):
    def slot_for(self, tag: int, vr: bytes) -> tuple[int, object, Plan]:
        del tag
        return (2 if vr == b"SQ" else 1), None if vr == b"SQ" else "rule", self


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=400), st.sampled_from([EXPLICIT_LITTLE, EXPLICIT_BIG, IMPLICIT_LITTLE]))
def test_walk_of_anything_ends_or_says_why(data: bytes, syntax: Syntax) -> None:
    try:
        found = walk(data, 0, len(data), KeepAll(syntax))
    except Unreadable:
        return

    assert all(0 <= start <= len(data) for _, start, _, _ in found.events)


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, 3), max_size=60))
def test_walk_of_nested_sequences_reports_every_leaf(shape: list[int]) -> None:
    leaf = struct.pack("<HH2sH", 0x0018, 0x0050, b"DS", 2) + b"1 "
    data = leaf
    for kind in shape:
        item = struct.pack("<HHI", 0xFFFE, 0xE000, len(data)) + data
        if kind & 1:
            item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + data
            item += struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
        length, end = len(item), b""
        if kind & 2:
            length, end = 0xFFFFFFFF, struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
        data = struct.pack("<HH2s2xI", 0x0008, 0x1140, b"SQ", length) + item + end

    found = walk(data, 0, len(data), KeepAll(EXPLICIT_LITTLE))

    assert [data[start:stop] for rule, _, start, stop in found.events if rule == "rule"] == [b"1 "]


def test_spoiled_files_end_in_a_result_or_one_clear_error(tmp_path: Path) -> None:
    """A minute where everything is required (``.ci/run``), a taste of it elsewhere."""
    seconds = 60 if os.environ.get("SENDIT_TEST_REQUIRE_ALL") == "1" else 6

    tried = run(seconds, seed=random.SystemRandom().randrange(2**40), folder=tmp_path)

    assert tried > 50


def test_input_that_once_failed_does_so_no_more(tmp_path: Path) -> None:
    [first, *_] = originals(tmp_path)
    engine = engine_for(first)

    for seed in sorted(SEEDS.glob("*.dcm")):
        attempt(engine, seed, tmp_path / "out.dcm")


def test_thousands_of_private_elements_cost_no_hours(tmp_path: Path) -> None:
    # If each looked through all others for its creator, this would take one.
    source = write_instance(tmp_path / "private.dcm", make_instance())
    tags = ((0x7FE1 + 2 * (one // 0xE000), 0x1000 + one % 0xE000) for one in range(20_000))
    elements = (struct.pack("<HH2sH2s", *tag, b"LO", 2, b"ab") for tag in tags)
    source.write_bytes(source.read_bytes() + b"".join(elements))

    report = engine_for(source).deidentify_to(source, tmp_path / "out.dcm")

    assert report.rules["private"] >= 20_000


def test_nesting_beyond_reason_is_refused_fast(tmp_path: Path) -> None:
    [first, *_] = originals(tmp_path)
    level = bytes.fromhex("0800159253510000fffffffffeff00e0ffffffff")
    source = tmp_path / "deep.dcm"
    source.write_bytes(first.read_bytes()[:400] + level * 100_000)

    with pytest.raises(ImageError):
        engine_for(first).deidentify_to(source, tmp_path / "out.dcm")
