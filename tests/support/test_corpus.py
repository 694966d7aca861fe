"""The planted corpus is the same for the same seed, and the searcher of leaks has eyes."""

import hashlib
import warnings
from pathlib import Path

import pytest

from benchmarks.audit import upper_bound
from tests.support.corpus import MODALITIES, plant_corpus
from tests.support.leaks import leaks_in, read_result


def digests(folder: Path, *, seed: int) -> list[str]:
    specimens = plant_corpus(folder, seed=seed, modalities=["CT", "SR"], studies=2, images=1)
    return [hashlib.sha256(one.file.read_bytes()).hexdigest() for one in specimens]


def test_the_same_seed_plants_the_same_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    one = digests(Path("a"), seed=5)
    (tmp_path / "a").rename(tmp_path / "old")

    assert digests(Path("a"), seed=5) == one
    assert digests(Path("b"), seed=6) != one


@pytest.mark.parametrize("modality", MODALITIES)
def test_everything_planted_is_found_in_the_original(tmp_path: Path, modality: str) -> None:
    specimens = plant_corpus(tmp_path, seed=7, modalities=[modality], studies=3, images=1)

    for specimen in specimens:
        if specimen.transfer_syntax_uid.endswith(".99"):
            continue  # deflated: only values can be seen, not bytes
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = {leak.planted for leak in leaks_in(read_result(specimen.file), specimen)}
        missed = [one for one in specimen.planted if one not in found]
        assert not [(one.kind, one.where, one.text) for one in missed]


@pytest.mark.parametrize(
    ("leaks", "trials", "share"), [(0, 100, 0.0295), (0, 3000, 0.000998), (1, 100, 0.0466)]
)
def test_the_upper_bound_is_that_of_clopper_and_pearson(
    leaks: int, trials: int, share: float
) -> None:
    assert upper_bound(leaks, trials) == pytest.approx(share, rel=0.01)
