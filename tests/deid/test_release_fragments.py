"""Compressed pixels: the release check compares every byte that is picture."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from sendit.deid import Engine, Recipe, check_release, compose, known_of
from sendit.deid.pixels.pass_through import pass_through
from sendit.deid.release_fragments import is_same_picture
from sendit.errors import Rejected
from sendit.terms import Reason
from tests.deid.engines import identities_for
from tests.support.make_study import make_instance, write_instance

JFIF = b"\xff\xe0\x00\x10JFIF\0" + b"\1\2\0\0\1\0\1\0\0"
ADOBE = b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0\1"
EXIF = b"\xff\xe1\x00\x10Exif\0\0camera 9"
COMMENT = b"\xff\xfe\x00\x0ca comment."
TABLE = b"\xff\xdb\x00\x05\x00\x10\x11"
SCAN = b"\xff\xda\x00\x04\1\2" + b"\x5a\xff\x00\xa5\xff\xd1\x77" * 40
JPEG = b"\xff\xd8" + JFIF + ADOBE + EXIF + COMMENT + TABLE + SCAN + COMMENT + SCAN + b"\xff\xd9tail"
SIZE = b"\xff\x4f\xff\x51\x00\x04\1\2"
J2K = SIZE + b"\xff\x64\x00\x0c\0\1Kakadu-8" + b"\xff\x90\x00\x04\1\2" + b"\x5a" * 99
J2K += b"\xff\xd9tail"


def zeroed(stream: bytes, what: bytes, *, keep: int = 0) -> bytes:
    at = stream.index(what) + keep
    return stream[:at] + bytes(len(what) - keep) + stream[at + len(what) - keep :]


def flipped(stream: bytes, at: int) -> bytes:
    return stream[:at] + bytes((stream[at] ^ 1,)) + stream[at + 1 :]


@pytest.mark.parametrize(
    "stream",
    [
        JPEG,
        zeroed(JPEG, EXIF, keep=4),
        zeroed(JPEG, COMMENT, keep=4),
        zeroed(JPEG, b"tail"),
        zeroed(zeroed(JPEG, EXIF, keep=4), b"tail"),
    ],
)
def test_what_is_no_picture_may_be_zero(stream: bytes) -> None:
    assert is_same_picture(stream, JPEG)


def test_comments_and_the_tail_of_jpeg_2000_may_be_zero() -> None:
    assert is_same_picture(zeroed(zeroed(J2K, b"Kakadu-8"), b"tail"), J2K)
    assert not is_same_picture(zeroed(J2K, b"\x5a" * 99), J2K)


@pytest.mark.parametrize(
    "stream",
    [
        zeroed(JPEG, JFIF, keep=4),
        zeroed(JPEG, ADOBE, keep=4),
        zeroed(JPEG, TABLE, keep=4),
        zeroed(JPEG, EXIF, keep=2),
        zeroed(JPEG, EXIF),
        JPEG.replace(b"camera", b"somebo"),
        JPEG[:-1],
        JPEG + b"\0",
    ],
)
def test_everything_else_has_to_stay(stream: bytes) -> None:
    assert not is_same_picture(stream, JPEG)


def test_every_byte_of_the_picture_counts() -> None:
    for stream in (JPEG, J2K, b"\1\2no stream" * 9):
        for at in range(len(stream)):
            assert not is_same_picture(flipped(stream, at), stream)


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"\xff\xd8", b"\xff\xd8\xff", SIZE[:5], JPEG[:25]]
)
def test_a_stream_that_ends_anywhere_is_compared(content: bytes) -> None:
    assert is_same_picture(content, content)


def original_of(tmp_path: Path, syntax: str, *fragments: bytes) -> Path:
    ds = make_instance(modality="US")
    if syntax == RLELossless:
        return write_instance(tmp_path / "a.dcm", ds, transfer_syntax_uid=RLELossless)
    path = write_instance(tmp_path / "a.dcm", ds)
    ds = dcmread(path)
    ds.PixelData = encapsulate(list(fragments), has_bot=False)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = syntax
    ds.save_as(path)
    return path


def deidentified(original: Path) -> Path:
    result = original.with_name("result.dcm")
    recipe = Recipe.resolve(preset="research", pixels="off", pixels_off_reason="no text in it")
    Engine(recipe, identities_for(original)).deidentify_to(original, result)
    return result


LONG = b"\xff\xd8" + COMMENT + b"\xff\xda\x00\x04\1\2" + b"\x5a" * (1 << 18) + b"\xff\xd9"
"""Longer than what is compared at once."""


@pytest.mark.parametrize(
    ("syntax", "fragments"),
    [
        (RLELossless, ()),
        (JPEGBaseline8Bit, (JPEG,)),
        (JPEGLSLossless, (JPEG, JPEG[: len(JPEG) // 2 * 2])),
        (JPEG2000Lossless, (J2K,)),
        (JPEGBaseline8Bit, (LONG, b"\x5a" * 9000, LONG)),
    ],
    ids=["rle", "jpeg", "jpeg-ls", "jpeg-2000", "long"],
)
def test_what_the_engine_passes_on_is_let_out_and_a_flipped_byte_is_not(
    tmp_path: Path, syntax: str, fragments: tuple[bytes, ...]
) -> None:
    original = original_of(tmp_path, syntax, *fragments)
    result = deidentified(original)
    content = result.read_bytes()
    known = known_of(original)

    check_release(result, known=known, original=original)
    end = content.rindex(b"\xfe\xff\xdd\xe0")
    start = content.index(b"\xe0\x7f\x10\x00OB") + 12 + 8
    for at in (end - 40, start + (end - start) * 2 // 3, start + 8 + (64 if not fragments else 1)):
        result.write_bytes(flipped(content, at))
        with pytest.raises(Rejected) as caught:
            check_release(result, known=known, original=original)
        assert caught.value.reason is Reason.VALUE_LOST
        assert caught.value.detail == "(7FE0,0010) changed"


def test_fragments_of_other_lengths_are_refused(tmp_path: Path) -> None:
    original = original_of(tmp_path, JPEGBaseline8Bit, JPEG, JPEG)
    result = deidentified(original)
    ds = dcmread(result)
    ds.PixelData = encapsulate([JPEG, JPEG + b"\0\0"], has_bot=False)
    ds.save_as(result)

    with pytest.raises(Rejected) as caught:
        check_release(result, known=known_of(original), original=original)

    assert caught.value.detail == "(7FE0,0010) fragments"


def test_an_engine_that_spoils_a_fragment_lets_nothing_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(clean: Callable[[bytes], bytes] | None) -> Callable[[bytes], bytes]:
        return lambda fragment: flipped(clean(fragment) if clean else fragment, 60)

    def spoilt(*args: object, **named: object) -> object:
        passed = pass_through(*args, **named)  # type: ignore[arg-type]
        pieces = [
            replace(piece, change_whole=spoil(piece.change_whole))
            if getattr(piece, "change_whole", None)
            else piece
            for piece in passed.pieces
        ]
        return passed.__class__(tuple(pieces), passed.length, passed.repairs)

    monkeypatch.setattr(compose, "pass_through", spoilt)
    original = original_of(tmp_path, JPEGBaseline8Bit, JPEG)

    with pytest.raises(Rejected, match="VALUE_LOST"):
        deidentified(original)
