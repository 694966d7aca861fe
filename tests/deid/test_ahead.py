"""An image is decided while the one before it is written; nobody can tell from the results."""

import hashlib
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from sendit.deid import Engine, Recipe
from sendit.deid.ahead import each_ahead
from sendit.deid.files import MemorySource, Range
from sendit.deid.result_writer import BLOCK, ResultWriter
from sendit.errors import ImageError, Rejected, Unreadable
from sendit.terms import Reason
from tests.deid.engines import identities_for
from tests.support.make_study import make_study


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_results_are_those_of_one_after_the_other_and_a_problem_is_told_in_its_turn(
    tmp_path: Path,
) -> None:
    files = make_study(tmp_path / "in", n_series=1, n_images=5)
    identities = identities_for(*files)
    files[2].write_bytes(b"no DICOM")
    engine, other = (Engine(Recipe.resolve(), identities) for _ in range(2))
    told: list[object] = []

    with closing(each_ahead(files, partial(engine.steps_into, root=tmp_path / "ahead"))) as each:
        for file, finish in each:
            try:
                told.append((file, finish().sha256))
            except ImageError as error:
                told.append((file, error.reason))

    expected = [
        (file, other.deidentify_into(file, tmp_path / "alone").sha256)
        for file in files
        if file is not files[2]
    ]
    assert told == [*expected[:2], (files[2], Reason.NOT_DICOM), *expected[2:]]
    written = files_below(tmp_path / "ahead")
    assert written == files_below(tmp_path / "alone")
    assert {hashlib.sha256(data).hexdigest() for data in written.values()} == {
        digest for _, digest in expected
    }


def test_nothing_is_left_of_what_was_begun_and_not_finished(tmp_path: Path) -> None:
    files = make_study(tmp_path / "in", n_series=1, n_images=4)
    engine = Engine(Recipe.resolve(), identities_for(*files))

    with closing(each_ahead(files, partial(engine.steps_into, root=tmp_path / "out"))) as each:
        _, finish = next(each)
        first = finish().file
        next(each)

    assert list(files_below(tmp_path / "out")) == [first]


def test_two_that_become_one_file_do_not_mix(tmp_path: Path) -> None:
    files = make_study(tmp_path / "in", n_series=1, n_images=1)
    engine = Engine(Recipe.resolve(), identities_for(*files))
    told: list[object] = []

    start = partial(engine.steps_into, root=tmp_path / "out")
    with closing(each_ahead([files[0], files[0]], start)) as each:
        for _, finish in each:
            try:
                told.append(finish().outcome)
            except Rejected as error:
                told.append(error.reason)

    assert told == ["written", Reason.SAME_UID]
    assert len(files_below(tmp_path / "out")) == 1


def _swapped(block: memoryview) -> bytes:
    """Turn every cell of four bytes round, as only who sees whole cells can."""
    return b"".join(bytes(block[at : at + 4])[::-1] for at in range(0, len(block), 4))


def test_pieces_of_all_sizes_make_one_file_with_its_digest(tmp_path: Path) -> None:
    data = bytes(range(251)) * 20_000
    source, turned = MemorySource(data), data[::-1]

    writing = ResultWriter().start(
        tmp_path / "a",
        [b"head", memoryview(b"er")],
        [
            Range(0, len(data)),
            b"between",
            turned,
            Range(1, BLOCK, lambda block: bytes(len(block))),
            Range(7, 500, change_whole=lambda block: block[::-1]),
            b"end",
            Range(3, 2 * BLOCK + 9, _swapped),
        ],
        source,
    )
    digest = writing.wait()

    expected = b"".join(
        (b"header", data, b"between", turned, bytes(BLOCK), data[7:507][::-1], b"end")
    ) + _swapped(memoryview(data)[3 : 2 * BLOCK + 12])
    assert (tmp_path / "a").read_bytes() == expected
    assert digest.sha256 == hashlib.sha256(expected).hexdigest()
    assert digest.length == len(expected)


@pytest.mark.parametrize("change", [None, bytes])
def test_source_that_became_shorter_is_told_by_who_waits(tmp_path: Path, change: object) -> None:
    body = Range(0, 100, change)  # type: ignore[arg-type]
    writing = ResultWriter().start(tmp_path / "a", [b"head"], [body], MemorySource(b"short"))

    with pytest.raises(Unreadable, match="TRUNCATED"):
        writing.wait()
    writing.remove()

    assert list(tmp_path.iterdir()) == []
