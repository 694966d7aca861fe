from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from sendit.deid.pixels.streams import clean_j2k, clean_jpeg, stream_cleaner
from sendit.deid.release_fragments import is_same_picture

COMMENT = b"\xff\xfe\x00\x0ccanary one"
EXIF = b"\xff\xe1\x00\x10Exif\0\0canary.."


def jpeg() -> bytes:
    buffer = BytesIO()
    gradient = np.arange(256, dtype="u1").reshape(16, 16)
    Image.fromarray(gradient).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def decoded(stream: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(stream)))


def test_clean_stream_is_the_very_same() -> None:
    stream = jpeg()

    assert clean_jpeg(stream) is stream


@pytest.mark.parametrize("segment", [COMMENT, EXIF])
def test_comments_and_exif_lose_their_content_and_the_picture_stays(segment: bytes) -> None:
    stream = jpeg()
    dirty = stream[:2] + segment + stream[2:]

    clean = clean_jpeg(dirty)

    assert b"canary" not in clean
    assert len(clean) == len(dirty)
    assert (decoded(clean) == decoded(stream)).all()


@pytest.mark.parametrize(
    "segment",
    [b"\xff\xee\x00\x0cAdobe\0\0\0\0\0", b"\xff\xe0\x00\x10JFIF\0\1\2\0\0\1\0\1\1\0"],
    ids=["adobe-too-short", "jfif-that-tells-of-a-thumbnail"],
)
def test_mark_for_the_decoder_stays_as_the_release_check_wants_it(segment: bytes) -> None:
    stream = jpeg()
    marked = stream[:2] + segment + stream[2:]

    assert is_same_picture(clean_jpeg(marked), marked)


def test_what_follows_the_end_goes() -> None:
    clean = clean_jpeg(jpeg() + b"canary")

    assert clean == jpeg() + bytes(6)


def test_comment_of_jpeg_2000_goes() -> None:
    head = (
        b"\xff\x4f\xff\x51\x00\x04ab" + b"\xff\x64\x00\x0a\x00\x01canary" + b"\xff\x90rest\xff\xd9"
    )

    clean = clean_j2k(head + b"tail")

    assert b"canary" not in clean
    assert b"tail" not in clean
    assert clean.startswith(head[:14])
    assert b"\xff\x90rest\xff\xd9" in clean


@pytest.mark.parametrize(
    "broken", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe1\xff\xff", b"\xff\x4f\xff\x51\0"]
)
def test_broken_stream_is_left_as_it_is(broken: bytes) -> None:
    assert clean_jpeg(broken) == broken
    assert clean_j2k(broken) == broken


def test_uncompressed_and_rle_have_no_comments() -> None:
    assert stream_cleaner("1.2.840.10008.1.2.5") is None
