"""The pairwise part of the crash matrix; ``make chaos`` goes through the whole of it."""

from itertools import product

import pytest

from tests.e2e.matrix import FAULTS, MODES, STAGES, WRONG, may_mount, pairwise, run, whole
from tests.support.stores import PostgreSQL, Redis

SEED = 20260504


def test_every_two_of_stage_fault_and_mode_meet() -> None:
    cells = [(mode, *cell) for mode, chosen in pairwise().items() for cell in chosen]

    assert {(s, f) for _, s, f in cells} == set(product(STAGES, FAULTS))
    assert {(m, s) for m, s, _ in cells} == set(product(MODES, STAGES))
    assert {(m, f) for m, _, f in cells} == {(m, f) for f, modes in FAULTS.items() for m in modes}
    assert all(set(pairwise()[mode]) <= set(whole()[mode]) for mode in MODES)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", MODES)
def test_whatever_fails_nothing_is_lost_doubled_or_changed(
    mode: str, postgresql: PostgreSQL, redis_server: Redis, faketime: dict[str, str]
) -> None:
    if not may_mount():
        pytest.skip("a disk that fills up needs a mount of its own, and that needs root")

    found = run(mode, pairwise()[mode], seed=SEED)

    assert found["kills"] > 0
    assert found["moves"] == found["batches"] * 2  # the others may wait and go on
    assert {what: found[what] for what in WRONG} == dict.fromkeys(WRONG, 0)
