import gzip
import os
import threading
import zlib
from collections.abc import Iterator

import pytest

from sendit.storage.packing import PIECE, packed
from sendit.storage.pieces import SummedAside, regroup

NOISE, SMOOTH = os.urandom(PIECE), bytes(range(256)) * (PIECE // 256)
CONTENTS = {
    "nothing": [],
    "a byte": [b"x"],
    "noise": [NOISE, NOISE[:777]],
    "what can be packed": [SMOOTH, SMOOTH[:777]],
    "both, in turns": [SMOOTH, NOISE, SMOOTH, SMOOTH, NOISE, b"", SMOOTH[:5]],
    "a full stored block": [NOISE[:0xFFFF], NOISE[: 2 * 0xFFFF]],
}


@pytest.mark.parametrize("smaller", [True, False])
@pytest.mark.parametrize("pieces", CONTENTS.values(), ids=CONTENTS)
def test_what_is_packed_is_one_gzip_member_of_the_same_bytes(
    pieces: list[bytes], smaller: bool
) -> None:
    content = b"".join(packed(pieces, smaller=smaller))

    unpacking = zlib.decompressobj(31)
    assert unpacking.decompress(content) == b"".join(pieces)
    assert unpacking.eof
    assert unpacking.unused_data == b""


def test_who_packs_beside_whom_does_not_matter() -> None:
    pieces = [SMOOTH, NOISE, SMOOTH[: PIECE // 3]] * 5

    assert len({b"".join(packed(pieces)) for _ in range(5)}) == 1


def test_what_cannot_become_smaller_hardly_becomes_larger() -> None:
    pieces = [NOISE, SMOOTH]

    content = b"".join(packed(pieces))

    assert PIECE < len(content) < PIECE + PIECE // 50
    assert len(b"".join(packed([NOISE]))) < PIECE + 200


def test_what_need_not_become_smaller_is_stored_as_it_is() -> None:
    assert len(b"".join(packed([SMOOTH], smaller=False))) > PIECE
    assert len(b"".join(packed([SMOOTH]))) < PIECE // 10


def test_a_long_content_is_packed_with_few_of_its_pieces_in_memory() -> None:
    taken = 0

    def pieces() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(50):
            taken += 1
            yield SMOOTH

    first = next(packed(pieces()))

    assert first.startswith(b"\x1f\x8b")
    assert taken < 5


def test_what_breaks_off_is_no_whole_file() -> None:
    def pieces() -> Iterator[bytes]:
        yield SMOOTH
        raise OSError

    got = []
    with pytest.raises(OSError, match=r"^$"):
        got += list(packed(pieces()))
    with pytest.raises(EOFError):
        gzip.decompress(b"".join(got) or b"\x1f\x8b")


@pytest.mark.parametrize("size", [1, 3, 7, 10, 11])
def test_pieces_are_the_same_bytes_and_each_block_is_summed_before_its_piece_is_whole(
    size: int,
) -> None:
    summed: list[bytes] = []

    pieces = []
    for piece in regroup([b"abc", b"", b"defghij"], size, each=summed.append):
        pieces.append(piece)
        assert b"".join(summed) == b"".join(b"".join(one.blocks) for one in pieces)

    assert b"".join(summed) == b"abcdefghij"
    assert all(piece.size == size for piece in pieces[:-1])
    assert [piece.is_last for piece in pieces] == [False] * (len(pieces) - 1) + [True]


def test_summing_is_never_far_behind() -> None:
    go_on, summed = threading.Event(), []

    def update(block: bytes) -> None:
        assert go_on.wait(10)
        summed.append(block)

    with SummedAside(update) as aside:
        adding = threading.Thread(
            target=lambda: list(aside.passing(bytes([number]) for number in range(100)))
        )
        adding.start()
        adding.join(0.05)
        assert adding.is_alive()
        go_on.set()
        adding.join()

    assert summed == [bytes([number]) for number in range(100)]


def test_what_is_made_anew_is_summed_once() -> None:
    summed: list[bytes] = []

    with SummedAside(summed.append) as aside:
        begun = aside.passing([b"abc", b"def", b"gh"])
        assert [next(begun), next(begun)] == [b"abc", b"def"]
        assert list(aside.passing([b"ab", b"cdefg", b"h"])) == [b"ab", b"cdefg", b"h"]

    assert summed == [b"abc", b"def", b"g", b"h"]


class Slow(bytes):
    """A piece that cannot be packed before ``go`` is set."""

    go = threading.Event()

    def __getitem__(self, key: object) -> bytes:  # type: ignore[override]
        self.go.wait()
        return super().__getitem__(key)  # type: ignore[call-overload, no-any-return]


def test_who_drops_it_half_way_waits_for_no_thread() -> None:
    """The garbage collector may do it anywhere: with the very locks that ending a thread needs."""

    def drop() -> None:
        pieces = packed(iter([SMOOTH, Slow(SMOOTH), SMOOTH]))
        next(pieces)
        del pieces

    dropping = threading.Thread(target=drop, daemon=True)
    dropping.start()
    dropping.join(20)
    waits = dropping.is_alive()
    Slow.go.set()

    assert not waits
